"""The list of counted runs gets shorter at its old end, and what is off the list is never counted again."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.payments import horizon
from exporter.payments.payment import Run
from exporter.store import EncodedNode, Store, encode, rows, store
from exporter.store.handover import export_node
from exporter.store.receive import receive
from tests.payments.build import T0
from tests.store.test_kills import copies
from tests.store.test_store import busy_node, saved_node

DAY_US = 86_400_000_000
NOW_US = T0 // 1000


def runs(days_ago: float, count: int = 1) -> tuple[Run, ...]:
    """Return runs that were created one microsecond after the other, the first this many days ago."""
    return tuple(Run(f"{number:064x}", NOW_US - int(days_ago * DAY_US) + number) for number in range(count))


def node(ended: tuple[Run, ...], days: float = 0.0, clock_days: float | None = None) -> EncodedNode:
    """Return a node whose newest run was created this many days later than now, by our clock at `clock_days`."""
    saved = saved_node(busy_node())
    at_ns = T0 + int((days if clock_days is None else clock_days) * DAY_US) * 1000
    state = replace(saved.state, newest_us=NOW_US + int(days * DAY_US), at=saved.state.at._replace(wall_ns=at_ns))
    return encode(replace(saved, state=state, ended=ended))


def listed(path: Path, name: str = "alice") -> int:
    """Return the length of a node's list in the file."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM counted_run WHERE node = ?", (name,)).fetchone()
        return int(count)


def test_runs_that_are_no_longer_audited_leave_the_list(tmp_path: Path) -> None:
    """They are taken for counted, also by the next process and the next exporter; the others are still known."""
    path, target = tmp_path / "state.sqlite", tmp_path / "target.sqlite"
    (old,), (new,), (missed,) = runs(29), runs(20), runs(19)
    never = Run("ff" * 32, old.created_us - 1)
    state = Store(path)
    state.save({"alice": node((old, new)), "bob": node((old, new))})
    assert state.counted("alice", [never, old, new, missed]) == {old, new}
    state.save({"alice": node(runs(0), days=2)})
    assert listed(path) == 2
    for _ in range(2):
        assert state.counted("alice", [never, old, new, missed]) == {never, old, new}
        assert state.counted("bob", [never, old, new, missed]) == {old, new}, "its clock may be another"
        state.close()
        state = Store(path)
    state.close()
    receive(target, [export_node(path, "alice").export])
    state = Store(target)
    assert state.counted("alice", [never, old, new, missed]) == {never, old, new}
    state.forget("alice")
    assert state.counted("alice", [never, old]) == set()
    state.close()


def test_clock_that_is_ahead(tmp_path: Path) -> None:
    """Ours or lnd's, by a year: nothing leaves the list."""
    state = Store(tmp_path / "state.sqlite")
    (old,) = runs(25)
    state.save({"alice": node((old,))})
    state.save({"alice": node(runs(0), days=0, clock_days=365)})
    state.save({"alice": node(runs(0, 2), days=365, clock_days=0)})
    assert listed(state.path) == 3
    assert state.counted("alice", [Run("ff" * 32, old.created_us)]) == set()
    state.close()


def test_long_list_gets_shorter_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write takes off a few more runs than it adds, and what is still there is still known."""
    monkeypatch.setattr(store, "SHORTENED", 10)
    state = Store(tmp_path / "state.sqlite")
    old = runs(25, 100)
    state.save({"alice": node(old)})
    lengths = []
    for number in range(12):
        state.save({"alice": node(runs(-9, 3 * number + 3)[-3:], days=10)})
        lengths.append(listed(state.path))
        there = [run for run in old if state.counted("alice", [run._replace(payment_hash="ff" * 32)]) == set()]
        assert len(there) == max(0, 100 - 13 * (number + 1))
        assert state.counted("alice", old) == {*old}
    assert lengths[:8] == [90, 80, 70, 60, 50, 40, 30, 24]
    state.close()


def test_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a horizon of an hour and 2,000 runs an hour the file is as long after a day as after three hours."""
    monkeypatch.setattr(horizon, "AUDITED_US", DAY_US // 24)
    state = Store(tmp_path / "state.sqlite")
    pages = []
    for hour in range(24):
        state.save({"alice": node(runs(-hour / 24, 2000), days=hour / 24)})
        (count,) = state._files.connection.execute("PRAGMA page_count").fetchone()
        pages.append(count)
    state.close()
    assert listed(tmp_path / "state.sqlite") <= 4001
    assert pages[-1] <= pages[3] + 2


def test_kill_while_the_list_gets_shorter(tmp_path: Path) -> None:
    """At each statement: what was counted counts as counted, whether it is on the list or not."""
    path, old = tmp_path / "state" / "state.sqlite", runs(25, 5)
    state = Store(path)
    state.save({"alice": node(old)})
    made = copies(state, lambda: state.save({"alice": node(runs(0), days=10)}), tmp_path / "copies")
    state.close()
    lengths = []
    for copy in made:
        state = Store(copy)
        assert state.counted("alice", old) == {*old}
        lengths.append(listed(copy))
        state.close()
    assert set(lengths) == {1, 5}
    assert lengths == sorted(lengths, reverse=True)


def test_write_that_fails_takes_nothing_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list and what is taken for counted stay as they are."""
    state, old = Store(tmp_path / "state.sqlite"), runs(25, 5)
    state.save({"alice": node(old)})

    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "write_mark", full)
        with pytest.raises(OSError, match="full"):
            state.save({"alice": node(runs(0), days=10)})
    assert state.counted("alice", [*old, Run("ff" * 32, old[0].created_us)]) == {*old}
    state.close()
