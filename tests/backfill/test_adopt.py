"""A node is written to the state file with the sums of its history, as a whole or not at all."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from exporter.backfill.adopt import Beginning, adopt, refuse_adoption
from exporter.follow import Account
from exporter.lnd.client import PaymentsPage
from exporter.payments.destinations import Recipients
from exporter.payments.labels import Reset
from exporter.payments.ledger import Ledger
from exporter.payments.past import replay
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter
from exporter.store import Locked, Store, StoreError, encode
from tests.backfill.counting import DEEP, FLYING, OVER
from tests.config.conftest import without_root
from tests.follow.exporter import PEERS
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.payments.build import PEER, at
from tests.store.another_user import GROUP, USER, Owner, volume
from tests.store.test_store import busy_node, saved_node, write_state

NEWEST = PaymentsPage((OVER, FLYING), 11, 2)
BEGINNING = Beginning(NEWEST, (DEEP,))


def ledger_of_history() -> Ledger:
    """Return the totals of the one payment that is over."""
    ledger = Ledger()
    ledger.apply([fact.event for fact in replay(OVER, Recipients())])
    return ledger


def adopt_alice(path: Path) -> None:
    """Adopt a node with one payment in history and two in flight, a minute after `T0`."""

    async def main(_loop: VirtualLoop) -> None:
        account = Account("alice", lambda: at(60), PEERS)
        adopt(path, account, ledger_of_history(), BEGINNING, pubkey="02" * 33, groups={})

    run_virtually(main)


def loaded(path: Path) -> SavedNode | None:
    """Return what an exporter reads of the node when it starts."""
    store = Store(path)
    saved = store.load("alice")
    assert (store.older_reason, store.resets) == ("", dict.fromkeys(Reset, 0))
    store.close()
    return saved


def test_what_is_written(tmp_path: Path) -> None:
    """The sums of history and what is in flight, places of peers, what is needed to know new payments, the identity."""
    path = tmp_path / "state.sqlite"
    adopt_alice(path)
    saved = loaded(path)
    assert saved is not None
    state = saved.state
    assert {run.run: run.payment_index for run in saved.open} == {FLYING.run: 11, DEEP.run: 3}
    assert saved.finished == {OVER.run: 10}
    assert (state.adopted, state.begun, state.began_ns, state.last_update_ns) == (True, True, *[at(60).wall_ns] * 2)
    assert {*state.survivors} == {FLYING.run, DEEP.run}
    assert (state.history_us, state.floor_index, state.table) == (FLYING.run.created_us, 9, 11)
    assert (state.pubkey, state.peers, state.peers_used_ns) == ("02" * 33, (PEER,), (at(60).wall_ns,))
    assert {name: sum(totals.values()) for name, totals in saved.counters.items() if any(totals.values())} == {
        Counter.STARTED: 3,
        Counter.SUCCEEDED: 1,
        Counter.SENT: 1_000_000,
        Counter.FEES: 10,
        Counter.ATTEMPTS_STARTED: 3,
        Counter.ATTEMPTS_SETTLED: 1,
        Counter.LOCKED_MSAT_MS: 1_000_010 * 1000,
        Counter.PEER_ATTEMPTS: 1,
        Counter.PEER_SENT: 1_000_000,
        Counter.PEER_FEES: 10,
        Counter.PEER_FEES_BY_PURPOSE: 10,
        Counter.PEER_OUTSTANDING_MS: 1000,
        Counter.RECOVERED: 1,
        Counter.ATTEMPTS_INCOMPLETE: 1,
        Counter.TRANSITIONS: 2,
        Counter.UPDATES: 1,
    }


def test_killed_at_any_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has all of the node or nothing, beside another node; it can be done again, or needn't be."""
    home, copies, connect = tmp_path / "state", tmp_path / "copies", sqlite3.connect
    copies.mkdir()
    write_state(home / "state.sqlite", {"bob": encode(saved_node(busy_node()))})

    def connect_traced(database: Path, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(database, **options)
        if database == home / "state.sqlite":
            connection.set_trace_callback(lambda _: shutil.copytree(home, copies / str(len([*copies.iterdir()]))))
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_traced)
    adopt_alice(home / "state.sqlite")
    monkeypatch.undo()
    whole = loaded(home / "state.sqlite")
    assert whole is not None
    found = []
    for copy in (copies / str(number) / "state.sqlite" for number in range(len([*copies.iterdir()]))):
        store = Store(copy)
        found.append(store.load("alice"))
        assert store.nodes() == ["alice"] * (found[-1] is not None) + ["bob"]
        store.close()
        if found[-1] is None:
            adopt_alice(copy)
            found_now = loaded(copy)
            assert found_now is not None
            assert found_now.state == whole.state
        else:
            with pytest.raises(StoreError, match="has the history of alice already"):
                refuse_adoption(copy, "alice")
    assert found.count(None) > 10
    assert all(saved in (None, whole) for saved in found)


def test_exporter_runs(tmp_path: Path) -> None:
    """Whether it counts the node or another one: nothing is written, and the advice is to stop it."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"bob": encode(saved_node(busy_node()))})
    with pytest.raises(Locked, match="An exporter is running"):
        refuse_adoption(path, "alice")
    with pytest.raises(Locked, match="An exporter is running") as caught:
        adopt_alice(path)
    assert "Stop it" in caught.value.fix
    store.close()
    assert loaded(path) is None
    refuse_adoption(path, "alice")


@pytest.mark.parametrize(("closed", "problem"), [(0o000, "can't be read"), (0o555, "can't be written")])
def test_directory_of_another_user(closed: int, problem: str) -> None:
    """It is said at once, not when all has been read."""
    with volume(Owner(USER, GROUP, 0o700)) as directory:
        directory.chmod(closed)
        with without_root(), pytest.raises(StoreError, match=problem):
            refuse_adoption(directory / "state.sqlite", "alice")
        with without_root(), pytest.raises(StoreError, match=problem):
            refuse_adoption(directory / "below" / "state.sqlite", "alice")


def test_node_is_counted_already(tmp_path: Path) -> None:
    """Its counters aren't replaced; also if the exporter began while history was read."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    before = loaded(path)
    with pytest.raises(StoreError, match="counts alice already") as caught:
        refuse_adoption(path, "alice")
    assert caught.value.fix.startswith("Leave out --adopt")
    assert "--storage.reset=alice" in caught.value.fix
    with pytest.raises(StoreError, match="counts alice already"):
        adopt_alice(path)
    assert loaded(path) == before
    store = Store(path)
    with pytest.raises(StoreError, match="counts alice already"):  # to stop that exporter would not help
        refuse_adoption(path, "alice")
    store.close()


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    """Neither file nor directory, nor a payment: the node can be adopted."""
    path = tmp_path / "new" / "state.sqlite"
    refuse_adoption(path, "alice")

    async def main(_loop: VirtualLoop) -> None:
        account = Account("alice", lambda: at(60), PEERS)
        empty = Beginning(PaymentsPage((), 0, 500), ())
        adopt(path, account, Ledger(), empty, pubkey="02" * 33, groups={})

    run_virtually(main)
    saved = loaded(path)
    assert saved is not None
    assert (saved.state.begun, saved.state.history_us, saved.state.floor_index) == (True, 0, 0)
