"""Log lines about payments that have been in flight for long: one per limit, across restarts."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.checkpoint import Checkpoint
from exporter.follow import Account, log_overdue, overdue
from exporter.payments.labels import Reason, Source
from exporter.payments.node import Channels, Info
from exporter.payments.overdue import Limits
from exporter.payments.payment import Attempt, Moment
from exporter.store import Store
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.payments.build import HASH, IN_FLIGHT, PEER, T0, flying, payment

LIMITS = Limits((600, 3600, 86_400), (144, 36))
ALIAS = "café"
Story = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    """A followed node with payments made at T0; its time is the event loop's."""

    def __init__(self, loop: VirtualLoop, began_s: float | None = None) -> None:
        """Start at T0, which is now or when the loop's time was `began_s`."""
        self._loop = loop
        self._began_s = loop.time() if began_s is None else began_s
        self.writes = 0
        self.account = Account("alice", self.now, 5)
        self.follow(stream_up=True)

    def now(self) -> Moment:
        """Return the moment on both clocks."""
        ns = int((self._loop.time() - self._began_s) * 1e9)
        return Moment(T0 + ns, ns)

    def follow(self, *, stream_up: bool, left: int = 1000) -> None:
        """Set whether the stream is up, and how many blocks the payments have left."""
        info = Info("02" * 33, block_height=flying().expiry_height - left)
        self.account.set_status(stream_up=stream_up, info=info, channels=Channels(0, {PEER: ALIAS}))

    def put_in_flight(self, number: int, *attempts: Attempt, reason: Reason = Reason.NONE) -> None:
        """Put payments in flight."""
        for n in range(number):
            digits = HASH if number == 1 else f"{n:064x}"
            self.account.record(payment(IN_FLIGHT, *attempts, payment_hash=digits, reason=reason), Source.STREAM)

    async def written(self) -> None:
        """Count a write, done at once."""
        self.writes += 1


def logged_during(story: Story, limits: Limits = LIMITS) -> list[Any]:
    """Run a story and return the log lines."""

    async def scenario(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        task = asyncio.create_task(log_overdue(lambda: [scene.account], lambda: limits, scene.written))
        await story(scene)
        task.cancel()
        await asyncio.wait([task])

    with capture_logs() as logs:
        run_virtually(scenario)
    return [{name: value for name, value in line.items() if name != "log_level"} for line in logs]


def test_each_limit_is_logged_once() -> None:
    """Within a minute after it was passed, with all fields needed to find the payment."""

    async def days(scene: Scene) -> None:
        scene.put_in_flight(1, flying(), reason=Reason.TIMEOUT)
        await asyncio.sleep(3 * 86_400)
        assert scene.writes == 3

    common = {
        "event": "a payment has been in flight for long",
        "node": "alice",
        "payment_hash": HASH,
        "amount_msat": 1_000_000,
        "given_up": "timeout",
        "htlcs": 1,
        "first_hops": [ALIAS],
    }
    assert logged_during(days) == [
        common | {"age_s": 600, "limit_s": 600},
        common | {"age_s": 3600, "limit_s": 3600, "blocks_left": 1000},
        common | {"age_s": 86_400, "limit_s": 86_400, "blocks_left": 1000},
    ]


def test_limit_of_blocks_left_is_logged() -> None:
    """In one line with a limit of its age that is passed at the same time."""

    async def blocks_come(scene: Scene) -> None:
        scene.put_in_flight(1, flying())
        await asyncio.sleep(3599)
        scene.follow(stream_up=True, left=143)
        await asyncio.sleep(600)
        scene.follow(stream_up=True, left=35)
        await asyncio.sleep(600)

    assert [
        (line["event"], line.get("limit_s"), line.get("limit_blocks"), line.get("blocks_left"))
        for line in logged_during(blocks_come)
    ] == [
        ("a payment has been in flight for long", 600, None, None),
        ("an HTLC of a payment is near its expiry", 3600, 144, 143),
        ("an HTLC of a payment is near its expiry", None, 36, 35),
    ]


def test_many_overdue_payments_are_a_few_lines() -> None:
    """One for each of the oldest and one that counts the rest; nothing at the next check."""

    async def many(scene: Scene) -> None:
        scene.put_in_flight(500)
        await asyncio.sleep(1200)
        assert scene.writes == 1

    lines = logged_during(many)
    assert len(lines) == overdue.MAX_LINES + 1
    assert len({line.get("payment_hash") for line in lines[:-1]}) == overdue.MAX_LINES
    assert lines[-1] == {
        "event": "more payments have been in flight for long",
        "node": "alice",
        "payments": 490,
        "advice": "lnd-payments-exporter open lists them all",
    }


def test_nothing_is_logged_while_the_stream_is_down() -> None:
    """The payments may have ended in lnd; afterwards one line reports the highest limit."""

    async def away(scene: Scene) -> None:
        scene.put_in_flight(1)
        scene.follow(stream_up=False)
        await asyncio.sleep(7200)
        assert scene.writes == 0
        scene.follow(stream_up=True)
        await asyncio.sleep(120)

    assert [line["limit_s"] for line in logged_during(away)] == [3600]


def test_no_limits_log_nothing() -> None:
    """Nothing is written either."""

    async def day(scene: Scene) -> None:
        scene.put_in_flight(1, flying())
        await asyncio.sleep(86_400)
        assert scene.writes == 0

    assert logged_during(day, Limits()) == []


def test_stop_during_the_write_still_logs() -> None:
    """The state may already remember the limit as logged."""

    async def stop(loop: VirtualLoop) -> None:
        scene = Scene(loop)
        scene.put_in_flight(1)
        task = asyncio.create_task(log_overdue(lambda: [scene.account], lambda: LIMITS, asyncio.Event().wait))
        await asyncio.sleep(630)
        assert logs == []
        task.cancel()
        await asyncio.wait([task])

    with capture_logs() as logs:
        run_virtually(stop)
    assert [line["limit_s"] for line in logs] == [600]


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_limit_is_not_logged_again_after_a_restart(tmp_path: Path, seconds: float) -> None:
    """The state is on disk before the line is logged, even if the exporter is killed right afterwards."""

    async def scenarios(loop: VirtualLoop) -> None:
        began_s = loop.time()
        for scenario in range(2):
            scene, store = Scene(loop, began_s), Store(tmp_path / "state.sqlite")
            if saved := store.load("alice"):
                scene.account.resume(saved)
            else:
                scene.put_in_flight(1, flying())
            checkpoint = Checkpoint([scene.account], store)
            accounts = partial(list[Account], [scene.account])
            task = asyncio.create_task(log_overdue(accounts, lambda: LIMITS, checkpoint.durable_page))
            await asyncio.sleep(630)
            task.cancel()
            await asyncio.wait([task])
            store.close()
            if not scenario:
                loop.stand_still(seconds)

    with capture_logs() as logs:
        run_virtually(scenarios)
    assert [line["limit_s"] for line in logs if "limit_s" in line] == [600, 3600][: 1 + bool(seconds)]
