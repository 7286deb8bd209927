"""Network file systems, and disks without locks or shared memory."""

import fcntl
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from exporter.store import Busy, Locked, Store, StoreError, encode, place, read_state, rehearse
from tests.store.another_program import another_program
from tests.store.poor_disk import no_locks, no_shared_memory, on_limited_disk
from tests.store.test_reader import file_stats
from tests.store.test_store import busy_node, reload, saved_node, write_state

STATE = "state.sqlite"


def check_and_run(path: Path) -> str:
    """Do what `check` does, then start and write; return the warnings of both, or the error and its advice."""
    lines = []
    try:
        lines += rehearse(path)
        store = Store(path)
        lines += store.warnings
        store.save({"alice": encode(saved_node(busy_node()))})
        assert [*read_state(path).nodes] == ["alice"], "`open` can read it meanwhile"
        store.save({"alice": encode(saved_node(busy_node(), 10))})
        store.close()
    except StoreError as error:
        lines += [str(error), error.fix]
    return "\n".join(lines)


def test_disk_without_locks_is_refused(tmp_path: Path) -> None:
    """`check` refuses it, too: nothing would keep a second exporter out. The advice is not about permissions."""
    lines = on_limited_disk(no_locks, lambda: check_and_run(tmp_path / STATE)).splitlines()
    assert lines[0].endswith(
        "can't be used (No locks available: the file system has no locks, so nothing would keep a second exporter out)."
    )
    assert lines[1:] == ["Keep it on a local disk: --storage.path=FILE, or keep nothing: --storage.memory"]
    assert not list(tmp_path.iterdir())


def test_disk_without_shared_memory_uses_a_rollback_journal(tmp_path: Path) -> None:
    """SQLite's write-ahead log can't be used there; a warning is returned."""
    path = tmp_path / STATE
    lines = on_limited_disk(no_shared_memory, lambda: check_and_run(path)).splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].startswith(f"{path} is kept without SQLite's write-ahead log")
    assert reload(path) == saved_node(busy_node(), 10)


def test_log_is_read_without_shared_memory(tmp_path: Path) -> None:
    """The exporter was killed, and its state moved with its log to a disk without shared memory."""
    path, moved = tmp_path / "before" / STATE, tmp_path / "moved" / STATE
    store = Store(path)
    store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.save({"alice": encode(saved_node(busy_node(), 9))})
    shutil.copytree(path.parent, moved.parent)
    store.close()
    moved.with_name(STATE + "-shm").unlink()
    assert moved.with_name(STATE + "-wal").stat().st_size > 10_000

    def found() -> str:
        store = Store(moved)
        saved = store.load("alice")
        store.close()
        return str((saved == saved_node(busy_node(), 9), store.older_reason))

    assert on_limited_disk(no_shared_memory, found) == "(True, '')"


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on NFS, according to a fake list of mounts."""
    path = tmp_path / "volume"
    path.mkdir()
    mounts = tmp_path / "mountinfo"
    lines = ["21 1 254:0 / / rw - ext4 /dev/root rw", f"22 21 0:50 / {path} rw shared:9 - nfs4 server:/volume rw"]
    mounts.write_text("\n".join(lines))
    monkeypatch.setattr(place, "MOUNTS", mounts)
    return path


def test_network_file_system_uses_a_rollback_journal(remote: Path) -> None:
    """Shared memory doesn't work between machines, so the write-ahead log is not used; a warning is returned."""
    path = remote / STATE
    lines = check_and_run(path).splitlines()
    assert lines[:2] == lines[2:]
    assert "is on a file system of type nfs4" in lines[0]
    assert "write-ahead log" in lines[1]
    assert sorted(file_stats(remote)) == [STATE, STATE + "-journal", STATE + ".lock"]
    assert reload(path) == saved_node(busy_node(), 10)


def test_network_file_system_takes_no_flock(remote: Path) -> None:
    """SMB refuses a second kind of lock even to the holder of the first; a second exporter is still locked out."""
    path = remote / STATE
    store = Store(path)
    with (remote / f"{STATE}.lock").open("rb+") as beside:
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(Locked, match=rf"process {os.getpid()}\b"):
        Store(path)
    store.close()


def test_reader_blocks_writes_without_a_log(remote: Path) -> None:
    """The exporter can't write while another program reads; afterwards everything is written."""
    path = remote / STATE
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node(), 9))})
    with another_program(path, "BEGIN", "SELECT count(*) FROM counter"), pytest.raises(Busy):
        store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.save({"alice": encode(saved_node(busy_node(), 11))})
    assert store.replacements == 0
    store.close()
    assert reload(path) == saved_node(busy_node(), 11)


def test_log_is_used_again_on_a_local_disk(remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state from a network file system is converted at the start."""
    path = remote / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    monkeypatch.undo()
    assert reload(path) == saved_node(busy_node())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
