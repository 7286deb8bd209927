"""The findings about one node while they are made, and the time that each step may take."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from exporter.config import NodeConfig
from exporter.doctor.finding import Area, Finding, Value, Verdict
from exporter.lnd.client import LndError

T = TypeVar("T")

NODE_S = 15.0
"""Seconds for a node; after that what has been found is all there is. Twice as long through a proxy: Tor is slow."""
STEP_S = 5.0
"""Seconds for each step of the connection, and for each question; twice as long through a proxy."""


class NotOnTime(Exception):
    """A step or a question took longer than it may."""


class Notes:
    """What has been found about a node so far."""

    def __init__(self, node: NodeConfig) -> None:
        """Begin without any finding."""
        slow = 2 if node.proxy else 1
        self.findings: list[Finding] = []
        self.node_s = NODE_S * slow
        """Seconds for all of it."""
        self.step_s = STEP_S * slow
        """Seconds for one step."""

    def find(self, area: Area, verdict: Verdict, what: str, to_do: str = "", **values: Value) -> None:
        """Add a finding."""
        self.findings.append(Finding(area, verdict, what, to_do, values))

    async def in_time(self, awaited: Awaitable[T]) -> T:
        """Return the result, or raise `NotOnTime`."""
        try:
            async with asyncio.timeout(self.step_s):
                return await awaited
        except TimeoutError:
            raise NotOnTime from None

    async def step(self, area: Area, failure: str, to_do: str, step: Awaitable[T]) -> T | None:
        """Return the result of a step without which the others make no sense; None if it failed, after noting why.

        `failure` says what has failed then, `to_do` what to do if it took too long.
        """
        try:
            return await self.in_time(step)
        except NotOnTime:
            self.find(area, Verdict.PROBLEM, f"{failure}: no answer within {self.step_s:.0f} s", to_do)
        except LndError as error:
            self.find(area, Verdict.PROBLEM, failure, error.advice)
        return None
