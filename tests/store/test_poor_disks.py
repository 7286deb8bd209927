"""Disks that other machines use, too, and disks without locks or shared memory."""

import fcntl
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from exporter.store import Busy, Locked, Store, StoreError, encode, place, read_state, rehearse
from tests.store.another_program import another_program
from tests.store.poor_disk import no_locks, no_shared_memory, on_poor_disk
from tests.store.test_reader import file_stats
from tests.store.test_store import busy_node, reload, saved_node, write_state

STATE = "state.sqlite"


def tried(path: Path) -> str:
    """What `check` says, and then a start, or the warnings of both; after a start something is written."""
    said = []
    try:
        said += rehearse(path)
        store = Store(path)
        said += store.warnings
        store.save({"alice": encode(saved_node(busy_node()))})
        assert [*read_state(path).nodes] == ["alice"], "`open` reads it meanwhile"
        store.save({"alice": encode(saved_node(busy_node(), 10))})
        store.close()
    except StoreError as error:
        said += [str(error), error.fix]
    return "\n".join(said)


def test_no_locks(tmp_path: Path) -> None:
    """Refused, by `check`, too: nothing would keep a second exporter out. The advice is not about rights."""
    said = on_poor_disk(no_locks, lambda: tried(tmp_path / STATE)).splitlines()
    assert said[0].endswith(
        "can't be used (No locks available: the file system has no locks, so nothing would keep a second exporter out)."
    )
    assert said[1:] == ["Keep it on a local disk: --storage.path=FILE, or keep nothing: --storage.memory"]
    assert not list(tmp_path.iterdir())


def test_no_shared_memory(tmp_path: Path) -> None:
    """SQLite's log can't be used: the state is kept with a rollback journal, and a person is told."""
    path = tmp_path / STATE
    said = on_poor_disk(no_shared_memory, lambda: tried(path)).splitlines()
    assert len(said) == 2
    assert said[0] == said[1]
    assert said[0].startswith(f"{path} is kept without SQLite's write-ahead log")
    assert reload(path) == saved_node(busy_node(), 10)


def test_state_with_a_log_is_moved_to_such_a_disk(tmp_path: Path) -> None:
    """The exporter was killed: what is in the log is read without shared memory."""
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

    assert on_poor_disk(no_shared_memory, found) == "(True, '')"


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that the kernel's list of mounts says is on NFS."""
    path = tmp_path / "volume"
    path.mkdir()
    mounts = tmp_path / "mountinfo"
    lines = ["21 1 254:0 / / rw - ext4 /dev/root rw", f"22 21 0:50 / {path} rw shared:9 - nfs4 server:/volume rw"]
    mounts.write_text("\n".join(lines))
    monkeypatch.setattr(place, "MOUNTS", mounts)
    return path


def test_disk_that_other_machines_use(remote: Path) -> None:
    """Memory that processes share by a file ends at the machine: the log is not used, and a person is told of it."""
    path = remote / STATE
    said = tried(path).splitlines()
    assert said[:2] == said[2:]
    assert "is on a file system of type nfs4" in said[0]
    assert "write-ahead log" in said[1]
    assert sorted(file_stats(remote)) == [STATE, STATE + "-journal", STATE + ".lock"]
    assert reload(path) == saved_node(busy_node(), 10)


def test_one_lock_where_two_are_the_same(remote: Path) -> None:
    """SMB refuses a second lock even to the one who has the first: flock(2) is free, and a second exporter kept out."""
    path = remote / STATE
    store = Store(path)
    with (remote / f"{STATE}.lock").open("rb+") as beside:
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(Locked, match=rf"process {os.getpid()}\b"):
        Store(path)
    store.close()


def test_reader_of_a_state_without_a_log(remote: Path) -> None:
    """It keeps the exporter from writing as long as it reads; all is written afterwards."""
    path = remote / STATE
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node(), 9))})
    with another_program(path, "BEGIN", "SELECT count(*) FROM counter"), pytest.raises(Busy):
        store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.save({"alice": encode(saved_node(busy_node(), 11))})
    assert store.replacements == 0
    store.close()
    assert reload(path) == saved_node(busy_node(), 11)


def test_back_on_a_local_disk(remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is used again."""
    path = remote / STATE
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    monkeypatch.undo()
    assert reload(path) == saved_node(busy_node())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
