"""Killed amid a write: at each statement of it the files are copied, as another process would find them."""

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
ENDED = Run("dd" * 32, 1_700_000_000_000_000)
STATEMENTS = 15
"""That any of these writes has at least."""


def before_and_after() -> tuple[EncodedNode, EncodedNode]:
    """A node, and the same a little later, with something of everything changed."""
    observer = busy_node()
    before = encode(saved_node(observer))
    observer.hear(payment(SUCCEEDED, settled(flying(2, sent_s=3)), payment_hash="dd" * 32, payment_index=300), 21)
    observer.release(25)
    return before, encode(saved_node(observer, 25))._replace(ended=(ENDED,))


class Found:
    """What the next process finds in a copy."""

    def __init__(self, path: Path) -> None:
        """Open it as ever."""
        store = Store(path)
        self.nodes = tuple(store.load(node) for node in NODES)
        self.listed = tuple(store.counted(node, [ENDED]) == {ENDED} for node in NODES)
        self.resets = store.resets[Reset.CORRUPT]
        store.close()


def copies(store: Store, write: Callable[[], None], home: Path) -> list[Path]:
    """The state as it is on disk before each statement of a write, and after the last."""
    made: list[Path] = []

    def copy(_statement: str = "") -> None:
        made.append(home / f"{len(made):04d}")
        shutil.copytree(store.path.parent, made[-1])

    store._files.connection.set_trace_callback(copy)
    write()
    store._files.connection.set_trace_callback(None)
    copy()
    return [folder / store.path.name for folder in made]


def test_all_or_nothing(tmp_path: Path) -> None:
    """Of both nodes, of totals, runs and the list: all as it was, from some statement on all as it is."""
    before, after = before_and_after()
    store = Store(tmp_path / "state" / "state.sqlite")
    store.save(dict.fromkeys(NODES, before))
    paths = copies(store, lambda: store.save(dict.fromkeys(NODES, after)), tmp_path / "copies")
    store.close()
    found = [Found(path) for path in paths]
    old, new = Found(paths[0]), found[-1]
    done = [here.nodes == new.nodes for here in found]
    assert done == sorted(done)
    assert done.count(False) > STATEMENTS
    for here, is_done in zip(found, done, strict=True):
        assert here.nodes == (new if is_done else old).nodes
        assert here.listed == (is_done, is_done)
        assert here.resets == 0
    assert old.nodes != new.nodes


@pytest.mark.parametrize("resets", [0, 1])
def test_a_file_that_took_the_place_of_another(tmp_path: Path, resets: int) -> None:
    """Killed before all is written again, counting begins at zero and says so; afterwards nothing has happened."""
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
    found = [Found(path) for path in paths]
    new: tuple[SavedNode | None, ...] = found[-1].nodes
    assert None not in new
    assert [here.resets for here in found if here.nodes == new] == [resets] * sum(h.nodes == new for h in found)
    others = [here for here in found if here.nodes != new]
    assert len(others) > STATEMENTS
    assert all((here.nodes, here.resets) == ((None, None), resets + 1) for here in others)
