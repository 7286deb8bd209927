"""Reading the state while an exporter runs, after it was stopped or killed, and states that can't be read."""

import fcntl
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from exporter.payments.node import LastKnown
from exporter.payments.saved import SavedState
from exporter.store import Locked, Store, StoredNode, StoreError, codec, encode, file, lock, read_state
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


def expected_node() -> StoredNode:
    """Return `busy_node` as `read_state` returns it."""
    saved = saved_node(busy_node())
    return StoredNode(saved.state, tuple(sorted(saved.open, key=lambda run: run.run)))


def file_stats(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and modification time of each file in a directory."""
    stats = {path.name: path.stat() for path in directory.iterdir()}
    return {name: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user can enter, unlike pytest's `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


def test_exporter_that_starts_while_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was read as one that nobody writes, so it is read again: never a mixture of two instants."""
    path, begun = tmp_path / "state.sqlite", list[bool]()
    write_state(path, {"alice": encode(saved_node(busy_node(), 8)), "bob": encode(saved_node(busy_node(), 8))})
    decode = codec.decode_state

    def decode_late(text: str) -> SavedState:
        if not begun:
            begun.append(True)
            write_state(path, {"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
        return decode(text)

    monkeypatch.setattr(codec, "decode_state", decode_late)
    assert read_state(path).nodes == {"alice": expected_node(), "bob": expected_node()}


def test_running_exporter(tmp_path: Path) -> None:
    """The last write is read, also from the log; no file changes, and the exporter can write again."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node(), 8)), "bob": encode(saved_node(busy_node()))})
    store.save({"alice": encode(saved_node(busy_node()))})
    before = file_stats(tmp_path)
    found = read_state(path)
    assert file_stats(tmp_path) == before
    assert (found.running, [*found.nodes]) == (True, ["alice", "bob"])
    assert found.nodes["alice"] == expected_node()
    store.save({"alice": encode(saved_node(busy_node(), 20))})
    assert read_state(path).nodes["alice"].state.at.mono_ns == 20 * 10**9
    store.close()


def test_stopped_exporter(tmp_path: Path) -> None:
    """No file is created or changed."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    before = file_stats(tmp_path)
    found = read_state(path)
    assert file_stats(tmp_path) == before
    assert (found.running, found.nodes) == (False, {"alice": expected_node()})


def test_killed_exporter(shared: Path) -> None:
    """The log is read, too, also where nothing can be written, as in a volume that is mounted read-only."""
    path = shared / "state.sqlite"
    subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=PATIENCE_S)
    assert path.with_name("state.sqlite-wal").stat().st_size > 10_000
    assert read_state(path) == (False, {"alice": expected_node()})
    for part in shared.iterdir():
        part.chmod(0o444)
    shared.chmod(0o555)
    with without_root():
        assert read_state(path) == (False, {"alice": expected_node()})


def test_link_to_the_state(tmp_path: Path) -> None:
    """The lock is beside the file that the link leads to."""
    store = Store(tmp_path / "state.sqlite")
    link = tmp_path / "link"
    link.symlink_to("state.sqlite")
    assert read_state(link).running
    store.close()


def test_copy_is_not_running(tmp_path: Path) -> None:
    """A copy has no lock; its name has characters that are special in URIs."""
    write_state(tmp_path / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    shutil.copy(tmp_path / "state.sqlite", tmp_path / "copy #1?.sqlite")
    assert read_state(tmp_path / "copy #1?.sqlite") == (False, {"alice": expected_node()})


def test_file_of_an_exporter_without_the_command_open(tmp_path: Path) -> None:
    """It has the runs in flight, but nothing about the node itself."""
    restore(SAMPLES / "schema-1.sql", tmp_path / "state.sqlite")
    found = read_state(tmp_path / "state.sqlite").nodes["alice"]
    assert {run.run for run in found.open} == {run.run for run in expected_node().open}
    assert found.state.heard == LastKnown()


def nothing(_path: Path) -> None:
    """Leave the path without a file."""


def directory(path: Path) -> None:
    """Create a directory."""
    path.mkdir()


def change(path: Path, script: str) -> None:
    """Run SQL on a database, which is created if there is none."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def foreign(path: Path) -> None:
    """Create another program's database."""
    change(path, "CREATE TABLE a (b)")


def newer(path: Path) -> None:
    """Create a state of a later exporter."""
    write_state(path, {})
    change(path, "PRAGMA user_version = 99")


def truncated(path: Path) -> None:
    """Create a state and keep only its first pages."""
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    path.write_bytes(path.read_bytes()[:9000])


def undecodable(path: Path) -> None:
    """Create a state with a row that can't be decoded, and a payment hash in it that must not be printed."""
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    change(path, 'UPDATE open_run SET state = \'{"run": "5e5e5e5e"}\'')


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        (nothing, "does not exist."),
        (directory, "is not the state of an exporter."),
        (foreign, "is not the state of an exporter."),
        (Path.touch, "is empty: no exporter has written to it."),
        (newer, f"was written by another version (schema 99, this one knows {file.SCHEMA})."),
        (truncated, "can't be read (database disk image is malformed)."),
        (undecodable, "can't be read (Expected `array`, got `str` - at `$.run`)."),
    ],
)
def test_unreadable_state(tmp_path: Path, create: Callable[[Path], None], problem: str) -> None:
    """The error is one line, and has advice."""
    path = tmp_path / "state.sqlite"
    create(path)
    with pytest.raises(StoreError) as caught:
        read_state(path)
    assert str(caught.value) == f"{path} {problem}"
    assert caught.value.fix


def test_path_below_a_file(tmp_path: Path) -> None:
    """It is reported like a path that doesn't exist."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/state does not exist\.$"):
        read_state(tmp_path / "file" / "state")


@pytest.mark.parametrize("closed", ["", "state.sqlite", "state.sqlite.lock"])
def test_state_of_another_user(shared: Path, closed: str) -> None:
    """Only the exporter's user has access to the directory, the file or the lock."""
    write_state(shared / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    for path in (shared, *shared.iterdir()):
        path.chmod(0o755)
    (shared / closed).chmod(0o000)
    with without_root(), pytest.raises(StoreError, match=r"can't be read: this user has no permission\.$"):
        read_state(shared / "state.sqlite")


@pytest.mark.slow
def test_readers_do_not_lock_an_exporter_out(tmp_path: Path) -> None:
    """An exporter that starts while others ask about the lock gets it."""
    path, over = tmp_path / "state.sqlite", threading.Event()
    write_state(path, {"alice": encode(saved_node(busy_node()))})

    def ask() -> None:
        while not over.is_set():
            lock.is_locked(path)

    readers = [threading.Thread(target=ask) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(30):
            Store(path).close()
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert not lock.is_locked(path)


def test_reader_takes_no_lock(tmp_path: Path) -> None:
    """An exporter can take the lock at the moment before the reader closes the lock file."""
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


def test_system_without_open_file_description_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On POSIX systems other than Linux a second exporter is locked out, and readers see whether one runs."""
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
