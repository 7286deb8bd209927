"""Looking at the state of an exporter: while it runs, after it was stopped or killed, and where it can't be read."""

import fcntl
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from exporter.payments.node import LastKnown
from exporter.store import Locked, Store, StoredNode, StoreError, encode, file, lock, read_state
from tests.config.conftest import without_root
from tests.patience import PATIENCE_S
from tests.store.test_schemas import SAMPLES, restore
from tests.store.test_store import busy_node, saved_node, write_state

KILLED = """
import os, sys
from pathlib import Path
from types import FrameType
from exporter.store import Store, encode
from tests.store.test_store import busy_node, saved_node
store = Store(Path(sys.argv[1]))
store.save({"alice": encode(saved_node(busy_node()))})
os.kill(os.getpid(), 9)
"""


def kept() -> StoredNode:
    """What `busy_node` has in flight."""
    saved = saved_node(busy_node())
    return StoredNode(saved.state, tuple(sorted(saved.open, key=lambda run: run.run)))


def file_stats(directory: Path) -> dict[str, tuple[int, int, int]]:
    """All files: their mode, size and time of change."""
    return {path.name: (s.st_mode, s.st_size, s.st_mtime_ns) for path in directory.iterdir() for s in [path.stat()]}


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory to which the way is open for every user, other than to those of the tests."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


def test_while_an_exporter_runs(tmp_path: Path) -> None:
    """All that was written last, also what lies in SQLite's log; the exporter writes on."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node(), 8)), "bob": encode(saved_node(busy_node()))})
    store.save({"alice": encode(saved_node(busy_node()))})
    before = file_stats(tmp_path)
    found = read_state(path)
    assert file_stats(tmp_path) == before
    assert (found.running, [*found.nodes]) == (True, ["alice", "bob"])
    assert found.nodes["alice"] == kept()
    store.save({"alice": encode(saved_node(busy_node(), 20))})
    assert read_state(path).nodes["alice"].state.at.mono_ns == 20 * 10**9
    store.close()


def test_after_it_was_stopped(tmp_path: Path) -> None:
    """Nothing is left behind beside it that was not there."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    before = file_stats(tmp_path)
    found = read_state(path)
    assert file_stats(tmp_path) == before
    assert (found.running, found.nodes) == (False, {"alice": kept()})


def test_after_it_was_killed(shared: Path) -> None:
    """What is in the log is read, too; also where nothing may be written, as in a volume that is mounted read-only."""
    path = shared / "state.sqlite"
    subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=PATIENCE_S)
    assert path.with_name("state.sqlite-wal").stat().st_size > 10_000
    assert read_state(path) == (False, {"alice": kept()})
    for part in shared.iterdir():
        part.chmod(0o444)
    shared.chmod(0o555)
    with without_root():
        assert read_state(path) == (False, {"alice": kept()})


def test_through_a_link(tmp_path: Path) -> None:
    """The lock lies beside what it leads to."""
    store = Store(tmp_path / "state.sqlite")
    link = tmp_path / "link"
    link.symlink_to("state.sqlite")
    assert read_state(link).running
    store.close()


def test_a_copy(tmp_path: Path) -> None:
    """Without a lock nobody keeps it."""
    write_state(tmp_path / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    shutil.copy(tmp_path / "state.sqlite", tmp_path / "copy #1?.sqlite")
    assert read_state(tmp_path / "copy #1?.sqlite") == (False, {"alice": kept()})


def test_a_file_of_an_exporter_that_had_no_such_command(tmp_path: Path) -> None:
    """Its payments are there; what it didn't keep isn't known."""
    restore(SAMPLES / "schema-1.sql", tmp_path / "state.sqlite")
    found = read_state(tmp_path / "state.sqlite").nodes["alice"]
    assert {run.run for run in found.open} == {run.run for run in kept().open}
    assert found.state.heard == LastKnown()


def nothing(_path: Path) -> None:
    """No file."""


def directory(path: Path) -> None:
    """Something else than a file."""
    path.mkdir()


def foreign(path: Path) -> None:
    """Somebody else's database."""
    sqlite3.connect(path).executescript("CREATE TABLE a (b)").close()


def newer(path: Path) -> None:
    """Of an exporter to come."""
    write_state(path, {})
    sqlite3.connect(path).executescript("PRAGMA user_version = 99").close()


def cut_off(path: Path) -> None:
    """Half of it."""
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    path.write_bytes(path.read_bytes()[:9000])


def spoilt(path: Path) -> None:
    """A row that nobody can read; it holds what isn't meant for a terminal."""
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    sqlite3.connect(path, isolation_level=None).execute('UPDATE open_run SET state = \'{"run": "5e5e5e5e"}\'')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (nothing, "does not exist."),
        (directory, "is not the state of an exporter."),
        (foreign, "is not the state of an exporter."),
        (newer, f"was written by another version (schema 99, this one knows {file.SCHEMA})."),
        (cut_off, "can't be read (database disk image is malformed)."),
        (spoilt, "can't be read (Expected `array`, got `str` - at `$.run`)."),
    ],
)
def test_what_can_not_be_read(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    """What is wrong, in one line."""
    path = tmp_path / "state.sqlite"
    spoil(path)
    with pytest.raises(StoreError) as caught:
        read_state(path)
    assert str(caught.value) == f"{path} {words}"
    assert caught.value.fix


def test_a_file_below_a_file(tmp_path: Path) -> None:
    """It can't exist."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/state does not exist\.$"):
        read_state(tmp_path / "file" / "state")


@pytest.mark.parametrize("closed", ["", "state.sqlite", "state.sqlite.lock"])
def test_who_may_not_read_it(shared: Path, closed: str) -> None:
    """Its directory, the file or its lock belong to the exporter's user alone."""
    write_state(shared / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    for path in (shared, *shared.iterdir()):
        path.chmod(0o755)
    (shared / closed).chmod(0o000)
    with without_root(), pytest.raises(StoreError, match=r"can't be read: this user may not\.$"):
        read_state(shared / "state.sqlite")


@pytest.mark.slow
def test_who_looks_keeps_nobody_out(tmp_path: Path) -> None:
    """An exporter that starts while somebody looks gets the lock; one that meets another exporter doesn't."""
    path, over = tmp_path / "state.sqlite", threading.Event()
    write_state(path, {"alice": encode(saved_node(busy_node()))})

    def look_on() -> None:
        while not over.is_set():
            lock.is_locked(path)

    onlookers = [threading.Thread(target=look_on) for _ in range(3)]
    for onlooker in onlookers:
        onlooker.start()
    try:
        for _ in range(30):
            Store(path).close()
    finally:
        over.set()
        for onlooker in onlookers:
            onlooker.join()
    assert not lock.is_locked(path)


def test_onlooker_takes_no_lock(tmp_path: Path) -> None:
    """However long it takes to look: the lock is free for an exporter at each system call of the one who looks."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    refused: list[str] = []

    def start_an_exporter(frame: FrameType, _event: str, called: object) -> None:
        if frame.f_code.co_filename == lock.__file__ and getattr(called, "__name__", "") == "close":
            sys.setprofile(None)
            try:
                Store(path).close()
            except Locked as error:
                refused.append(str(error))

    sys.setprofile(start_an_exporter)
    try:
        assert not lock.is_locked(path)
    finally:
        sys.setprofile(None)
    assert refused == []


def test_system_without_record_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A POSIX system that is not Linux: a second exporter is kept out, and who looks sees whether one runs."""
    for name in ("F_OFD_SETLK", "F_OFD_GETLK"):
        monkeypatch.delattr(fcntl, name)
    monkeypatch.setattr(lock, "_HAS_OFD_LOCKS", False)
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    assert read_state(path).running
    with pytest.raises(Locked):
        Store(path)
    store.close()
    assert not read_state(path).running
