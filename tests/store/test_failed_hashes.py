"""The hashes that failed are on disk as they are in memory, each time with the totals that belong to them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from exporter.payments.labels import Reason
from exporter.payments.totals import Counter
from exporter.store import Store, encode
from tests.payments.build import FAILED, SUCCEEDED, Observer, flying, payment, settled
from tests.store.test_store import reload, saved_node


def test_rows_follow_what_is_remembered(tmp_path: Path) -> None:
    """A row is added with a failure, changed with the next one, and gone with the success; others aren't written."""
    path, observer = tmp_path / "state.sqlite", Observer()
    store = Store(path)

    def end(number: int, seconds: int, *, paid: bool = False) -> list[tuple[str, str]]:
        """Let a run end, write, and return the rows; `load` must find the same in the file."""
        observer.receive(
            payment(
                SUCCEEDED if paid else FAILED,
                *([settled(flying(seconds, sent_s=seconds), end_s=seconds)] if paid else ()),
                reason=Reason.NONE if paid else Reason.TIMEOUT,
                payment_hash=f"{number:064}",
                created_s=seconds,
                payment_index=seconds,
            ),
            seconds,
        )
        observer.release(seconds + 1)
        store.save({"alice": encode(saved_node(observer, seconds + 1))})
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT hex(payment_hash), runs FROM failed_hash ORDER BY ended_us"
            return [(payment_hash[-1:], runs) for payment_hash, runs in connection.execute(query)]

    once, twice = (f'[["invoice","1k_to_10k_sat","timeout",{number}]]' for number in (1, 2))
    assert end(1, 10) == [("1", once)]
    assert end(2, 20) == [("1", once), ("2", once)]
    assert end(1, 30) == [("2", once), ("1", twice)]
    before = store._files.connection.total_changes
    store.save({"alice": encode(saved_node(observer, 31))})
    assert store._files.connection.total_changes - before == 2, "only the state of the node and the mark of the file"
    assert end(1, 40, paid=True) == [("2", once)]
    store.close()
    assert reload(path).counters[Counter.FAILED_MADE_GOOD]["invoice", "1k_to_10k_sat", "timeout"] == 2


def test_file_that_was_removed_is_written_again(tmp_path: Path) -> None:
    """With the hashes, for they are in memory; and each node has its own."""
    path, observer = tmp_path / "state.sqlite", Observer()
    observer.receive(payment(FAILED, reason=Reason.TIMEOUT), 1)
    observer.release(3)
    store = Store(path)
    store.save({"alice": encode(saved_node(observer)), "bob": encode(saved_node(Observer()))})
    path.unlink()
    store.save({})
    store.close()
    assert reload(path).failed == observer.tracker.failed.by_hash
    assert len(observer.tracker.failed.by_hash) == 1
    store = Store(path)
    bob = store.load("bob")
    store.close()
    assert bob is not None
    assert bob.failed == {}
