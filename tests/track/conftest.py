"""A simulated node and a watcher of one of its payments, over every transport."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.app import client_of, current_moment
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.follow import backoff
from exporter.lnd.client import DetailedClient, LndError
from exporter.payments.detail import PaymentDetail
from exporter.payments.labels import AttemptStatus, Status
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.track import watcher
from exporter.track.watcher import PaymentUpdate, PaymentWatcher
from tests.patience import PATIENCE_S


@dataclass
class Scene:
    """A node, a client, and a listener that records what it receives."""

    node: SimulatedNode
    client: DetailedClient
    messages: list[str] = field(default_factory=list)
    """Warnings, and each loss and return of the connection."""
    awaited: list[Status] = field(default_factory=list)
    """Status of the payment at each `awaiting_end`."""

    def __post_init__(self) -> None:
        """Prepare lives of payments for the node."""
        self.scenarios = Scenarios(self.node.world)

    def begin(self, scenario: Scenario, steps: int) -> Callable[[], None]:
        """Apply this many steps of a life; each call of the returned function applies the next one."""
        remaining = iter(scenario.steps)

        def go_on() -> None:
            self.node.database.apply(next(remaining).mutation)

        for _ in range(steps):
            go_on()
        return go_on

    def warn(self, message: str) -> None:
        """Record a warning."""
        self.messages.append(message)

    def connection_lost(self, error: LndError) -> None:
        """Record the loss."""
        self.messages.append(f"lost: {error.state}")

    def connection_restored(self) -> None:
        """Record the return."""
        self.messages.append("restored")

    def awaiting_end(self, detail: PaymentDetail) -> None:
        """Record the status."""
        self.awaited.append(detail.payment.status)

    def watcher(self, payment_hash: str, *, inflight: bool = True, secrets: bool = False) -> PaymentWatcher:
        """Return a watcher of the payment whose listener is the scene."""
        return PaymentWatcher(self.client, payment_hash, current_moment, self, inflight=inflight, secrets=secrets)


@pytest.fixture(params=TRANSPORTS)
async def scene(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """A scene for each transport, with short delays."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.05)
    monkeypatch.setattr(watcher, "RECHECK_AFTER_S", 0.05)
    async with SimulatedNode(tmp_path) as node:
        address = node.address if request.param == GRPC else f"https://{node.rest}"
        client = client_of(NodeConfig("alice", address, node.tls_cert, node.macaroon, request.param))
        yield Scene(node, client)
        await client.close()


async def next_update(updates: AsyncIterator[PaymentUpdate]) -> PaymentUpdate:
    """Wait for the next update, at most `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(updates)


def statuses(update: PaymentUpdate) -> tuple[Status, list[AttemptStatus]]:
    """Return the status of the payment and of its attempts."""
    return update.detail.payment.status, [one.attempt.status for one in update.detail.attempts]
