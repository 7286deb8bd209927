"""Files of every earlier schema can be read; a migration to the present one is atomic."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import inspect

from exporter.payments import saved as saving
from exporter.payments.event import FailedRuns
from exporter.payments.failed_hashes import FailedHash
from exporter.payments.labels import Reset
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Run
from exporter.payments.run import OpenRun
from exporter.payments.saved import SavedState
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.tracker import Tracker
from exporter.store import Store, StoreError, codec, encode, ended, file
from tests.payments.build import at
from tests.store.ended_entries import entry, listed
from tests.store.test_store import busy_node, reload, saved_node, write_state

LISTED_US = 1_600_000_000_000_000
ENDED = Run("dd" * 32, LISTED_US + 99)
FAILED = {
    "ee" * 32: FailedHash(LISTED_US + 5, (FailedRuns("invoice", "1k_to_10k_sat", "no_route", 1),)),
    "0f" * 32: FailedHash(
        LISTED_US + 7,
        (
            FailedRuns("rebalance", "under_1k_sat", "timeout", 300),
            FailedRuns("unknown", "under_1k_sat", "a reason of a newer version", 1),
        ),
    ),
}
SAMPLES = Path(__file__).parent / "samples"
"""A dump of a file of each schema, made from `busy_node` by the exporter that introduced the schema."""


def dump(path: Path) -> str:
    """Return the content of a file as SQL."""
    connection = sqlite3.connect(path)
    pragmas = [
        f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
        for name in ("application_id", "user_version")
    ]
    lines = [*pragmas, *connection.iterdump()]
    connection.close()
    return "\n".join(lines) + "\n"


def restore(sample: Path, path: Path) -> None:
    """Create the file from a dump."""
    connection = sqlite3.connect(path)
    connection.executescript(sample.read_text())
    connection.close()


def test_present_schema_has_a_sample(tmp_path: Path) -> None:
    """`UPDATE_GOLDEN=1` creates a missing sample; an existing one never changes, because such files are in use."""
    sample = SAMPLES / f"schema-{file.SCHEMA}.sql"
    if os.environ.get("UPDATE_GOLDEN") and not sample.exists():
        saved = replace(saved_node(busy_node()), newly_ended=(entry(29),), failed=FAILED)
        write_state(tmp_path / "state.sqlite", {"alice": encode(saved)})
        connection = sqlite3.connect(tmp_path / "state.sqlite")
        connection.execute("INSERT INTO counted_run VALUES ('alice', ?, ?)", (ENDED.created_us, b"\xdd" * 8))
        connection.execute("INSERT INTO listed VALUES ('alice', ?)", (LISTED_US,))
        connection.execute("REPLACE INTO reset VALUES ('corrupt', 2)")
        connection.commit()
        connection.close()
        sample.write_text(dump(tmp_path / "state.sqlite"))
    assert sample.exists(), "create it with UPDATE_GOLDEN=1, and commit it"


def words(kind: object) -> Iterator[str]:
    """Yield the fields and enums of a type of what is saved, with the members of each enum."""
    if isinstance(kind, inspect.EnumType):
        yield f"{kind.cls.__name__}: {' '.join(sorted(kind.cls))}"
    elif isinstance(kind, inspect.Type | inspect.Field):
        for field in kind.__struct_fields__:
            yield from words(getattr(kind, field))
    elif isinstance(kind, tuple):
        for each in kind:
            yield from words(each)


def test_new_name_has_a_new_schema() -> None:
    """An exporter takes a file with a counter, a histogram or a word that it doesn't know for a broken one.

    Unless the schema tells it that the file is from a newer one. Like a sample, the list of names never changes.
    """
    kept = SAMPLES / f"schema-{file.SCHEMA}.names"
    numbers = [*codec._COUNTER_LABELS.items(), *codec._HISTOGRAM_LABELS.items()]
    names = sorted(f"{name} {number}" for name, number in numbers)
    enums = sorted({*words(inspect.multi_type_info([OpenRun, SavedState]))})
    assert {name for name, _ in numbers} == {*Counter, *HistogramName}
    assert len(enums) > 5
    text = "\n".join([*names, *enums, ""])
    if os.environ.get("UPDATE_GOLDEN") and not kept.exists():
        kept.write_text(text)
    assert kept.read_text() == text, "increment SCHEMA of store/file.py, with an empty step of `_MIGRATIONS`"


NEWER = {
    Counter.PEER_FEES_BY_PURPOSE,
    Counter.PEER_REBALANCED_IN,
    Counter.PEER_REBALANCED_IN_FEES,
    Counter.PEER_OUTSTANDING_MS,
}
"""Counters by peer that are newer than the first samples: they have no series from the start."""


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.sql")), ids=lambda sample: str(sample.stem))
def test_old_file_is_migrated(sample: Path, tmp_path: Path) -> None:
    """Everything in it is read, a node resumes from it, and it is saved in the present schema."""
    path = tmp_path / "state.sqlite"
    restore(sample, path)
    has_ended = sample.stem >= f"schema-{ended.SINCE_SCHEMA}"
    assert listed(path) == [entry(29)] * has_ended, "also without a migration"
    saved = reload(path)
    assert listed(path) == [entry(29)] * has_ended
    observer = busy_node()
    unknown = {counter: saved.counters[counter] for counter in NEWER if not saved.counters[counter]}
    for counter, series in ((counter, saved.counters[counter]) for counter in saved.counters.keys() - unknown.keys()):
        current = observer.ledger.counters[counter]
        added = current.keys() - series.keys()  # a cause, for example, that is newer than the sample
        rare = series.keys() - current.keys()  # at 0 from the start when the sample was made
        assert current | dict.fromkeys(rare, 0) == series | dict.fromkeys(added, 0)
    assert {name: observer.ledger.histograms[name] for name in saved.histograms} == saved.histograms
    assert len(saved.counters) > 20
    assert len(saved.histograms) > 8
    store = Store(path)
    before, after = Run("ab" * 32, LISTED_US), Run("ab" * 32, LISTED_US + 1)
    assert store.counted("alice", [ENDED, before, after]) == {ENDED, before}
    assert store.resets == {Reset.CORRUPT: 2, Reset.OLDER: 0}
    store.close()
    assert {run.run for run in saved.open} == observer.tracker.open.keys()
    assert saved.failed == (FAILED if has_ended else {})
    assert saved.finished == observer.tracker.finished.indexes
    tracker, ledger = Tracker(), Ledger()
    saving.resume(saved, tracker, ledger, at(9))
    assert _counted(ledger) == {key: n for key, n in _counted(observer.ledger).items() if key[0] not in unknown}
    assert [*tracker.failed.by_hash.items()] == [*saved.failed.items()]
    assert tracker.history.survivors == observer.tracker.history.survivors
    write_state(path, {"alice": encode(saved)})
    assert f"PRAGMA user_version = {file.SCHEMA};" in dump(path)


def _counted(ledger: Ledger) -> dict[tuple[str, ...], int]:
    """Return all series that aren't 0, by counter and labels."""
    return {
        (counter, *labels): total
        for counter, series in ledger.counters.items()
        for labels, total in series.items()
        if total
    }


MIGRATIONS = {
    file.SCHEMA + 1: "ALTER TABLE reset ADD COLUMN at INTEGER; UPDATE reset SET at = 1;",
    file.SCHEMA + 2: "CREATE TABLE more (word TEXT); INSERT INTO more VALUES ('new');",
}


def add_migrations(monkeypatch: pytest.MonkeyPatch, migrations: dict[int, str]) -> None:
    """Add migrations to later schemas."""
    monkeypatch.setattr(file, "_MIGRATIONS", file._MIGRATIONS | migrations)
    monkeypatch.setattr(file, "SCHEMA", max(migrations))


def test_migration_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill at any statement the file has the old or the new schema, and the next start migrates it."""
    home, copies = tmp_path / "state", tmp_path / "copies"
    write_state(home / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    add_migrations(monkeypatch, MIGRATIONS)
    versions = []
    connect = sqlite3.connect

    def connect_traced(path: Path, **options: object) -> sqlite3.Connection:
        connection = connect(path, **options)  # type: ignore[call-overload]

        def copy(_statement: str) -> None:
            shutil.copytree(home, copies / str(len(list(copies.iterdir()))))

        if path == home / "state.sqlite":
            connection.set_trace_callback(copy)
        assert isinstance(connection, sqlite3.Connection)
        return connection

    copies.mkdir()
    monkeypatch.setattr(sqlite3, "connect", connect_traced)
    expected = reload(home / "state.sqlite")
    for number in range(len(list(copies.iterdir()))):
        path = copies / str(number) / "state.sqlite"
        copied = connect(path)
        versions += copied.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in copied.execute("SELECT name FROM sqlite_schema")}
        columns = [row[1] for row in copied.execute("PRAGMA table_info(reset)")]
        copied.close()
        assert ("at" in columns, "more" in tables) == (versions[-1] == file.SCHEMA, versions[-1] == file.SCHEMA)
        assert reload(path) == expected
    assert versions == sorted(versions)
    assert set(versions) == {file.SCHEMA - 2, file.SCHEMA}


def test_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier exporter can still use the file."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    before = dump(path)
    with monkeypatch.context() as patch:
        add_migrations(patch, {file.SCHEMA + 1: "DELETE FROM counter; INSERT INTO nowhere VALUES (1);"})
        with pytest.raises(StoreError, match="no such table"):
            Store(path)
    assert dump(path) == before
    assert reload(path) == saved_node(busy_node())


def test_statements_are_understood_by_old_versions_of_sqlite() -> None:
    """An upsert must name its columns before SQLite 3.35, and `HAVING` needs `GROUP BY` before 3.39."""
    code = "\n".join(path.read_text() for path in Path(file.__file__).parent.glob("*.py"))
    assert not re.findall(r"ON CONFLICT (?!\()", code)
    assert not [line for line in code.splitlines() if "HAVING" in line and "GROUP BY" not in line]
    assert "RETURNING" not in code
