"""Examines one node: connects to it, then makes each call of the exporter once, in its cheapest form."""

import asyncio
import datetime as dt
import time
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC
from exporter.doctor import answers
from exporter.doctor.connection import connect
from exporter.doctor.finding import Area, NodeReport, Verdict
from exporter.doctor.macaroon import (
    DECODE,
    GET_INFO,
    LIST_CHANNELS,
    LIST_PAYMENTS,
    QUERY_ROUTES,
    TRACK_PAYMENT,
    TRACK_PAYMENTS,
    Call,
    judge_answers,
    judge_contents,
    other_failures,
)
from exporter.doctor.notes import Notes, NotOnTime
from exporter.lnd.client import NOT_READY, ExaminedClient, LndError
from exporter.macaroon import Contents, decode, read_contents
from exporter.payments.findings import RouteQuery
from exporter.payments.labels import Interruption, Mode, NodeState
from exporter.payments.node import Info
from exporter.payments.payment import Payment

PAGE = 100
"""Payments in the page whose time is measured."""
_NO_HASH, _NO_KEY = "00" * 32, "02" + "00" * 32
"""The hash of no payment, and the key of no node."""


async def examine_node(node: NodeConfig, client: ExaminedClient) -> NodeReport:
    """Return what is found about a node within the time for it. `client` isn't connected yet, and is closed."""
    notes = Notes(node)
    try:
        async with asyncio.timeout(notes.node_s):
            await _Examination(node, client, notes).run()
    except TimeoutError:
        what = f"not everything was answered within {notes.node_s:.0f} s: the rest was not asked"
        notes.find(Area.TIME, Verdict.PROBLEM, what, "is lnd's machine overloaded, or the network slow?")
    finally:
        await client.close()
    return NodeReport(node.name, node.address, node.transport, tuple(notes.findings))


class _Examination:
    def __init__(self, node: NodeConfig, client: ExaminedClient, notes: Notes) -> None:
        self._node = node
        self._client = client
        self._notes = notes
        self._info: Info | None = None

    async def run(self) -> None:
        """Note everything."""
        notes = self._notes
        for warning in self._node.address_warnings:
            notes.find(Area.SETTINGS, Verdict.WARNING, warning)
        state = await connect(self._node, self._client, notes)
        if state is None:
            return
        contents = _contents(self._node)
        judged = judge_contents(contents, dt.datetime.now(dt.UTC))
        if state is not NodeState.READY:
            notes.find(Area.WALLET, Verdict.PROBLEM, "lnd doesn't accept calls yet", NOT_READY[state][1])
            notes.findings += judged
            return
        errors = await self._call_each(contents)
        answered = any(error is None or error.state is NodeState.DENIED for error in errors.values())
        if answered:  # a client of an lnd without `lnrpc.State` has assumed that it is ready
            notes.find(Area.WALLET, Verdict.OK, "unlocked: lnd accepts calls")
        notes.findings += judged
        if answered:
            notes.findings += judge_answers(errors, self._node.mode)
        notes.findings += other_failures(errors)
        if answered:
            await self._judge(errors)

    async def _call_each(self, contents: Contents | None) -> dict[Call, LndError | None]:
        """Make all calls at once; return the error of each."""
        client = self._client
        calls: dict[Call, Coroutine[Any, Any, Any]] = {
            GET_INFO: self._get_info(),
            LIST_PAYMENTS: client.payments(limit=1, newest_first=True),
            TRACK_PAYMENT: client.payment(_NO_HASH),
            LIST_CHANNELS: client.channels(),
        }
        if self._node.mode != Mode.TRACK and not TRACK_PAYMENTS.allowed_by(contents):
            # Where it is allowed, lnd scans all its payments for it: so it is called only to be told that it is denied.
            calls[TRACK_PAYMENTS] = self._subscribe()
        if self._node.explain_no_route:
            calls[DECODE] = _unless_denied(client.invoice("none"))
            calls[QUERY_ROUTES] = _unless_denied(client.find_route(RouteQuery(_NO_KEY, 1000)))
        return dict(zip(calls, await asyncio.gather(*map(self._error, calls.values())), strict=True))

    async def _error(self, call: Coroutine[Any, Any, Any]) -> LndError | None:
        """Return why a call failed, None if lnd has answered it."""
        try:
            await self._notes.in_time(call)
        except NotOnTime:
            advice = f"no answer within {self._notes.step_s:.0f} s: is lnd's machine overloaded?"
            return LndError(Interruption.TIMEOUT, NodeState.UNREACHABLE, advice)
        except LndError as error:
            return error
        return None

    async def _get_info(self) -> None:
        self._info = await self._client.info(self._notes.step_s)

    async def _subscribe(self) -> None:
        """Subscribe to all payments; return if lnd doesn't refuse that: a subscription that it accepts is silent."""
        try:
            async with (
                asyncio.timeout(self._notes.step_s / 2),
                aclosing(self._client.updates(final_only=True)) as updates,
            ):
                await anext(updates)
        except TimeoutError:
            return

    async def _judge(self, errors: Mapping[Call, LndError | None]) -> None:
        """Note what lnd says of itself, and what its newest payments and its answers show."""
        notes = self._notes
        payments: tuple[Payment, ...] = ()
        if self._info is not None:
            notes.findings += answers.version(self._info, rest=self._node.transport != GRPC)
            notes.findings += answers.chain(self._info)
        if errors[LIST_PAYMENTS] is None:
            payments = await self._list()
        try:
            ahead = await notes.in_time(self._client.clock())
        except (LndError, NotOnTime):
            notes.find(Area.CLOCK, Verdict.UNKNOWN, "lnd didn't answer when it was asked for the time")
        else:
            notes.findings.append(answers.clock(ahead, payments, time.time()))

    async def _list(self) -> tuple[Payment, ...]:
        """Measure a page of the newest payments, and look into it; return it."""
        notes, began = self._notes, time.monotonic()
        try:
            page = await notes.in_time(self._client.payments(limit=PAGE, newest_first=True))
        except NotOnTime:
            what = f"the newest {PAGE} payments were not listed within {notes.step_s:.0f} s"
            notes.find(Area.PAGE, Verdict.WARNING, what, "is lnd's disk slow, its machine overloaded?")
            return ()
        except LndError as error:
            notes.find(Area.PAGE, Verdict.PROBLEM, "lnd doesn't list its payments", error.advice)
            return ()
        payments = page.payments
        notes.findings.append(answers.page(len(payments), time.monotonic() - began))
        if payments:
            kept = answers.kept_attempts(payments, answers.release_of(self._info))
            notes.findings.append(answers.attempts(kept, len(payments)))
        return payments


async def _unless_denied(call: Coroutine[Any, Any, Any]) -> None:
    """Make a call about something that doesn't exist: that lnd says so, in words that change, shows that it may be."""
    try:
        await call
    except LndError as error:
        if error.cause is not Interruption.OTHER:
            raise


def _contents(node: NodeConfig) -> Contents | None:
    """Return what the node's macaroon says of itself; None if it can't be read."""
    try:
        binary = decode(node.macaroon.read_bytes())
    except OSError:  # it was there a moment ago
        return None
    return read_contents(binary) if binary is not None else None
