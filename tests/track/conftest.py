"""A node, and somebody who follows one of its payments, in every way in which lnd can be asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.app import client_of, clocks
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.follow import backoff
from exporter.lnd.client import DetailedClient, LndError
from exporter.payments.detail import Detail
from exporter.payments.labels import AttemptStatus, Status
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Life
from exporter.simulator.server import SimulatedNode
from exporter.track import course as following
from exporter.track.course import Course, Update
from tests.patience import PATIENCE_S


@dataclass
class Scene:
    """A node, and somebody who follows one of its payments."""

    node: SimulatedNode
    client: DetailedClient
    said: list[str] = field(default_factory=list)
    waited: list[Status] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lives for the node."""
        self.lives = Lives(self.node.world)

    def begin(self, life: Life, steps: int) -> Callable[[], None]:
        """Let so many steps of a life happen; each call lets the next one."""
        left = iter(life.steps)

        def go_on() -> None:
            self.node.database.apply(next(left).mutation)

        for _ in range(steps):
            go_on()
        return go_on

    def say(self, words: str) -> None:
        """Heard."""
        self.said.append(words)

    def lost(self, trouble: LndError) -> None:
        """Heard."""
        self.said.append(f"lost: {trouble.state}")

    def found(self) -> None:
        """Heard."""
        self.said.append("found")

    def wait(self, detail: Detail) -> None:
        """Heard."""
        self.waited.append(detail.payment.status)

    def course(self, payment_hash: str, *, inflight: bool = True, secrets: bool = False) -> Course:
        """Follow it."""
        return Course(self.client, payment_hash, clocks, self, inflight=inflight, secrets=secrets)


@pytest.fixture(params=TRANSPORTS)
async def scene(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Asked in each way; nobody waits for long."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.05)
    monkeypatch.setattr(following, "AGAIN_S", 0.05)
    async with SimulatedNode(tmp_path) as node:
        address = node.address if request.param == GRPC else f"https://{node.rest}"
        client = client_of(NodeConfig("alice", address, node.tls_cert, node.macaroon, request.param))
        yield Scene(node, client)
        await client.close()


async def heard(updates: AsyncIterator[Update]) -> Update:
    """The next one."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(updates)


def told(update: Update) -> tuple[Status, list[AttemptStatus]]:
    """What it says in short."""
    return update.detail.payment.status, [one.attempt.status for one in update.detail.attempts]
