"""Files that somebody removes, cuts off or damages, while they are used or before; and kills amid all that."""

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
path, gone = Path(sys.argv[1]), sys.argv[2:]
store, node = Store(path), encode(saved_node(busy_node()))
store.save({"alice": node})
for ending in gone:
    os.truncate(f"{path}{ending[1:]}", 0) if ending.startswith("!") else os.unlink(f"{path}{ending}")
for second in range(10, 400):
    store.save({"alice": encode(saved_node(busy_node(), second))})
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("gone", [[], ["-wal"], ["-shm"], ["-wal", "-shm"], ["!-wal"], ["!"], ["", "-wal", "-shm"]])
def test_killed_after_a_file_was_lost(tmp_path: Path, gone: list[str]) -> None:
    """SQLite's log removed or cut off under us: what is said to be saved is there after a kill."""
    path = tmp_path / STATE
    killed = subprocess.run([sys.executable, "-c", KILLED, path, *gone], check=False, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert reload(path).state.at == saved_node(busy_node(), 399).state.at


def test_removed_while_nobody_used_it(tmp_path: Path) -> None:
    """All begins at zero, and that is said: once, until something is written again."""
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
@pytest.mark.parametrize("spoilt", [False, True])
def test_killed_while_another_takes_its_place(
    tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch, *, spoilt: bool
) -> None:
    """Wherever that is: the next process begins at zero, and says so."""
    path = tmp_path / STATE
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    if not spoilt:
        path.unlink()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module.Store if at.startswith("_") else file, at, die)
        if spoilt or at != "set_aside":  # what is gone can't be set aside
            with pytest.raises(Killed):
                begin_anew(store)
    store._files.lock.release()  # as the system does
    store._files.connection.close()
    again = Store(path)
    untouched = at == "set_aside" and spoilt
    assert (again.load("alice") is None, again.resets[Reset.CORRUPT]) == ((False, 0) if untouched else (True, 1))
    again.close()


@pytest.mark.parametrize("lost", ["removed", "broken"])
def test_killed_between_the_first_write_of_a_new_file_and_its_note(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state was lost while nobody used it: that is counted, and the next start finds nothing older."""
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


def test_all_removed_and_killed_before_it_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the lock, which says that there was a state: counting begins at zero and says so."""
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
    store._files.lock.release()  # as the system does
    store._files.connection.close()
    store = Store(path)
    assert (store.load("alice"), store.replace_reason, store.resets[Reset.CORRUPT]) == (None, "it is gone", 1)
    store.close()


def test_killed_amid_a_note_that_is_shorter_than_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process, whose number has fewer digits, finds nothing of the longer line."""
    path = tmp_path / STATE
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    store = Store(path)
    noted = store._files.lock.record
    assert noted is not None

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(os, "getpid", lambda: 7)
        patch.setattr(os, "ftruncate", die)
        store._files.lock.write(noted)
    assert store._files.lock.record == noted
    store.close()


def begin_anew(store: Store) -> None:
    """What a write does that finds its file gone."""
    store._replace_file("it is gone")
    store._save({})


class Killed(BaseException):
    """Nobody catches it, as nobody catches a kill."""


def test_the_new_file_breaks_before_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed while the disk was full, and what was begun then is spoilt, too: all is written at last."""
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
    with path.open("r+b") as spoilt:
        spoilt.write(content[:100] + b"\xa5" * (len(content) - 100))
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
def test_a_text_that_is_none(tmp_path: Path, table: str, column: str) -> None:
    """One bit of a text that flipped: SQLite doesn't look, Python does. Its secrets are not in the message."""
    path = tmp_path / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    connection = sqlite3.connect(path)
    ((text,),) = connection.execute(f"SELECT max({column}) FROM {table} LIMIT 1").fetchall()
    spoilt = str(text)[:-1].encode() + b"\xff"
    connection.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {column} = ?", (spoilt, text))
    connection.commit()
    connection.close()
    store = Store(path)
    assert (store.load("alice"), store.resets[Reset.CORRUPT]) == (None, 1)
    assert str(text) == "" or str(text)[:20] not in store.replace_reason
    store.close()


def test_a_second_exporter_by_a_link(tmp_path: Path) -> None:
    """A link is another name of the same file."""
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
