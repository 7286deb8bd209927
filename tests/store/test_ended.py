"""The list of ended payments: the last ones of each node, written in the same transaction as the totals."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.payments.ended import EndedPayment
from exporter.payments.event import LastFailure
from exporter.payments.labels import Code, FailureSource
from exporter.store import EncodedNode, Store, StoreError, encode, read_ended, rows
from exporter.store.handover import export_node, from_bytes, to_bytes
from exporter.store.receive import receive
from tests.store.ended_entries import DESTINATION, FAR, T0_US, entry, listed, numbers
from tests.store.test_kills import copies
from tests.store.test_store import busy_node, saved_node


def node(*entries: EndedPayment) -> EncodedNode:
    """Return a node with these entries that are not on disk yet."""
    return encode(replace(saved_node(busy_node()), newly_ended=entries))


def written(path: Path, *writes: Sequence[int], length: int = 10_000) -> None:
    """Write entries of these numbers, one transaction after the other."""
    state = Store(path, ended_length=length)
    for each in writes:
        state.save({"alice": node(*map(entry, each))})
    state.close()


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    """Every field, and those that are unknown; the newest is first."""
    path = tmp_path / "state.sqlite"
    plain = entry(
        2, outcome="succeeded", reason="none", cause="", attempts=None, duration_ns=None, recovered=True, first_hops=(),
        destination="", failure_code="", failure_source="", failed_by="", fee_msat=2**62,
    )  # fmt: skip
    state = Store(path)
    state.save({"alice": node(entry(1)), "bob": node(entry(7))})
    state.save({"alice": node(plain)})
    assert listed(path) == [plain, entry(1)]
    assert listed(path, "bob") == [entry(7)]
    assert path.stat().st_mode & 0o777 == 0o600
    state.close()


def test_list_has_a_length(tmp_path: Path) -> None:
    """The oldest leave, also if there are more in one write than it holds; each node has its own list."""
    path = tmp_path / "state.sqlite"
    state = Store(path, ended_length=3)
    state.save({"alice": node(*map(entry, (1, 2))), "bob": node(entry(1))})
    assert numbers(path) == [1, 2]
    state.save({"alice": node(*map(entry, (3, 4)))})
    assert numbers(path) == [2, 3, 4]
    state.save({"alice": node(*map(entry, range(5, 20)))})
    assert (numbers(path), numbers(path, "bob")) == ([17, 18, 19], [1])
    state.close()
    written(path, [20], length=2)
    assert numbers(path) == [19, 20]


def test_nothing_is_kept_with_length_zero(tmp_path: Path) -> None:
    """What an earlier process has kept, of any node, is deleted at the first write."""
    path = tmp_path / "state.sqlite"
    state = Store(path)
    state.save({"alice": node(entry(1)), "bob": node(entry(1))})
    state.close()
    state = Store(path, ended_length=0)
    state.save({"alice": node()})
    assert numbers(path) == numbers(path, "bob") == []
    state.save({"alice": node(entry(2))})
    assert numbers(path) == []
    state.close()


def test_destinations_are_deleted(tmp_path: Path) -> None:
    """And the nodes on the way to them: those that an earlier process has kept, at the first write."""
    path = tmp_path / "state.sqlite"
    written(path, [1, 2])
    state = Store(path, destinations=False)
    state.save({"alice": node()})
    assert listed(path) == [entry(number, destination="", failed_by="") for number in (2, 1)]
    state.close()


def test_destinations_of_payments_in_flight_are_deleted(tmp_path: Path) -> None:
    """Also those of a node that isn't followed any more; all else that is known of it stays."""
    path = tmp_path / "state.sqlite"
    state, observer = Store(path), busy_node()
    for run in observer.tracker.open.values():
        run.destination, run.last_failure = DESTINATION, LastFailure(Code.OTHER, FailureSource.INTERMEDIATE, FAR)
        observer.tracker.texts.changed(run.run)
    state.save({"bob": encode(saved_node(observer))})
    before = state.load("bob")
    state.close()
    state = Store(path, destinations=False)
    state.save(state.unfollowed([]))
    state.close()
    state = Store(path)
    after = state.load("bob")
    state.close()
    assert before is not None
    assert after is not None
    for run in before.open:
        assert run.destination == DESTINATION
        run.drop_destination()
    assert {run.run: run for run in after.open} == {run.run: run for run in before.open}
    assert (after.counters, after.finished) == (before.counters, before.finished)


def test_kill_at_any_statement(tmp_path: Path) -> None:
    """The file has all entries of a write and its totals, or none of them, and never more than its length."""
    path = tmp_path / "state" / "state.sqlite"
    state = Store(path, ended_length=3)
    observer = busy_node()
    state.save({"alice": node(*map(entry, range(27, 30)))})
    observer.release(99)  # one more failure
    more = encode(replace(saved_node(observer), newly_ended=(entry(30),)))
    made = copies(state, lambda: state.save({"alice": more}), tmp_path / "copies")
    state.close()
    found = set()
    for copy in made:
        _, nodes = read_ended(copy, 0, lambda _name, _state, entries: [each.number for each in entries])
        found.add((nodes["alice"].counted, *nodes["alice"].collected))
    assert found == {(29, 29, 28, 27), (30, 30, 29, 28)}


def test_write_that_fails_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one adds them."""
    path = tmp_path / "state.sqlite"
    state = Store(path)

    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "write_mark", full)
        with pytest.raises(OSError, match="full"):
            state.save({"alice": node(entry(1))})
    assert numbers(path) == []
    state.save({"alice": node(*map(entry, (1, 2)))})
    assert numbers(path) == [1, 2]
    state.close()


def test_entries_since_a_time(tmp_path: Path) -> None:
    """By when they were counted, to the microsecond; the oldest entry and the total are told all the same."""
    path = tmp_path / "state.sqlite"
    written(path, [27, 28, 29])

    def since(seconds: float) -> list[int]:
        collected = read_ended(path, T0_US + int(seconds * 1e6), lambda _n, _s, each: [one.number for one in each])
        alice = collected[1]["alice"]
        assert (alice.counted, alice.oldest) == (29, entry(27))
        return alice.collected

    assert [since(28), since(28.000001), since(99)] == [[29, 28], [29], []]


def test_handover_takes_the_list_along(tmp_path: Path) -> None:
    """An import is as an export was; a node without a list has the digest that it had before there were lists."""
    path, target = tmp_path / "state.sqlite", tmp_path / "target.sqlite"
    written(path, [28, 29])
    export = export_node(path, "alice").export
    assert from_bytes(to_bytes(export), path).content == export.content
    assert receive(target, [export]) == [True]
    assert receive(target, [export]) == [False]
    assert listed(target) == listed(path) == [entry(29), entry(28)]
    state = Store(target)
    assert state.forget("alice")
    state.close()
    assert numbers(target) == []


def test_file_that_is_replaced_while_running_has_a_new_list(tmp_path: Path) -> None:
    """All totals are written to the new file, and the numbers go on; what was in the list is lost with the file."""
    path = tmp_path / "state.sqlite"
    state = Store(path)
    state.save({"alice": node(entry(28))})
    path.unlink()
    state.save({"alice": node(entry(29))})
    assert (state.replacements, numbers(path)) == (1, [29])
    state.close()


@pytest.mark.parametrize("change", ["destination = 7", "payment_hash = 'ab'", "counted_us = 'now'", "cause = x'00'"])
def test_an_edited_entry_is_an_error(tmp_path: Path, change: str) -> None:
    """SQLite takes any value in any column; what is no entry is reported like a damaged file."""
    path = tmp_path / "state.sqlite"
    written(path, [1])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE ended SET {change}")
    with pytest.raises(StoreError, match="the list of ended payments has a value of another type") as error:
        listed(path)
    assert error.value.fix == "Try again; if the error stays, look into the log of the exporter."
