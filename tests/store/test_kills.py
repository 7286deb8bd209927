"""Kills during a write: at each SQL statement the files are copied as the next process would find them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.saved import SavedNode
from exporter.store import EncodedNode, Store, encode
from tests.payments.build import SUCCEEDED, flying, payment, settled
from tests.store.test_store import busy_node, saved_node

pytestmark = pytest.mark.slow

NODES = ("alice", "bob")
ENDED = Run("dd" * 32, 1_780_000_000_000_000)
STATEMENTS = 15
"""Least number of statements of these writes."""


def before_and_after() -> tuple[EncodedNode, EncodedNode]:
    """Return a node, and the same node later, with changes in every table."""
    observer = busy_node()
    before = encode(saved_node(observer))
    observer.receive(payment(SUCCEEDED, settled(flying(2, sent_s=3)), payment_hash="dd" * 32, payment_index=300), 21)
    observer.release(25)
    return before, encode(saved_node(observer, 25))._replace(ended=(ENDED,))


class Restored:
    """The state that the next process restores from a copy."""

    def __init__(self, path: Path) -> None:
        """Open the copy as an exporter does, and close it."""
        store = Store(path)
        self.nodes = tuple(store.load(node) for node in NODES)
        self.listed = tuple(store.counted(node, [ENDED]) == {ENDED} for node in NODES)
        self.resets = store.resets[Reset.CORRUPT]
        store.close()


def copies(store: Store, write: Callable[[], None], home: Path) -> list[Path]:
    """Return copies of the state on disk: one before each statement of a write, and one after the last."""
    made: list[Path] = []

    def copy(_statement: str = "") -> None:
        made.append(home / f"{len(made):04d}")
        shutil.copytree(store.path.parent, made[-1])

    store._files.connection.set_trace_callback(copy)
    write()
    store._files.connection.set_trace_callback(None)
    copy()
    return [folder / store.path.name for folder in made]


def test_write_is_atomic(tmp_path: Path) -> None:
    """Both nodes with totals, runs and the list of counted runs are old up to one statement, and new from it on."""
    before, after = before_and_after()
    store = Store(tmp_path / "state" / "state.sqlite")
    store.save(dict.fromkeys(NODES, before))
    paths = copies(store, lambda: store.save(dict.fromkeys(NODES, after)), tmp_path / "copies")
    store.close()
    restored = [Restored(path) for path in paths]
    old, new = Restored(paths[0]), restored[-1]
    done = [copy.nodes == new.nodes for copy in restored]
    assert done == sorted(done)
    assert done.count(False) > STATEMENTS
    for copy, is_done in zip(restored, done, strict=True):
        assert copy.nodes == (new if is_done else old).nodes
        assert copy.listed == (is_done, is_done)
        assert copy.resets == 0
    assert old.nodes != new.nodes


@pytest.mark.parametrize("resets", [0, 1])
def test_replacement_file_starts_at_zero_until_it_is_filled(tmp_path: Path, resets: int) -> None:
    """A kill before that counts a reset; a kill afterwards loses nothing."""
    before, after = before_and_after()
    path = tmp_path / "state" / "state.sqlite"
    path.parent.mkdir()
    if resets:
        Store(path).close()
        path.write_bytes(path.read_bytes()[:3000])
    store = Store(path)
    store.save(dict.fromkeys(NODES, before))
    path.unlink()
    store._replace_file("it is gone")
    paths = copies(store, lambda: store.save(dict.fromkeys(NODES, after)), tmp_path / "copies")
    store.close()
    restored = [Restored(path) for path in paths]
    new: tuple[SavedNode | None, ...] = restored[-1].nodes
    assert None not in new
    assert [copy.resets for copy in restored if copy.nodes == new] == [resets] * sum(
        copy.nodes == new for copy in restored
    )
    others = [copy for copy in restored if copy.nodes != new]
    assert len(others) > STATEMENTS
    assert all((copy.nodes, copy.resets) == ((None, None), resets + 1) for copy in others)
