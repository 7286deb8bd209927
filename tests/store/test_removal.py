"""What is no longer to be kept is in no byte of the state file and its log: neither in a row nor in free space."""

import hashlib
import re
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from exporter.payments.event import LastFailure
from exporter.payments.labels import Code, FailureSource
from exporter.store import Store, encode, place, removal
from exporter.store.removal import Removal
from tests.store.child import in_child
from tests.store.ended_entries import entry, numbers
from tests.store.test_ended import node
from tests.store.test_kills import STATEMENTS, copies
from tests.store.test_store import busy_node, saved_node

ENTRIES, WRITTEN_AT_ONCE, LENGTH = 630, 7, 300
IN_FLIGHT, FAILED_IT = "02" + "c7" * 32, "03" + "d8" * 32
"""Recipient of a payment in flight, and the node on the way that failed one of its HTLCs."""


def key(kind: str, number: int) -> str:
    """Return the key of one node of many."""
    return f"02{hashlib.sha256(f'{kind}{number}'.encode()).hexdigest()}"


KEYS = [key(kind, number) for kind in ("recipient", "failed by") for number in range(1, ENTRIES + 1)]


def found(path: Path) -> int:
    """Return how many of the keys the file, or one beside it, has anywhere, as bytes or as text."""
    content = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.is_file())
    return sum(bytes.fromhex(each) in content or each.encode() in content for each in (*KEYS, IN_FLIGHT, FAILED_IT))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of an exporter that has written many entries of three nodes, with a SQLite that overwrites nothing."""
    connect = sqlite3.connect

    def forgetful(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA secure_delete = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", forgetful)
    path = tmp_path / "kept" / "state.sqlite"
    state, observer = Store(path, ended_length=LENGTH), busy_node()
    for run in observer.tracker.open.values():
        run.destination = IN_FLIGHT
        run.last_failure = LastFailure(Code.OTHER, FailureSource.INTERMEDIATE, FAILED_IT)
        observer.tracker.texts.changed(run.run)
    state.save({"dave": encode(saved_node(observer))})
    for first in range(1, ENTRIES, WRITTEN_AT_ONCE):
        entries = (
            entry(number, destination=key("recipient", number), failed_by=key("failed by", number))
            for number in range(first, first + WRITTEN_AT_ONCE)
        )
        state.save({("alice", "bob", "carol")[first * first % 3]: node(*entries)})
    state.close()
    assert found(path) > LENGTH
    return path


def test_recipients_are_in_no_byte(path: Path) -> None:
    """From the start on, while the exporter runs; all else stays."""
    before = [numbers(path, name) for name in ("alice", "bob")]
    state = Store(path, ended_length=LENGTH, destinations=False)
    assert (found(path), state.warnings) == (0, [])
    assert [numbers(path, name) for name in ("alice", "bob")] == before
    assert state.nodes() == ["alice", "bob", "dave"]
    state.save(state.unfollowed([]))
    state.close()
    assert found(path) == 0


def test_a_list_that_is_not_kept_is_in_no_byte(path: Path) -> None:
    """Nor are recipients in it; those of payments in flight stay, if they are to be kept."""
    state = Store(path, ended_length=0)
    assert found(path) == len((IN_FLIGHT, FAILED_IT))
    state.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read the file as another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM ended").fetchone()
        yield


def test_another_program_reads_the_file(path: Path) -> None:
    """A warning says so, the exporter starts, and the next start overwrites what was removed, however it is set."""
    with reading(path):
        state = Store(path, ended_length=LENGTH, destinations=False)
        (warning,) = state.warnings
        assert warning.startswith("what is no longer to be kept is not overwritten before the next start: another pro")
        assert found(path) > 0
        state.save(state.unfollowed([]))
    state.close()
    state = Store(path)
    assert (found(path), state.warnings) == (0, [])
    state.close()


def test_kill_between_removal_and_overwriting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start does it."""
    with monkeypatch.context() as patch:
        patch.setattr(Removal, "overwrite", lambda *_: None)
        Store(path, ended_length=LENGTH, destinations=False).close()
    assert found(path) > 0
    Store(path, ended_length=LENGTH, destinations=False).close()
    assert found(path) == 0


def test_kill_at_any_statement(path: Path, tmp_path: Path) -> None:
    """The next start finishes it: nothing of it is left, and all else is there."""
    before = [numbers(path, name) for name in ("alice", "bob")]
    state = Store(path, ended_length=LENGTH)
    state._removal = Removal(LENGTH, destinations=False)
    made = copies(state, state._remove, tmp_path / "copies")
    state.close()
    assert len(made) > STATEMENTS
    for copy in made:
        again = Store(copy, ended_length=LENGTH, destinations=False)
        assert (found(copy), again.warnings, again.nodes()) == (0, [], ["alice", "bob", "dave"])
        assert not any(again.resets.values())
        again.close()
        assert [numbers(copy, name) for name in ("alice", "bob")] == before


def test_a_disk_that_is_full_at_the_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter starts; the first write that succeeds removes it all, and a later start overwrites it."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Removal, "remove", full)
        state = Store(path, ended_length=LENGTH, destinations=False)
    assert [each for each in state.warnings if "database or disk is full" in each] == state.warnings != []
    state.save(state.unfollowed([]))
    state.close()
    Store(path, ended_length=LENGTH, destinations=False).close()
    assert found(path) == 0


def test_a_disk_with_little_room_is_not_filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lnd may be on it. The warning says how much room is needed; a start with that much does it."""
    size = path.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(place, "free_bytes", lambda _: 2 * size)
        patch.setattr(removal, "COPIES", 3 << 20)  # so that it is some MiB
        state = Store(path, ended_length=LENGTH, destinations=False)
        (warning,) = state.warnings
        wanted = rf"what is no longer .*: {path.parent} has 0 MiB of free space, and this needs [1-9]\d+\."
        assert re.fullmatch(wanted, warning)
        assert state.nodes() == ["alice", "bob", "dave"]
        state.close()
    assert place.free_bytes(path.parent)
    state = Store(path, ended_length=LENGTH, destinations=False)
    assert (found(path), state.warnings) == (0, [])
    state.close()


def test_a_disk_that_becomes_full(path: Path) -> None:
    """The exporter starts, and gives the space back that the attempt had taken."""

    def attempt() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size * 3 // 2, resource.RLIM_INFINITY))
        state = Store(path, ended_length=LENGTH, destinations=False)
        log = path.with_name(f"{path.name}-wal").stat().st_size
        return f"{log} {len(state.nodes())} {state.warnings}"

    log, nodes, warnings = in_child(attempt).split(maxsplit=2)
    assert (log, nodes) == ("0", "3")
    assert warnings.startswith("['what is no longer to be kept is not overwritten before the next start: ")
    Store(path, ended_length=LENGTH, destinations=False).close()
    assert found(path) == 0


def test_nothing_is_written_anew_without_need(path: Path) -> None:
    """A second start finds nothing to remove."""
    Store(path, ended_length=LENGTH, destinations=False).close()
    before = path.read_bytes()
    Store(path, ended_length=LENGTH, destinations=False).close()
    assert path.read_bytes() == before
