"""Files of every schema that there ever was can be read; they are brought to the present one whole or not at all."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from exporter.payments import saved as saving
from exporter.payments.labels import Reset
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Run
from exporter.payments.tracker import Tracker
from exporter.store import Store, StoreError, encode, file
from tests.payments.build import at
from tests.store.test_store import busy_node, reload, saved_node, write_state

LISTED_US = 1_600_000_000_000_000
ENDED = Run("dd" * 32, LISTED_US + 99)
SAMPLES = Path(__file__).parent / "samples"
"""Of each schema a dump of a file; what `busy_node` leaves behind, when the schema was new."""


def dump(path: Path) -> str:
    """A file as SQL."""
    connection = sqlite3.connect(path)
    pragmas = [
        f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
        for name in ("application_id", "user_version")
    ]
    lines = [*pragmas, *connection.iterdump()]
    connection.close()
    return "\n".join(lines) + "\n"


def restore(sample: Path, path: Path) -> None:
    """The file of a dump."""
    connection = sqlite3.connect(path)
    connection.executescript(sample.read_text())
    connection.close()


def test_there_is_a_sample_of_the_present_schema(tmp_path: Path) -> None:
    """`UPDATE_GOLDEN=1` makes one that is missing; one that is there never changes, for such files are in use."""
    sample = SAMPLES / f"schema-{file.SCHEMA}.sql"
    if os.environ.get("UPDATE_GOLDEN") and not sample.exists():
        write_state(tmp_path / "state.sqlite", {"alice": encode(saved_node(busy_node()))._replace(ended=(ENDED,))})
        connection = sqlite3.connect(tmp_path / "state.sqlite")
        connection.executescript(f"INSERT INTO listed VALUES ({LISTED_US}); REPLACE INTO reset VALUES ('corrupt', 2);")
        connection.close()
        sample.write_text(dump(tmp_path / "state.sqlite"))
    assert sample.exists(), "make it with UPDATE_GOLDEN=1, and keep it"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.sql")), ids=lambda sample: str(sample.stem))
def test_an_old_file(sample: Path, tmp_path: Path) -> None:
    """All that was kept is there, in the present schema; a node goes on from it, and saves it again."""
    path = tmp_path / "state.sqlite"
    restore(sample, path)
    found = reload(path)
    observer = busy_node()
    assert {name: observer.ledger.counters[name] for name in found.counters} == found.counters
    assert {name: observer.ledger.histograms[name] for name in found.histograms} == found.histograms
    assert len(found.counters) > 20
    assert len(found.histograms) > 8
    store = Store(path)
    before, after = Run("ab" * 32, LISTED_US), Run("ab" * 32, LISTED_US + 1)
    assert store.counted("alice", [ENDED, before, after]) == {ENDED, before}
    assert store.resets == {Reset.CORRUPT: 2, Reset.OLDER: 0}
    store.close()
    assert {run.run for run in found.open} == observer.tracker.open.keys()
    assert found.finished == observer.tracker.memory.indexes
    tracker, ledger = Tracker(), Ledger()
    saving.resume(found, tracker, ledger, at(9))
    assert ledger.counters == observer.ledger.counters
    assert tracker.survivors == observer.tracker.survivors
    write_state(path, {"alice": encode(found)})
    assert f"PRAGMA user_version = {file.SCHEMA};" in dump(path)


STEPS = {
    file.SCHEMA + 1: "ALTER TABLE reset ADD COLUMN at INTEGER; UPDATE reset SET at = 1;",
    file.SCHEMA + 2: "CREATE TABLE more (word TEXT); INSERT INTO more VALUES ('new');",
}


def newer(monkeypatch: pytest.MonkeyPatch, steps: dict[int, str]) -> None:
    """Let the program know these schemas, too."""
    monkeypatch.setattr(file, "_MIGRATIONS", file._MIGRATIONS | steps)
    monkeypatch.setattr(file, "SCHEMA", max(steps))


def test_all_steps_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed amid a migration finds the file of a schema that there is, and the next start ends it."""
    home, copies = tmp_path / "state", tmp_path / "copies"
    write_state(home / "state.sqlite", {"alice": encode(saved_node(busy_node()))})
    newer(monkeypatch, STEPS)
    versions = []
    connect = sqlite3.connect

    def watched(path: Path, **options: object) -> sqlite3.Connection:
        connection = connect(path, **options)  # type: ignore[call-overload]

        def copy(_statement: str) -> None:
            shutil.copytree(home, copies / str(len(list(copies.iterdir()))))

        if path == home / "state.sqlite":
            connection.set_trace_callback(copy)
        assert isinstance(connection, sqlite3.Connection)
        return connection

    copies.mkdir()
    monkeypatch.setattr(sqlite3, "connect", watched)
    expected = reload(home / "state.sqlite")
    for number in range(len(list(copies.iterdir()))):
        path = copies / str(number) / "state.sqlite"
        there = connect(path)
        versions += there.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in there.execute("SELECT name FROM sqlite_schema")}
        columns = [row[1] for row in there.execute("PRAGMA table_info(reset)")]
        there.close()
        assert ("at" in columns, "more" in tables) == (versions[-1] == file.SCHEMA, versions[-1] == file.SCHEMA)
        assert reload(path) == expected
    assert versions == sorted(versions)
    assert set(versions) == {file.SCHEMA - 2, file.SCHEMA}


def test_a_step_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is left: the old program can go on with the file."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": encode(saved_node(busy_node()))})
    before = dump(path)
    with monkeypatch.context() as patch:
        newer(patch, {file.SCHEMA + 1: "DELETE FROM counter; INSERT INTO nowhere VALUES (1);"})
        with pytest.raises(StoreError, match="no such table"):
            Store(path)
    assert dump(path) == before
    assert reload(path) == saved_node(busy_node())
