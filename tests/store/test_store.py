"""The saved state is restored unchanged; only changed rows are written; broken files are set aside."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.metrics.names import ROWS
from exporter.metrics.row import CounterRow, HistogramRow
from exporter.payments import saved as saving
from exporter.payments.labels import NodeState, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.payment import Moment, Run
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from exporter.store import EncodedNode, Locked, Store, StoreError, TooNew, codec, encode, file
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, at, failed, flying, payment, settled

A, B = flying(1), flying(2, sent_s=3)
KEY = "02" + "11" * 32
_COUNTER_ROWS = "SELECT counter, labels, total FROM counter"
LAST_KNOWN = LastKnown(NodeState.READY, True, 1_779_999_999_999_999_999, 800_000, 1_779_999_000, {KEY: "café"})


def busy_node() -> Observer:
    """Return a node with runs in flight, on hold and counted, and with a total beyond 64 bits."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, failed(A), B), 5)
    for number in range(1, 30):
        done = payment(
            SUCCEEDED, settled(flying(100 + number)), payment_hash=f"{number:064x}", payment_index=20 + number
        )
        observer.receive(done, 6)
    observer.release(8)
    observer.receive(payment(FAILED, failed(A), payment_hash="ee" * 32, payment_index=99), 8.5)
    observer.ledger.counters[Counter.LOCKED_MSAT_MS]["succeeded",] = 2**70
    tracker = observer.tracker
    tracker.history.newest_us, tracker.history.survivors = 1_700_000_000_000_000, {payment(created_s=-99).run: None}
    tracker.finished.floor_us, tracker.finished.by_time = 1_700_000_000_000_001, True
    return observer


def saved_node(observer: Observer, seconds: float = 9) -> SavedNode:
    """Return what is saved of `observer` this many seconds after T0."""
    view = capture_view("alice", observer.tracker, observer.ledger, NodeStatus(), at(seconds))
    return saving.save(
        view, observer.tracker, observer.ledger, pubkey=KEY, table=99, ended=(), at=at(seconds), heard=LAST_KNOWN
    )


def write_state(path: Path, nodes: Mapping[str, EncodedNode]) -> None:
    """Open the state, save these nodes, and close it."""
    store = Store(path)
    store.save(nodes)
    store.close()


def reload(path: Path) -> SavedNode:
    """Open the state again, and return what is saved of alice."""
    store = Store(path)
    saved = store.load("alice")
    store.close()
    assert saved is not None
    return saved


def test_saved_state_is_restored(tmp_path: Path) -> None:
    """Totals, open runs with everything that lnd can't repeat, and remembered runs come back unchanged."""
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
    assert sorted(tracker.hashes_to_ask_for(at(9))) == sorted(run.payment_hash for run in tracker.open), (
        "lnd is asked about every open run"
    )


def test_resumed_ledger_is_a_copy(tmp_path: Path) -> None:
    """Counting after the start doesn't change what the store compares with, so the changes are written."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    store = Store(path)
    saved, observer = store.load("alice"), Observer()
    assert saved is not None
    saving.resume(saved, observer.tracker, observer.ledger, at(20))
    observer.receive(payment(SUCCEEDED, settled(B), payment_hash="dd" * 32, payment_index=300), 21)
    observer.release(22)
    store.save({"alice": encode(saved_node(observer, 22))})
    store.close()
    assert reload(path) == saved_node(observer, 22)


def test_restarted_monotonic_clock_keeps_ages(tmp_path: Path) -> None:
    """After a reboot the clock begins at zero: ages go on by the wall clock, unless that was set back."""
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


def test_only_changed_rows_are_written(tmp_path: Path) -> None:
    """Rows of runs that are over or forgotten are deleted."""
    observer, path = busy_node(), tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(observer))})
    before = store._files.connection.total_changes
    store.save({"alice": encode(saved_node(observer))})
    assert store._files.connection.total_changes - before == 2, (
        "the state, which has the time, and the mark of the file"
    )
    observer.release(10)
    observer.tracker.finished.indexes.pop(next(iter(observer.tracker.finished.indexes)))
    before = store._files.connection.total_changes
    store.save({"alice": encode(saved_node(observer))})
    assert store._files.connection.total_changes - before < 30
    store.close()
    assert reload(path) == saved_node(observer)


def test_counted_runs_are_listed(tmp_path: Path) -> None:
    """The list for the audit has every counted run of each node, also those no longer remembered."""
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


def test_nodes_are_independent(tmp_path: Path) -> None:
    """Saving or forgetting a node doesn't change the others."""
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


def test_new_files_are_private(tmp_path: Path) -> None:
    """Payments are confidential: only the owner can read the state and SQLite's files beside it."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(busy_node()))})
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    store.close()
    assert set(modes) >= {"state.sqlite", "state.sqlite-wal", "state.sqlite.lock"}
    assert set(modes.values()) == {0o600}


def test_public_file_becomes_private(tmp_path: Path) -> None:
    """A copy was put back with another mode; SQLite's files beside it become private, too."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    beside = path.with_name(path.name + "-wal")
    beside.touch()
    for entry in (path, beside):
        entry.chmod(0o644)
    store = Store(path)
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}
    store.close()


def test_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """A test can't cut the power: with these settings SQLite guarantees that a commit survives it."""
    store = Store(tmp_path / "state.sqlite")
    (synchronous,) = store._files.connection.execute("PRAGMA synchronous").fetchone()
    (mode,) = store._files.connection.execute("PRAGMA journal_mode").fetchone()
    assert (synchronous, mode) == (2, "wal")
    store.close()


def test_histogram_with_changed_edges_starts_at_zero(tmp_path: Path) -> None:
    """Other histograms and all counters are kept."""
    path, encoded = tmp_path / "state.sqlite", encode(saved_node(busy_node()))
    write_state(path, {"alice": encoded})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE histogram SET edges = replace(edges, '0', '7') WHERE histogram = 'fee'")
    connection.commit()
    connection.close()
    store = Store(path)
    saved = store.load("alice")
    store.close()
    assert store.restarted == {HistogramName.FEE}
    assert saved is not None
    assert saved.histograms == {name: h for name, h in encoded.histograms.items() if name is not HistogramName.FEE}
    assert saved.counters == encoded.counters


def test_second_exporter_is_locked_out(tmp_path: Path) -> None:
    """The error names the process that has the lock; after that process was killed the lock is free."""
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


@pytest.mark.parametrize("kind", ["macaroon", "database", "damaged database", "database with another application_id"])
def test_foreign_file_is_refused(tmp_path: Path, kind: str) -> None:
    """With a wrong path the file there is neither renamed nor changed."""
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
        with path.open("r+b") as damaged:
            damaged.seek(2000)
            damaged.write(b"\xff" * 20000)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not the state of an exporter"):
        Store(path)
    assert path.read_bytes() == before
    assert not [entry for entry in tmp_path.iterdir() if entry.name not in ("wallet", "wallet.lock")]


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """The file stays unchanged, so the newer exporter can still use it."""
    path = tmp_path / "state.sqlite"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(TooNew, match="schema 99"):
        Store(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["state.sqlite", "state.sqlite.lock"]


BROKEN = {
    "not a database": b"this is not a database, but as long as one" * 20,
    "truncated": None,
    "overwritten": None,
    "a total that is not a number": "UPDATE counter SET total = 'many'",
    "an unknown counter": "UPDATE counter SET counter = 'glory' WHERE counter = 'started'",
    "an open run that can't be decoded": "UPDATE open_run SET state = '{'",
    "a state of another type": "UPDATE node SET marks = '[]'",
    "too few buckets": "UPDATE histogram SET buckets = '[1]'",
    "too few labels of a counter": "UPDATE OR REPLACE counter SET labels = '[]' WHERE counter = 'updates'",
    "too many labels of a counter": "UPDATE counter SET labels = '[\"a\",\"b\"]' WHERE counter = 'started'",
    "too few labels of a peer's counter": "INSERT INTO counter VALUES ('alice', 'peer_sent', '[]', '1')",
    "too many labels of a histogram": "UPDATE histogram SET labels = '[\"a\"]' WHERE histogram = 'update_delay'",
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_file_at_the_start_is_set_aside(tmp_path: Path, how: str) -> None:
    """All counters start at zero; the reset is counted once and stays counted."""
    path = tmp_path / "state[1].sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node())), "bob": encode(saved_node(busy_node()))})
    damage = BROKEN[how]
    if isinstance(damage, str):
        connection = sqlite3.connect(path)
        connection.execute(damage)
        connection.commit()
        connection.close()
    elif damage is not None:
        path.write_bytes(damage)
    elif how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    else:
        content = bytearray(path.read_bytes())
        content[2048:12000] = b"\xa5" * (12000 - 2048)
        path.write_bytes(content)
    damaged = path.read_bytes()
    for _ in range(2):
        store = Store(path)
        assert (store.load("alice"), store.load("bob")) == (None, None)
        assert store.resets == {"corrupt": 1, "older": 0}
        store.close()
    assert file.count_set_aside(path, "broken") == 1
    (aside,) = (other for other in tmp_path.iterdir() if ".broken-" in other.name)
    assert aside.read_bytes() == damaged
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_that_breaks_repeatedly(tmp_path: Path) -> None:
    """Each time is counted as a reset."""
    path = tmp_path / "state.sqlite"
    write_state(path, {})
    for times in (1, 2, 3):
        path.write_bytes(path.read_bytes()[:2000] + b"\xa5" * 9000)
        store = Store(path)
        store.save({"alice": encode(saved_node(busy_node()))})
        assert store.resets == {"corrupt": times, "older": 0}
        assert store.replacements == 0
        store.close()


def test_io_error_at_the_start_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk doesn't mean that the file is broken, so it is not set aside."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})

    def failing(_text: str) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(codec, "decode_state", failing)
        with pytest.raises(StoreError, match="disk I/O error"):
            Store(path)
    assert reload(path) == saved_node(busy_node())


def test_missing_table_is_broken(tmp_path: Path) -> None:
    """A file with our `application_id` lacks a table."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE node")
    connection.commit()
    connection.close()
    store = Store(path)
    assert (store.load("alice"), store.resets) == (None, {"corrupt": 1, "older": 0})
    store.close()


def test_file_that_breaks_while_open_is_replaced(tmp_path: Path) -> None:
    """All nodes are written to the new file, also those that haven't changed, so nothing is lost."""
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
def test_file_removed_while_open_is_replaced(tmp_path: Path, *, replaced: bool) -> None:
    """The exporter doesn't go on writing to the deleted file; all nodes are written to a new one."""
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
    assert store.counted("bob", [before, after]) == {before}, "the list is lost: an older run may have been counted"
    store.close()


def test_list_of_a_new_file_that_is_not_written_yet_may_hold_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was removed, and the first write to the new one fails: the audit must not count anything again."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    counted = Run("ab" * 32, 1)
    store.save({"alice": encode(saved_node(busy_node()))._replace(ended=(counted,))})
    path.unlink()

    def busy(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_continue_in_new_file", busy)
        with pytest.raises(sqlite3.OperationalError):
            store.save({"alice": encode(saved_node(busy_node(), 10))})
        assert store.counted("alice", [counted]) == {counted}
    store.save({"alice": encode(saved_node(busy_node(), 10))})
    assert store.counted("alice", [counted]) == {counted}
    store.close()


def test_foreign_file_in_place_of_the_open_one(tmp_path: Path) -> None:
    """It stays unchanged; saving fails until it is removed."""
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


def test_all_files_removed_while_open(tmp_path: Path) -> None:
    """The lock file was removed, too: the exporter locks a new one, unless another exporter was faster."""
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


def test_file_removed_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated attempts don't set more files aside; when there is room again, everything is written."""
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
    """Raise the error of a full disk."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_unwritable_directory() -> None:
    """The error has the reason and advice."""
    with pytest.raises(StoreError, match=r"can.t be written") as error:
        Store(Path("/proc/state.sqlite"))
    assert "--storage.memory" in error.value.fix


def test_full_disk(tmp_path: Path) -> None:
    """The save fails as a whole; the next one that has room writes everything."""
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


def test_every_counter_and_histogram_is_restored(tmp_path: Path) -> None:
    """Adding one or changing buckets needs no migration; removing one does, and so does changing its labels."""
    path, observer = tmp_path / "state.sqlite", Observer()
    for number, series in enumerate(observer.ledger.counters.values(), 1):
        series.update((labels, number * 10_000 + place) for place, labels in enumerate(series))
    write_state(path, {"alice": encode(saved_node(observer))})
    saved = reload(path)
    assert saved.counters == observer.ledger.counters
    assert set(saved.counters) == set(Counter)
    assert set(saved.histograms) == set(HistogramName)


def counter_rows(path: Path) -> dict[tuple[str, str], str]:
    """Return the totals in the file by counter and labels."""
    with closing(sqlite3.connect(path)) as connection:
        return {(name, labels): total for name, labels, total in connection.execute(_COUNTER_ROWS)}


def test_counters_that_are_zero_from_the_start_have_no_row(tmp_path: Path) -> None:
    """A new node has a thousand of them; after a restart they aren't written either. Those of a peer have rows."""
    path, observer = tmp_path / "state.sqlite", Observer()
    write_state(path, {"alice": encode(saved_node(observer))})
    assert not counter_rows(path)
    observer = busy_node()
    write_state(path, {"alice": encode(saved_node(observer))})
    found = counter_rows(path)
    assert found["started", "[]"] == "31"
    assert {name for (name, _), total in found.items() if total == "0"} == {"peer_attempts", "peer_fees_by_purpose"}
    again = Observer()
    saving.resume(reload(path), again.tracker, again.ledger, at(9))
    write_state(path, {"alice": encode(saved_node(again))})
    assert counter_rows(path) == found


def test_file_with_rows_of_counters_at_zero_is_read(tmp_path: Path) -> None:
    """Earlier versions wrote them; this one changes them when the counters rise."""
    path, observer = tmp_path / "state.sqlite", busy_node()
    write_state(path, {"alice": encode(saved_node(observer))})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO counter VALUES ('alice', 'updates', ?, '0')", ('["list"]',))
    assert reload(path) == saved_node(observer)
    observer.ledger.counters[Counter.UPDATES][Source.LIST,] = 5
    write_state(path, {"alice": encode(saved_node(observer))})
    assert counter_rows(path)["updates", '["list"]'] == "5"
    assert reload(path) == saved_node(observer)


def test_number_of_labels_is_that_of_the_metric() -> None:
    """The check of stored labels knows the labels of every counter and histogram."""
    counters = {row.shows: len(row.labels) + bool(row.only) for row in ROWS if isinstance(row, CounterRow)}
    histograms = {row.shows: len(row.labels) for row in ROWS if isinstance(row, HistogramRow)}
    assert counters == codec._COUNTER_LABELS
    assert histograms == codec._HISTOGRAM_LABELS
