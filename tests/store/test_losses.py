"""Files that are removed, truncated or damaged, while an exporter has them open or before; and kills meanwhile."""

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.payments.labels import Reset
from exporter.store import EncodedNode, Locked, Store, encode, file, rows
from exporter.store import store as module
from tests.store.test_store import busy_node, reload, saved_node, write_state

pytestmark = pytest.mark.slow

STATE = "state.sqlite"
KILLED = """
import os, sys
from pathlib import Path
from exporter.store import Store, encode
from tests.store.test_store import busy_node, saved_node
path, losses = Path(sys.argv[1]), sys.argv[2:]
store, node = Store(path), encode(saved_node(busy_node()))
store.save({"alice": node})
for loss in losses:
    os.truncate(f"{path}{loss[1:]}", 0) if loss.startswith("!") else os.unlink(f"{path}{loss}")
for second in range(10, 400):
    store.save({"alice": encode(saved_node(busy_node(), second))})
os.kill(os.getpid(), 9)
"""
"""A file whose suffix has a `!` in front is truncated, others are removed."""


@pytest.mark.parametrize("losses", [[], ["-wal"], ["-shm"], ["-wal", "-shm"], ["!-wal"], ["!"], ["", "-wal", "-shm"]])
def test_killed_after_a_file_was_lost(tmp_path: Path, losses: list[str]) -> None:
    """The log removed or truncated while it is open: after a kill, everything is there that `save` has written."""
    path = tmp_path / STATE
    killed = subprocess.run([sys.executable, "-c", KILLED, path, *losses], check=False, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert reload(path).state.at == saved_node(busy_node(), 399).state.at


def test_file_removed_while_stopped_counts_one_reset(tmp_path: Path) -> None:
    """Starts before the next write don't count it again, and a node that was forgotten on purpose doesn't count."""
    path = tmp_path / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    for _ in range(3):
        store = Store(path)
        assert (store.load("alice"), store.replace_reason, store.resets) == (
            None,
            "it is gone",
            {Reset.CORRUPT: 1, Reset.OLDER: 0},
        )
        store.close()
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    store = Store(path)
    assert (store.replace_reason, store.resets) == ("", {Reset.CORRUPT: 1, Reset.OLDER: 0})
    store.forget("alice")
    store.close()
    store = Store(path)
    assert (store.replace_reason, store.resets) == ("", {Reset.CORRUPT: 1, Reset.OLDER: 0}), "forgotten on purpose"
    store.close()


@pytest.mark.parametrize("at", ["set_aside", "connect", "_save"])
@pytest.mark.parametrize("damaged", [False, True])
def test_kill_while_the_file_is_replaced_counts_a_reset(
    tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch, *, damaged: bool
) -> None:
    """The next process starts at zero, unless the kill was before the damaged file was set aside."""
    path = tmp_path / STATE
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    if not damaged:
        path.unlink()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module.Store if at.startswith("_") else file, at, die)
        if damaged or at != "set_aside":  # a removed file can't be set aside
            with pytest.raises(Killed):
                replace_file(store)
    store._files.lock.release()  # as the kernel does at the end of a process
    store._files.connection.close()
    again = Store(path)
    untouched = at == "set_aside" and damaged
    assert (again.load("alice") is None, again.resets[Reset.CORRUPT]) == ((False, 0) if untouched else (True, 1))
    again.close()


@pytest.mark.parametrize("lost", ["removed", "broken"])
def test_kill_between_first_write_of_a_new_file_and_its_lock_record(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was lost while the exporter was stopped: one reset is counted, and no older state is reported."""
    path = tmp_path / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    if lost == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:3000])
    store = Store(path)
    monkeypatch.setattr(module.Store, "_write_lock_record", lambda _: None)
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.close()
    monkeypatch.undo()
    store = Store(path)
    assert (store.load("alice"), store.older_reason) == (saved_node(busy_node(), 10), "")
    assert store.resets == {Reset.CORRUPT: 1, Reset.OLDER: 0}
    store.close()


def test_kill_before_removed_files_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock file, whose record shows that there was a state, was removed, too: a reset is counted nevertheless."""
    path = tmp_path / STATE
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    for ending in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + ending).unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(rows, "write", full)
        with pytest.raises(OSError, match="No space"):
            store.save({"alice": encode(saved_node(busy_node(), 10))})
    store._files.lock.release()  # as the kernel does at the end of a process
    store._files.connection.close()
    store = Store(path)
    assert (store.load("alice"), store.replace_reason, store.resets[Reset.CORRUPT]) == (None, "it is gone", 1)
    store.close()


def test_kill_while_a_shorter_lock_record_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is read correctly, though the process ID is shorter than the one before."""
    path = tmp_path / STATE
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    store = Store(path)
    before = store._files.lock.record
    assert before is not None

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(os, "getpid", lambda: 7)
        patch.setattr(os, "ftruncate", die)
        store._files.lock.write(before)
    assert store._files.lock.record == before
    store.close()


def replace_file(store: Store) -> None:
    """Do what `save` does when the file was removed."""
    store._replace_file("it is gone")
    store._save({})


class Killed(BaseException):
    """Stands for a kill; no code under test catches it."""


def test_new_file_that_breaks_before_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was removed while the disk was full, and its replacement is damaged: `save` writes all nodes."""
    path = tmp_path / STATE
    store = Store(path)
    node = encode(saved_node(busy_node()))
    store.save({"alice": node})
    path.unlink()

    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(rows, "write", full)
        with pytest.raises(sqlite3.OperationalError):
            store.save({"alice": node})
    store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._files.connection.execute("PRAGMA cache_size = 0")
    content = path.read_bytes()
    with path.open("r+b") as damaged:
        damaged.write(content[:100] + b"\xa5" * (len(content) - 100))
    store.save({"alice": node})
    store.close()
    assert reload(path) == saved_node(busy_node())


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("node", "marks"),
        ("counter", "total"),
        ("histogram", "buckets"),
        ("open_run", "state"),
        ("finished_run", "payment_hash"),
        ("reset", "cause"),
    ],
)
def test_text_that_is_not_utf8(tmp_path: Path, table: str, column: str) -> None:
    """SQLite doesn't check the encoding, Python does; the state is broken, and the message doesn't quote the text."""
    path = tmp_path / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    connection = sqlite3.connect(path)
    ((text,),) = connection.execute(f"SELECT max({column}) FROM {table} LIMIT 1").fetchall()
    damaged = str(text)[:-1].encode() + b"\xff"
    connection.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {column} = ?", (damaged, text))
    connection.commit()
    connection.close()
    store = Store(path)
    assert (store.load("alice"), store.resets[Reset.CORRUPT]) == (None, 1)
    assert str(text) == "" or str(text)[:20] not in store.replace_reason
    store.close()


def test_second_exporter_through_a_link_is_locked_out(tmp_path: Path) -> None:
    """The lock is beside the file that the link leads to."""
    path = tmp_path / STATE
    store = Store(path)
    nodes: dict[str, EncodedNode] = {"alice": encode(saved_node(busy_node()))}
    store.save(nodes)
    link = tmp_path / "elsewhere"
    link.symlink_to(path)
    with pytest.raises(Locked):
        Store(link)
    store.close()
    assert reload(link) == saved_node(busy_node())
    assert not os.path.lexists(f"{link}.lock")
