"""Payments that end: what the account notes of them for the list on disk, and their lines in the log."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.checkpoint import Checkpoint
from exporter.follow import Account, EndedLog
from exporter.payments.labels import Reason, Source
from exporter.payments.node import Channels
from exporter.store import Store, StoredNode, read_state
from tests.ended_law import between, check_numbers, grown, on_disk
from tests.payments.build import FAILED, IN_FLIGHT, PEER, SUCCEEDED, at, failed, flying, payment, settled

DESTINATION, ROUTER = "03" + "33" * 32, "02" + "44" * 32


class Scene:
    """A node that makes payments, one a second."""

    def __init__(self, log: EndedLog | None = None, *, destinations: bool = True) -> None:
        """Start at T0."""
        self.seconds = 0.0
        self.account = Account("alice", lambda: at(self.seconds), 5, ended_log=log, destinations=destinations)
        self.account.tracker.begin([], 0, at(0))
        self.account.tracker.stream_started()
        self.account.set_status(channels=Channels(0, {PEER: "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}))
        self.number = 0

    def receive(self, status: Any, *attempts: Any, reason: Reason = Reason.NONE) -> None:
        """Receive another payment, which ended a second after its creation, if it ended; count it."""
        self.number += 1
        snapshot = payment(
            status,
            *attempts,
            reason=reason,
            payment_hash=f"{self.number:064x}",
            payment_index=self.number,
            created_s=self.seconds,
        )
        self.account.record(snapshot._replace(destination=DESTINATION if attempts else ""), Source.STREAM)
        self.seconds += 1
        self.account.release()

    def end(self, number: int) -> None:
        """Let that many payments fail."""
        for _ in range(number):
            self.receive(FAILED, reason=Reason.NO_ROUTE)

    def end_each_way(self) -> None:
        """Let payments succeed, fail, succeed late, and get lost."""
        self.receive(SUCCEEDED, settled(flying(1)))
        self.receive(FAILED, failed(flying(2))._replace(failed_by=ROUTER), reason=Reason.NO_ROUTE)
        self.receive(SUCCEEDED, settled(flying(3)), reason=Reason.TIMEOUT)
        self.receive(IN_FLIGHT)
        for _ in range(2):
            self.seconds += 70
            self.account.apply(self.account.tracker.not_found(f"{self.number:064x}", at(self.seconds)))


async def logged(which: str, *, hashes: bool = True, destinations: bool = True) -> list[Any]:
    """Return the lines about payments that end each way."""
    scene = Scene(EndedLog(which, hashes), destinations=destinations)
    with capture_logs() as lines:
        scene.end_each_way()
    return [{**line} for line in lines]


@pytest.mark.parametrize(
    ("which", "hashes", "outcomes"),
    [
        ("none", True, ["succeeded late"]),
        ("failed", True, ["failed", "succeeded late", "lost"]),
        ("all", True, ["succeeded", "failed", "succeeded late", "lost"]),
        ("none", False, []),
        ("failed", False, ["failed", "lost"]),
        ("all", False, ["succeeded", "failed", "succeeded", "lost"]),
    ],
)
async def test_which_payments_are_logged(which: str, outcomes: list[str], *, hashes: bool) -> None:
    """Late ones always, as warnings; but only with hashes, and then every line has one."""
    lines = await logged(which, hashes=hashes)
    assert [line["outcome"] + " late" * (line["log_level"] == "warning") for line in lines] == outcomes
    assert {"payment_hash" in line for line in lines} <= {hashes}


async def test_whole_lines() -> None:
    """What isn't known is left out; peers are named by their alias."""
    alias = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    _, failure, late, lost = await logged("all")
    assert failure == {
        "event": "a payment ended",
        "log_level": "info",
        "node": "alice",
        "payment_hash": f"{2:064x}",
        "outcome": "failed",
        "reason": "no_route",
        "cause": "route_liquidity",
        "kind": "invoice",
        "amount_msat": 1_000_000,
        "fee_msat": 0,
        "attempts": 1,
        "duration_s": 1.0,
        "first_hops": [alias],
        "failure_code": "temporary_channel_failure",
        "failure_source": "intermediate",
        "failed_by": ROUTER,
        "destination": DESTINATION,
    }
    assert late == {
        "event": "a payment succeeded after lnd had given it up",
        "log_level": "warning",
        "node": "alice",
        "payment_hash": f"{3:064x}",
        "outcome": "succeeded",
        "reason": "timeout",
        "kind": "invoice",
        "amount_msat": 1_000_000,
        "fee_msat": 10,
        "attempts": 1,
        "duration_s": 0.0,
        "first_hops": [alias],
        "destination": DESTINATION,
    }
    assert {name for name, value in lost.items() if value in ("lost", "deleted", True)} == {
        "outcome",
        "cause",
        "recovered",
    }


async def test_destinations_are_not_kept() -> None:
    """Neither in the log, and so not in the list, nor of payments in flight; the first hops are."""
    scene = Scene(EndedLog("all"), destinations=False)
    with capture_logs() as lines:
        scene.end_each_way()
    scene.receive(IN_FLIGHT, failed(flying(8))._replace(failed_by=ROUTER), flying(9))
    assert [line.get("first_hops") == [] for line in lines] == [False, False, False, True]
    kept = (lines, scene.account.tracker.open)
    assert [DESTINATION in str(part) or ROUTER in str(part) for part in kept] == [False, False]


async def test_destinations_of_payments_in_flight_are_forgotten(tmp_path: Path) -> None:
    """Those that an earlier process has saved."""
    scene, path = Scene(), tmp_path / "state.sqlite"
    scene.receive(IN_FLIGHT, failed(flying(8))._replace(failed_by=ROUTER), flying(9))
    store = Store(path)
    await Checkpoint([scene.account], store).durable_page()

    def kept(found: StoredNode) -> list[bool]:
        return [key in str(found.open) for key in (DESTINATION, ROUTER, PEER)]

    assert kept(read_state(path).nodes["alice"]) == [True, True, True]
    saved = store.load("alice")
    assert saved is not None
    second = Scene(destinations=False)
    second.number = 100
    second.account.resume(saved)
    second.end(1)
    await Checkpoint([second.account], store).durable_page()
    assert kept(read_state(path).nodes["alice"]) == [False, False, True]
    store.close()


async def test_entries_leave_memory_when_they_are_written(tmp_path: Path) -> None:
    """Numbers go on in the next process; the list is what the counters grew by."""
    scene, path = Scene(), tmp_path / "state.sqlite"
    store = Store(path)
    checkpoint = Checkpoint([scene.account], store)
    for expected in (4, 8):
        scene.end_each_way()
        assert len(scene.account.newly_ended) == 4
        await checkpoint.durable_page()
        assert len(scene.account.newly_ended) == 0
        assert [entry.number for entry in on_disk(path, "alice")] == [*range(1, expected + 1)]
    saved = store.load("alice")
    assert saved is not None
    second = Scene()
    second.account.resume(saved)
    second.seconds, second.number = 1000, 100
    checkpoint = Checkpoint([second.account], store)
    before, _ = second.account.ledger.share()
    second.end_each_way()
    await checkpoint.durable_page()
    entries = on_disk(path, "alice")
    check_numbers(entries)
    assert len(entries) == 12
    assert grown(entries[8:]) == between(before, second.account.ledger.counters)
    store.close()


async def test_disk_that_fails_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many entries as the list may have wait in memory; afterwards the list is as if it had never failed."""
    scene, path = Scene(), tmp_path / "state.sqlite"
    store = Store(path, ended_length=10)
    checkpoint = Checkpoint([scene.account], store)
    scene.end(3)
    await checkpoint.durable_page()

    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "save", full)
        for waiting in (4, 8, 10, 10, 10):
            scene.end(4)
            await checkpoint.durable_page()
            assert len(scene.account.newly_ended) == waiting
    scene.end(1)
    await checkpoint.durable_page()
    assert [entry.number for entry in on_disk(path, "alice")] == [*range(15, 25)]
    assert len(scene.account.newly_ended) == 0
    store.close()


def numbers(entries: Sequence[Any]) -> list[int]:
    """Return the numbers of entries."""
    return [entry.number for entry in entries]


async def test_entries_that_come_during_a_write_stay() -> None:
    """Also if so many come that the list drops some of those that are being written."""
    scene = Scene()
    ended = scene.account.newly_ended
    ended.limit(4)
    scene.end(3)
    writing = ended.unwritten()
    scene.end(3)
    assert numbers(ended.unwritten()) == [3, 4, 5, 6]
    ended.written(writing[-1].number)
    assert numbers(ended.unwritten()) == [4, 5, 6]


async def test_nothing_is_noted_without_a_list_and_a_log() -> None:
    """But the number goes on."""
    scene = Scene(EndedLog("none", hashes=False))
    with capture_logs() as lines:
        scene.end_each_way()
    assert (lines, len(scene.account.newly_ended), scene.account.newly_ended.counted) == ([], 0, 4)
