"""What is saved is what is restored; only what changed is written; broken files are set aside."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.payments import saved as saving
from exporter.payments.labels import NodeState
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.payment import Moment, Run
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture
from exporter.store import EncodedNode, Locked, Store, StoreError, TooNew, codec, encode, file
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, at, failed, flying, payment, settled

A, B = flying(1), flying(2, sent_s=3)
KEY = "02" + "11" * 32
HEARD = LastKnown(NodeState.READY, True, 1_779_999_999_999_999_999, 800_000, 1_779_999_000, {KEY: "café"})


def busy_node() -> Observer:
    """A node with something of everything: in flight, held, counted, and a total beyond 64 bits."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, failed(A), B), 5)
    for number in range(1, 30):
        done = payment(
            SUCCEEDED, settled(flying(100 + number)), payment_hash=f"{number:064x}", payment_index=20 + number
        )
        observer.hear(done, 6)
    observer.release(8)
    observer.hear(payment(FAILED, failed(A), payment_hash="ee" * 32, payment_index=99), 8.5)
    observer.ledger.counters[Counter.LOCKED_MSAT_MS]["succeeded",] = 2**70
    tracker = observer.tracker
    tracker.history_us, tracker.survivors = 1_700_000_000_000_000, {payment(created_s=-99).run: None}
    tracker.memory.floor_us, tracker.memory.by_time = 1_700_000_000_000_001, True
    return observer


def saved_node(observer: Observer, seconds: float = 9) -> SavedNode:
    """What must be kept of it."""
    view = capture("alice", observer.tracker, observer.ledger, NodeStatus(), at(seconds))
    return saving.save(
        view, observer.tracker, observer.ledger, pubkey=KEY, table=99, ended=(), at=at(seconds), heard=HEARD
    )


def write_state(path: Path, nodes: Mapping[str, EncodedNode]) -> None:
    """What one process leaves behind."""
    store = Store(path)
    store.save(nodes)
    store.close()


def reload(path: Path) -> SavedNode:
    """What the next process finds."""
    store = Store(path)
    found = store.load("alice")
    store.close()
    assert found is not None
    return found


def test_all_that_was_saved(tmp_path: Path) -> None:
    """Totals, open runs with what can't be asked again, and what is remembered come back as they were."""
    observer, path = busy_node(), tmp_path / "deep" / "down" / "state.sqlite"
    store = Store(path)
    assert store.load("alice") is None
    store.save({"alice": encode(saved_node(observer))})
    store.close()
    assert reload(path) == saved_node(observer)
    tracker, ledger = Tracker(), Ledger()
    saving.resume(reload(path), tracker, ledger, at(9))
    assert (ledger.counters, ledger.histograms) == (observer.ledger.counters, observer.ledger.histograms)
    again = saved_node(Observer(tracker, ledger))
    assert (again.state, again.finished) == (saved_node(observer).state, saved_node(observer).finished)
    assert tracker.open.keys() == observer.tracker.open.keys()
    tracker.stream_started()
    assert sorted(tracker.unseen()) == sorted(run.payment_hash for run in tracker.open), "lnd is asked about all"


def test_a_resumed_ledger_is_a_copy(tmp_path: Path) -> None:
    """What is counted after the start is a change, and is written."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    store = Store(path)
    found, observer = store.load("alice"), Observer()
    assert found is not None
    saving.resume(found, observer.tracker, observer.ledger, at(20))
    observer.hear(payment(SUCCEEDED, settled(B), payment_hash="dd" * 32, payment_index=300), 21)
    observer.release(22)
    store.save({"alice": encode(saved_node(observer, 22))})
    store.close()
    assert reload(path) == saved_node(observer, 22)


def test_a_monotonic_clock_that_starts_anew(tmp_path: Path) -> None:
    """After a reboot it is small again; the age of things goes on, and a wall clock that steps back is no age."""
    observer = busy_node()
    run = next(iter(observer.tracker.open.values()))
    age_ns = at(9).mono_ns - run.news_mono_ns
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(observer, 9))})
    for away_s in (0, 3600, -3600):
        tracker = Tracker()
        now = Moment(at(9).wall_ns + away_s * 10**9, 12345)
        saving.resume(reload(path), tracker, Ledger(), now)
        assert now.mono_ns - tracker.open[run.run].news_mono_ns == age_ns + max(0, away_s) * 10**9


def test_only_changes_are_written(tmp_path: Path) -> None:
    """Rows that stay as they are aren't touched; runs that are over or forgotten go."""
    observer, path = busy_node(), tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(observer))})
    before = store._files.connection.total_changes
    store.save({"alice": encode(saved_node(observer))})
    assert store._files.connection.total_changes - before == 2, "the time of the marks, and how often it was written"
    observer.release(10)
    observer.tracker.memory.indexes.pop(next(iter(observer.tracker.memory.indexes)))
    before = store._files.connection.total_changes
    store.save({"alice": encode(saved_node(observer))})
    assert store._files.connection.total_changes - before < 30
    store.close()
    assert reload(path) == saved_node(observer)


def test_what_was_counted_is_on_a_list(tmp_path: Path) -> None:
    """For the audit: each run of each node, whether it is still remembered or not."""
    path, (known, other) = tmp_path / "state.sqlite", (payment().run, payment(created_s=1).run)
    store = Store(path)
    store.save({"alice": encode(replace(saved_node(busy_node()), ended=(known,)))})
    store.save({"alice": encode(saved_node(busy_node(), 10)), "bob": encode(saved_node(busy_node()))})
    for _ in range(2):
        assert store.counted("alice", [known, other]) == {known}
        assert store.counted("bob", [known, other]) == set()
        store.close()
        store = Store(path)
    assert store.forget("alice")
    assert store.counted("alice", [known]) == set()
    store.close()


def test_nodes_have_rows_of_their_own(tmp_path: Path) -> None:
    """Saving or forgetting one leaves the others as they are."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
    assert store.forget("bob")
    assert not store.forget("carol")
    store.close()
    store = Store(path)
    assert store.load("bob") is None
    assert store.load("alice") == saved_node(busy_node())
    store.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Whom one pays is nobody's business: the file and what SQLite keeps beside it are the owner's alone."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    store.close()
    assert set(modes) >= {"state.sqlite", "state.sqlite-wal", "state.sqlite.lock"}
    assert set(modes.values()) == {0o600}


def test_a_file_that_others_could_read(tmp_path: Path) -> None:
    """A copy that was put back with another mode becomes private, and what lies beside it, too."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    beside = path.with_name(path.name + "-wal")
    beside.touch()
    for entry in (path, beside):
        entry.chmod(0o644)
    store = Store(path)
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}
    store.close()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """No test can cut the power: these are the settings under which SQLite promises to survive that."""
    store = Store(tmp_path / "state.sqlite")
    (synchronous,) = store._files.connection.execute("PRAGMA synchronous").fetchone()
    (mode,) = store._files.connection.execute("PRAGMA journal_mode").fetchone()
    assert (synchronous, mode) == (2, "wal")
    store.close()


def test_other_buckets_than_before(tmp_path: Path) -> None:
    """A histogram whose edges have changed begins anew, and nothing else does."""
    path, frozen = tmp_path / "state.sqlite", encode(saved_node(busy_node()))
    write_state(path, {"alice": frozen})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE histogram SET edges = replace(edges, '0', '7') WHERE histogram = 'fee'")
    connection.commit()
    connection.close()
    store = Store(path)
    found = store.load("alice")
    store.close()
    assert store.restarted == {HistogramName.FEE}
    assert found is not None
    assert found.histograms == {name: h for name, h in frozen.histograms.items() if name is not HistogramName.FEE}
    assert found.counters == frozen.counters


def test_a_second_exporter(tmp_path: Path) -> None:
    """It is told which process has the file; when that is gone, however it went, the file is free."""
    path = tmp_path / "state.sqlite"
    code = f"import sys; from exporter.store import Store; from pathlib import Path; s = Store(Path({str(path)!r}));"
    with subprocess.Popen(
        [sys.executable, "-c", code + "print('open', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Locked, match=f"process {other.pid}"):
            Store(path)
        other.kill()
        other.wait()
        Store(path).close()


@pytest.mark.parametrize("kind", ["macaroon", "database", "damaged database", "database with another mark"])
def test_a_file_of_somebody_else(tmp_path: Path, kind: str) -> None:
    """Whoever gives the wrong path keeps his file as it is: it is neither set aside nor written to."""
    path = tmp_path / "wallet"
    if kind == "macaroon":
        path.write_bytes(b"\x02\x01\x03lnd" + bytes(100))
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE invoices (preimage BLOB)")
        connection.executemany("INSERT INTO invoices VALUES (?)", ((bytes(999),) for _ in range(99)))
        connection.execute(f"PRAGMA application_id = {7 if kind == 'database with another mark' else 0}")
        connection.commit()
        connection.close()
    if kind.startswith("damaged"):
        with path.open("r+b") as spoilt:
            spoilt.seek(2000)
            spoilt.write(b"\xff" * 20000)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not the state of an exporter"):
        Store(path)
    assert path.read_bytes() == before
    assert not [entry for entry in tmp_path.iterdir() if entry.name not in ("wallet", "wallet.lock")]


def test_a_newer_schema(tmp_path: Path) -> None:
    """Not touched: the newer exporter can go on with it."""
    path = tmp_path / "state.sqlite"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(TooNew, match="schema 99"):
        Store(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["state.sqlite", "state.sqlite.lock"]


BROKEN = {
    "no database": b"this is no database at all, but long enough to be looked at" * 10,
    "cut off": None,
    "overwritten": None,
    "a total that is no number": "UPDATE counter SET total = 'many'",
    "a counter that nobody knows": "UPDATE counter SET counter = 'glory' WHERE counter = 'started'",
    "an open run that can't be read": "UPDATE open_run SET state = '{'",
    "marks of another kind": "UPDATE node SET marks = '[]'",
    "too few buckets": "UPDATE histogram SET buckets = '[1]'",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_at_the_start(tmp_path: Path, how: str) -> None:
    """Set aside under a new name, everything begins at zero, and that is counted for good."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
    damage = BROKEN[how]
    if isinstance(damage, str):
        connection = sqlite3.connect(path)
        connection.execute(damage)
        connection.commit()
        connection.close()
    elif damage is not None:
        path.write_bytes(damage)
    elif how == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    else:
        content = bytearray(path.read_bytes())
        content[2048:12000] = b"\xa5" * (12000 - 2048)
        path.write_bytes(content)
    spoilt = path.read_bytes()
    for _ in range(2):
        store = Store(path)
        assert (store.load("alice"), store.load("bob")) == (None, None)
        assert store.resets == {"corrupt": 1, "older": 0}
        store.close()
    (aside,) = tmp_path.glob("state.sqlite.broken-*")
    assert aside.read_bytes() == spoilt
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_breaks_again_and_again(tmp_path: Path) -> None:
    """Each time is counted, as far as what was set aside is still there."""
    path = tmp_path / "state.sqlite"
    write_state(path, {})
    for times in (1, 2, 3):
        path.write_bytes(path.read_bytes()[:2000] + b"\xa5" * 9000)
        store = Store(path)
        store.save({"alice": encode(saved_node(busy_node()))})
        assert store.resets == {"corrupt": times, "older": 0}
        assert store.replacements == 0
        store.close()


def test_a_disk_that_does_not_answer_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That says nothing about the state: it is left as it is."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})

    def failing(_text: str) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(codec, "state", failing)
        with pytest.raises(StoreError, match="disk I/O error"):
            Store(path)
    assert reload(path) == saved_node(busy_node())


def test_a_table_is_missing(tmp_path: Path) -> None:
    """A file with our mark that lacks a table is broken."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE node")
    connection.commit()
    connection.close()
    store = Store(path)
    assert (store.load("alice"), store.resets) == (None, {"corrupt": 1, "older": 0})
    store.close()


def test_a_file_that_breaks_while_it_is_used(tmp_path: Path) -> None:
    """All is known here, so all is written anew, also of nodes that haven't changed: nothing is lost."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
    store._files.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._files.connection.execute("PRAGMA cache_size = 0")
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    with path.open("r+b") as file:
        file.write(content)
    observer = busy_node()
    observer.release(10)
    store.save({"alice": encode(saved_node(observer))})
    assert store.set_aside is not None
    store.close()
    store = Store(path)
    assert store.load("alice") == saved_node(observer)
    assert store.load("bob") == saved_node(busy_node())
    assert store.resets == {"corrupt": 0, "older": 0}
    store.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_while_it_is_used(tmp_path: Path, *, replaced: bool) -> None:
    """Who deletes or replaces it under us doesn't make us write into nowhere."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
    for name in ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm"):
        (tmp_path / name).unlink()
    if replaced:
        path.write_bytes(b"")
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    store.close()
    store = Store(path)
    assert store.load("alice") == saved_node(busy_node(), 10)
    assert store.load("bob") == saved_node(busy_node())
    before, after = Run("ab" * 32, 1), Run("cd" * 32, 2**62)
    assert store.counted("bob", [before, after]) == {before}, "the list has gone: what is older may have been counted"
    store.close()


def test_a_file_of_somebody_else_takes_its_place(tmp_path: Path) -> None:
    """It is left alone; nothing is kept until it is gone."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    path.unlink()
    path.write_bytes(b"a macaroon" * 99)
    for _ in range(2):
        with pytest.raises(StoreError, match="is not the state of an exporter"):
            store.save({})
    assert path.read_bytes() == b"a macaroon" * 99
    path.unlink()
    store.save({})
    store.close()
    assert reload(path) == saved_node(busy_node())


def test_everything_is_cleared_away(tmp_path: Path) -> None:
    """With the lock, too: it is taken anew, and whoever came first has it."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    for entry in tmp_path.iterdir():
        entry.unlink()
    other = Store(path)
    with pytest.raises(Locked):
        store.save({})
    other.close()
    store.save({})
    with pytest.raises(Locked):
        Store(path)
    store.close()
    assert reload(path) == saved_node(busy_node())


def test_removed_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is tried: one file is begun, none set aside; with room again all is there."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(file, "_migrate", full)
        for _ in range(3):
            with pytest.raises(sqlite3.OperationalError, match="full"):
                store.save({"alice": encode(saved_node(busy_node()))})
    store.save({})
    store.close()
    assert reload(path) == saved_node(busy_node())
    assert not list(tmp_path.glob("*.replaced-*.replaced*"))
    assert len(list(tmp_path.glob("*.replaced-*"))) <= 1
    assert store.resets == {"corrupt": 0, "older": 0}


def full(_connection: sqlite3.Connection, _path: Path) -> None:
    """A disk without room."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_where_nothing_may_be_written() -> None:
    """Named with the reason, and what would do."""
    with pytest.raises(StoreError, match=r"can.t be written") as error:
        Store(Path("/proc/state.sqlite"))
    assert "--storage.memory" in error.value.fix


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The save fails as a whole, the next one that finds room writes everything."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    (pages,) = store._files.connection.execute("PRAGMA page_count").fetchone()
    store._files.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.save({name: encode(saved_node(busy_node())) for name in ("bob", "carol")})
    store._files.connection.execute("PRAGMA max_page_count = 1000000")
    store.save({name: encode(saved_node(busy_node())) for name in ("bob", "carol")})
    store.close()
    store = Store(path)
    assert [store.load(name) == saved_node(busy_node()) for name in ("alice", "bob", "carol")] == [True] * 3
    store.close()


def test_every_histogram_and_counter_can_be_read_back(tmp_path: Path) -> None:
    """A new one needs nothing, nor one that gets other buckets; one that is taken away needs a step of the schema."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(Observer()))})
    found = reload(path)
    assert set(found.counters) == {c for c in Counter if Ledger().counters[c]}
    assert set(found.histograms) == set(HistogramName)
