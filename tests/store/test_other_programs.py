"""Other programs that use the state file: harmless ones, locks that prevent writing, and older states put back."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.store import Busy, Store, encode, open_files
from exporter.store import store as module
from exporter.store.lock import is_locked
from tests.store.another_program import another_program
from tests.store.test_store import busy_node, reload, saved_node, write_state

STATE = "state.sqlite"
LISTED = Run("ab" * 32, 1)
NEVER = Run("cd" * 32, 2)


def filled(path: Path, second: float = 9) -> Store:
    """Return a store that has written a node and one counted run."""
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node(), second))._replace(ended=(LISTED,))})
    return store


HARMLESS = {
    "a query": ["SELECT count(*) FROM counter"],
    "a check": ["PRAGMA integrity_check"],
    "a checkpoint": ["PRAGMA wal_checkpoint(TRUNCATE)"],
    "a checkpoint that restarts the log": ["PRAGMA wal_checkpoint(RESTART)"],
    "VACUUM": ["VACUUM"],
    "ANALYZE": ["ANALYZE"],
    "a reader": ["BEGIN", "SELECT count(*) FROM counter"],
}


@pytest.mark.parametrize("program", HARMLESS)
def test_harmless_program_changes_nothing(tmp_path: Path, program: str) -> None:
    """The exporter keeps using the file and its list of counted runs, while the program has it open and afterwards."""
    path = tmp_path / STATE
    store = filled(path)
    with another_program(path, *HARMLESS[program]):
        store.save({"alice": encode(saved_node(busy_node(), 10))})
        store.save({"alice": encode(saved_node(busy_node(), 11))})
    store.save({"alice": encode(saved_node(busy_node(), 12))})
    assert (store.replacements, store.replace_reason) == (0, "")
    assert store.counted("alice", [LISTED, NEVER]) == {LISTED}
    store.close()
    assert reload(path) == saved_node(busy_node(), 12)


def test_journal_mode_is_set_back_at_the_start(tmp_path: Path) -> None:
    """Another program can't change it while an exporter runs."""
    path = tmp_path / STATE
    store = filled(path)
    other = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("PRAGMA journal_mode = DELETE")
    store.close()
    other.execute("PRAGMA journal_mode = DELETE")
    other.close()
    store = Store(path)
    assert store._files.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (store.load("alice"), store.older_reason) == (saved_node(busy_node()), "")
    store.close()


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_lock_of_another_program_makes_a_write_busy(tmp_path: Path, how: str) -> None:
    """The write fails after `BUSY_TIMEOUT_S`; when the lock is released, the same file is written."""
    path = tmp_path / STATE
    store = filled(path)
    with another_program(path, how), pytest.raises(Busy, match="another program holds a lock"):
        store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.save({"alice": encode(saved_node(busy_node(), 11))})
    assert store.replacements == 0
    store.close()
    assert reload(path) == saved_node(busy_node(), 11)


def write_much(store: Store) -> None:
    """Write more than the log may hold."""
    for second in range(10, 1000):
        store.save({"alice": encode(saved_node(busy_node(), second))})


def test_long_read_transaction_does_not_let_the_log_grow_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite can't restart the log: at its limit nothing is written until the reader ends its transaction."""
    monkeypatch.setattr(open_files, "LOG_LIMIT_BYTES", 200_000)
    path = tmp_path / STATE
    log = path.with_name(STATE + "-wal")
    store = filled(path)
    with another_program(path, "BEGIN", "SELECT count(*) FROM counter"):
        with pytest.raises(Busy, match=r"the log \(-wal\) has grown"):
            write_much(store)
        size = log.stat().st_size
        assert 200_000 < size < 400_000
        with pytest.raises(Busy):
            store.save({"alice": encode(saved_node(busy_node(), 1001))})
        assert log.stat().st_size == size
    store.save({"alice": encode(saved_node(busy_node(), 1002))})
    assert log.stat().st_size < 100_000
    store.close()
    assert reload(path) == saved_node(busy_node(), 1002)


# While the exporter is stopped.


def put_back(copy: Path, path: Path) -> None:
    """Replace a state with a copy of the database, without a log."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, path)


def test_older_copy_put_back_while_stopped(tmp_path: Path) -> None:
    """Its counters are used; the next start logs and counts that they went back, each time it happens."""
    path, copy = tmp_path / STATE, tmp_path / "copy"
    write_state(path, {"alice": encode(saved_node(busy_node(), 9))})
    shutil.copy(path, copy)
    for times in (1, 2):
        write_state(path, {"alice": encode(saved_node(busy_node(), 10))})
        put_back(copy, path)
        store = Store(path)
        assert store.older_reason == "its last 1 writes are missing: it is an older copy, or its log (-wal) was lost"
        assert (store.load("alice"), store.resets) == (
            saved_node(busy_node(), 9),
            {Reset.CORRUPT: 0, Reset.OLDER: times},
        )
        store.close()
        store = Store(path)
        assert (store.older_reason, store.resets[Reset.OLDER]) == ("", times)
        store.close()


def test_lost_log_is_an_older_state(tmp_path: Path) -> None:
    """The exporter was killed, and the file was copied without its log: the start reports that writes are missing."""
    path, copies = tmp_path / STATE, tmp_path / "copies"
    store = filled(path)
    store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    shutil.copytree(tmp_path, copies)
    store.close()
    (copies / f"{STATE}-wal").unlink()
    store = Store(copies / STATE)
    assert "its log (-wal) was lost" in store.older_reason
    assert (store.load("alice"), store.resets[Reset.OLDER]) == (saved_node(busy_node(), 9), 1)
    store.close()


def test_kill_between_a_write_and_its_lock_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is newer than the record: nothing is missing."""
    path = tmp_path / STATE
    store = filled(path)
    monkeypatch.setattr(module.Store, "_write_lock_record", lambda _: None)
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.close()
    monkeypatch.undo()
    store = Store(path)
    assert (store.older_reason, store.resets[Reset.OLDER]) == ("", 0)
    store.close()


def test_state_of_another_exporter_put_in_place_while_stopped(tmp_path: Path) -> None:
    """It is detected by its name, though it was written more often."""
    path, other = tmp_path / STATE, tmp_path / "other"
    write_state(path, {"alice": encode(saved_node(busy_node(), 9))})
    for second in range(20):
        write_state(other, {"alice": encode(saved_node(busy_node(), second))})
    put_back(other, path)
    store = Store(path)
    assert (store.older_reason, store.resets[Reset.OLDER]) == ("it is not the file that was written last", 1)
    store.close()


# While the exporter runs.


def restored(path: Path, copy: Path) -> None:
    """`sqlite3 state.sqlite ".restore copy"`."""
    source, target = sqlite3.connect(copy), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()


def overwritten(path: Path, copy: Path) -> None:
    """`cp copy state.sqlite`: the same inode."""
    with path.open("r+b") as file:
        file.write(copy.read_bytes())


def replaced(path: Path, copy: Path) -> None:
    """`rsync` or `mv`: another inode."""
    shutil.copy(copy, path.with_name("new"))
    path.with_name("new").rename(path)


def edited(path: Path, _copy: Path) -> None:
    """Somebody edits a total by hand."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE counter SET total = 7 WHERE counter = 'started'")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("how", [restored, overwritten, replaced, edited])
@pytest.mark.parametrize("in_log", [False, True])
def test_older_copy_put_back_while_running_is_replaced(
    tmp_path: Path, how: Callable[[Path, Path], None], *, in_log: bool
) -> None:
    """The exporter writes everything to a new file, so no counter goes back; the copy is set aside."""
    path, copy = tmp_path / STATE, tmp_path / "copy"
    write_state(path, {"alice": encode(saved_node(busy_node(), 9)), "bob": encode(saved_node(busy_node(), 9))})
    shutil.copy(path, copy)
    store = Store(path)
    for second in range(10, 20):
        store.save({"alice": encode(saved_node(busy_node(), second)), "bob": encode(saved_node(busy_node(), second))})
    if not in_log:
        store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.save({})
    how(path, copy)
    store.save({"alice": encode(saved_node(busy_node(), 20))})
    harmless = how is overwritten and in_log  # all pages changed since the copy are still in the log
    assert store.replacements == (0 if harmless else 1)
    assert harmless or (store.set_aside is not None and store.set_aside.exists())
    store.close()
    store = Store(path)
    assert (store.load("alice"), store.load("bob")) == (saved_node(busy_node(), 20), saved_node(busy_node(), 19))
    assert (store.older_reason, store.resets) == ("", {Reset.CORRUPT: 0, Reset.OLDER: 0})
    store.close()


def test_removed_lock_file_is_created_again(tmp_path: Path) -> None:
    """SQLite's own locks stay, so another program doesn't remove the log when it closes the database."""
    path = tmp_path / STATE
    store = filled(path)
    path.with_name(STATE + ".lock").unlink()
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    assert is_locked(path)
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM counter').fetchall()"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert path.with_name(STATE + "-wal").exists()
    store.save({"alice": encode(saved_node(busy_node(), 11))})
    assert (store.replacements, store.replace_reason) == (0, "")
    store.close()


@pytest.mark.parametrize("statement", ["INSERT INTO mark VALUES ('x', 1)", "DELETE FROM mark", "DROP TABLE mark"])
def test_mark_that_changes_after_the_files_were_checked(tmp_path: Path, statement: str) -> None:
    """The transaction checks the mark once more, and everything is written to a new file."""
    path = tmp_path / STATE
    store = filled(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(statement)
    other.close()
    store._files.accept()  # as if the files had not changed
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    assert store.replacements == 1
    store.close()
    assert reload(path) == saved_node(busy_node(), 10)


def test_unreadable_list_of_counted_runs_replaces_the_file(tmp_path: Path) -> None:
    """The audit finds a broken page that no write touches: it counts a failed read, and `save` replaces the file."""
    path = tmp_path / STATE
    store = filled(path)
    (page,) = store._files.connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'counted_run'"
    ).fetchone()
    (size,) = store._files.connection.execute("PRAGMA page_size").fetchone()
    store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    store._files.connection.execute("PRAGMA shrink_memory")
    with pytest.raises(sqlite3.DatabaseError):
        store.counted("alice", [Run("ab" * 32, 2**62)])
    assert store.failed_reads == 1
    store._files.accept()  # as if the disk, not a program, had changed it
    store.save({})
    assert store.counted("alice", [NEVER, Run("ab" * 32, 2**62)]) == {NEVER}, "an older run may have been counted"
    store.close()
    assert reload(path) == saved_node(busy_node())
