"""Export of a node and its import: every row comes along, all or nothing, and what doesn't fit is refused."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from exporter.payments import saved as saving
from exporter.payments.labels import Reset
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Moment, Run
from exporter.payments.totals import HistogramName
from exporter.payments.tracker import Tracker
from exporter.store import EncodedNode, Locked, Store, StoreError, encode, file, handover, rows
from exporter.store.handover import Export, NoNode, export_node, from_bytes, to_bytes
from exporter.store.receive import receive
from tests.payments.build import at
from tests.store.ended_entries import entry
from tests.store.test_reader import file_stats
from tests.store.test_schemas import FAILED, LISTED_US, SAMPLES, restore
from tests.store.test_store import busy_node, saved_node, write_state

ENDED = Run("dd" * 32, 1_780_000_000_000_000)
NAME = "eu/alice:1@../x"
"""No path is made from it."""


def node(seconds: float = 9) -> EncodedNode:
    """Return a node with rows in every table."""
    return encode(saved_node(busy_node(), seconds))._replace(ended=(ENDED,), newly_ended=(entry(29),), failed=FAILED)


def exported(tmp_path: Path, name: str = NAME, seconds: float = 9) -> Export:
    """Return a node of a state file with two."""
    path = tmp_path / f"source-{seconds}.sqlite"
    write_state(path, {name: node(seconds), "bob": node()})
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("REPLACE INTO listed VALUES (?, ?)", [(name, LISTED_US), ("bob", LISTED_US + 1)])
        connection.commit()
    return export_node(path, name).export


def reread(export: Export) -> Export:
    """Return the export as it comes out of its file."""
    return from_bytes(to_bytes(export), Path("export"))


def all_rows(path: Path, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a node in a state file, by table."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT * FROM {} WHERE node = ?"
        return {table: sorted(connection.execute(query.format(table), (name,))) for table in rows.TABLES}


def tables_of_a_node() -> set[str]:
    """Return the tables of the schema that have a column `node`."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        file.create_tables(connection)
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            name
            for (name,) in names
            if "node" in [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
        }


def test_every_row_comes_along(tmp_path: Path) -> None:
    """In the other file the node is restored as it was, beside the one that is there; the source is unchanged."""
    export = exported(tmp_path)
    source, target = tmp_path / "source-9.sqlite", tmp_path / "target.sqlite"
    before = file_stats(tmp_path)
    assert export_node(source, NAME).export == export
    assert file_stats(tmp_path) == before
    write_state(target, {"carol": node(20)})
    assert receive(target, [reread(export)]) == [True]
    assert all(all_rows(source, NAME).values())
    assert set(rows.TABLES) == tables_of_a_node()
    assert all_rows(target, NAME) == all_rows(source, NAME)
    old, new = Store(source), Store(target)
    assert new.load(NAME) == old.load(NAME)
    assert new.counted(NAME, [ENDED]) == {ENDED}
    assert new.nodes() == ["carol", NAME]
    assert (new.resets, new.older_reason) == (dict.fromkeys(Reset, 0), "")
    old.close()
    new.close()


def test_a_new_file_is_made(tmp_path: Path) -> None:
    """For this user alone, with a lock file whose record knows it."""
    export = exported(tmp_path)
    target = tmp_path / "new" / "state.sqlite"
    assert receive(target, [export]) == [True]
    assert target.stat().st_mode & 0o777 == 0o600
    copy = tmp_path / "copy"
    shutil.copytree(target.parent, copy)
    store = Store(target)
    assert (store.nodes(), store.resets, store.older_reason) == ([NAME], dict.fromkeys(Reset, 0), "")
    store.close()
    target.unlink()
    shutil.copy(tmp_path / "source-9.sqlite", target)
    store = Store(target)
    assert store.older_reason == "it is not the file that was written last"
    store.close()


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    """Another state of the node is refused, with all that is imported together with it."""
    export, later = exported(tmp_path), exported(tmp_path, seconds=30)
    target = tmp_path / "target.sqlite"
    assert receive(target, [export]) == [True]
    before = all_rows(target, NAME)
    assert receive(target, [export]) == [False]
    carol = exported(tmp_path, "carol", 12)
    with pytest.raises(StoreError, match=r"^The state file counts .* already") as caught:
        receive(target, [carol, later])
    assert caught.value.fix.endswith(f"--storage.reset={NAME}")
    assert (all_rows(target, NAME), all_rows(target, "carol")["node"]) == (before, [])
    store = Store(target)
    store.forget(NAME)
    store.close()
    assert receive(target, [carol, later]) == [True, True]


def test_running_exporter(tmp_path: Path) -> None:
    """Its last write is exported, with a note that it follows the node; nothing can be imported."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": node(), "bob": node()})
    store.save({"alice": node(30)})
    before = file_stats(tmp_path)
    assert export_node(path, "alice").followed
    assert export_node(path, "alice").export.content["node"][0][1] == node(30).state
    assert file_stats(tmp_path) == before
    with pytest.raises(Locked, match=r"^An exporter is running with "):
        receive(path, [exported(tmp_path, "carol")])
    store.close()
    assert not export_node(path, "alice").followed


def test_node_that_was_left_and_is_handed_over(tmp_path: Path) -> None:
    """The file that takes it over doesn't call it left, or a start an hour later would warn of an old state."""
    source, target = tmp_path / "source.sqlite", tmp_path / "target.sqlite"
    write_state(source, {"alice": node()})
    state = Store(source)
    state.save(state.unfollowed([]))
    state.close()
    export = reread(export_node(source, "alice").export)
    assert receive(target, [export]) == [True]
    assert receive(target, [export]) == [False]
    left, taken = Store(source), Store(target)
    before, after = left.load("alice"), taken.load("alice")
    left.close()
    taken.close()
    assert before is not None
    assert after is not None
    assert (before.state.heard.left, after.state.heard.left) == (True, False)
    assert after == replace(before, state=replace(before.state, heard=replace(before.state.heard, left=False)))


def test_node_that_was_left(tmp_path: Path) -> None:
    """A running exporter that doesn't follow it any more is no reason for a warning, once that is on disk."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": node(), "bob": node()})
    store = Store(path)
    assert export_node(path, "alice").followed
    store.save(store.unfollowed(["bob"]))
    assert not export_node(path, "alice").followed
    assert export_node(path, "bob").followed
    store.close()


def test_killed_exporter(tmp_path: Path) -> None:
    """What it wrote is in its log alone."""
    path = tmp_path / "running" / "state.sqlite"
    path.parent.mkdir()
    store = Store(path)
    store.save({"alice": node()})
    shutil.copytree(path.parent, tmp_path / "killed")
    store.close()
    assert export_node(tmp_path / "killed" / "state.sqlite", "alice").export.content["node"][0][1] == node().state


@pytest.mark.slow
@pytest.mark.parametrize("there", [["dave"], []], ids=["old file", "new file"])
def test_import_is_atomic(tmp_path: Path, there: list[str]) -> None:
    """Killed before any statement of it, the next start finds both nodes or neither, and counts no reset."""
    exports = [exported(tmp_path), exported(tmp_path, "carol", 12)]
    target = tmp_path / "target" / "state.sqlite"
    target.parent.mkdir()
    if there:
        write_state(target, {name: node() for name in there})
    copies: list[Path] = []
    kinds = [""]

    def copy(statement: str = "") -> None:
        """Copy the files at the first of similar statements, such as the insertions into one table."""
        if statement and statement[:24] == kinds[-1]:
            return
        kinds.append(statement[:24])
        copies.append(tmp_path / "copies" / f"{len(copies):04d}")
        shutil.copytree(target.parent, copies[-1])

    connect: Callable[[Path], sqlite3.Connection] = file.connect

    def traced(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(copy)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "connect", traced)
        receive(target, exports)
    copy()
    found = []
    for folder in copies:
        store = Store(folder / "state.sqlite")
        found.append(store.nodes())
        assert (store.resets, store.older_reason) == (dict.fromkeys(Reset, 0), "")
        store.close()
    before = found.count(there)
    assert before > len(rows.TABLES)
    assert found == [there] * before + [sorted(["carol", *there, NAME])] * (len(found) - before)
    assert before < len(found)


def test_list_that_was_lost(tmp_path: Path) -> None:
    """Payments that may have been counted without a row are taken for counted by the other exporter, too."""
    source, target = tmp_path / "source.sqlite", tmp_path / "target.sqlite"
    store = Store(source)
    store.save({"alice": node()})
    source.unlink()
    store.save({"alice": node(10)})
    store.close()
    export = reread(export_node(source, "alice").export)
    write_state(target, {"bob": node()})
    receive(target, [export])
    old, new, run = Store(source), Store(target), Run("ab" * 32, export.listed_from_us)
    assert old.counted("alice", [run]) == new.counted("alice", [run]) == {run}
    assert new.counted("alice", [run._replace(created_us=run.created_us + 1)]) == set()
    old.close()
    new.close()


def test_other_bucket_edges(tmp_path: Path) -> None:
    """They are handed over as they are, and named: these histograms begin at zero, as after an upgrade."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": node()})
    with closing(sqlite3.connect(path)) as connection:
        name, _ = connection.execute("SELECT histogram, edges FROM histogram").fetchone()
        connection.execute("UPDATE histogram SET edges = '[1]' WHERE histogram = ?", (name,))
        connection.commit()
    export = reread(export_node(path, "alice").export)
    assert export.restarted == {HistogramName(name)}
    receive(tmp_path / "new.sqlite", [export])
    store = Store(tmp_path / "new.sqlite")
    assert store.restarted == {HistogramName(name)}
    store.close()


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.sql")), ids=lambda sample: sample.stem)
def test_files_of_older_versions(tmp_path: Path, sample: Path) -> None:
    """A node is exported from a file of each schema, which stays as it is."""
    path = tmp_path / "old.sqlite"
    restore(sample, path)
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        (name,) = connection.execute("SELECT min(node) FROM node").fetchone()
    export = reread(export_node(path, name).export)
    assert path.read_bytes() == before
    receive(tmp_path / "new.sqlite", [export])
    Store(path).close()  # migrates it
    assert all_rows(tmp_path / "new.sqlite", name) == all_rows(path, name)
    assert export.listed_from_us == LISTED_US


def test_export_of_an_older_version(tmp_path: Path) -> None:
    """It is migrated; the hash of its rows is that of a version without ended payments and failed hashes."""
    export = exported(tmp_path)
    export = export._replace(content=export.content | {"ended": [], "failed_hash": []})
    digest = sha256(f"{export.node} {export.listed_from_us}".encode())
    for table in ("node", "counter", "histogram", "open_run", "finished_run", "counted_run"):
        digest.update("".join([f"\n{table}\n", *map(ascii, export.content[table])]).encode())
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(to_bytes(export))
        assert connection.execute("SELECT digest FROM export").fetchone() == (digest.hexdigest(),)
        connection.execute("DROP TABLE mark")
        connection.execute("DROP TABLE ended")
        connection.execute("DROP TABLE failed_hash")
        connection.execute("DROP TABLE listed")
        connection.execute("CREATE TABLE listed (from_us INTEGER NOT NULL)")
        connection.execute("INSERT INTO listed VALUES (?)", (export.listed_from_us,))
        connection.execute("PRAGMA user_version = 1")
        assert from_bytes(connection.serialize(), Path("export")) == export


def changed(export: Export, *statements: str) -> bytes:
    """Return an export in which somebody has changed something."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(to_bytes(export))
        for statement in statements:
            connection.execute(statement)
        return connection.serialize()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE counter SET total = total || '1'", "its content is not what was exported"),
        ("DELETE FROM counted_run", "its content is not what was exported"),
        ("DELETE FROM ended", "its content is not what was exported"),
        ("UPDATE ended SET value_msat = value_msat + 1", "its content is not what was exported"),
        ("UPDATE failed_hash SET runs = replace(runs, '1]', '2]')", "its content is not what was exported"),
        ("UPDATE listed SET from_us = 5", "its content is not what was exported"),
        ("UPDATE export SET node = 'bob'", "it has 1 nodes instead of the one that was exported"),
        ("UPDATE node SET node = 'bob'", "it has 1 nodes instead of the one that was exported"),
        ("INSERT INTO node SELECT 'bob', marks FROM node", "it has 2 nodes instead of the one that was exported"),
        ("DELETE FROM node", "it has 0 nodes instead of the one that was exported"),
        ("DELETE FROM export", "it has 1 nodes instead of the one that was exported"),
        ("INSERT INTO counter SELECT 'bob', counter, labels, total FROM counter", "its content is not what was"),
        ("DROP TABLE open_run", "no such table: open_run"),
        (
            "UPDATE counter SET counter = 'tomorrow' WHERE (counter, labels) = (SELECT counter, labels FROM counter)",
            "'tomorrow' is not a valid Counter",
        ),
        ("UPDATE open_run SET state = '{}'", "Object missing required field"),
    ],
)
def test_changed_exports(tmp_path: Path, statement: str, message: str) -> None:
    """What isn't as it was written is refused."""
    with pytest.raises(StoreError, match=rf"^export is damaged \({message}"):
        from_bytes(changed(exported(tmp_path), statement), Path("export"))


@pytest.mark.slow
def test_damaged_bytes(tmp_path: Path) -> None:
    """Whatever byte is wrong: it is an error of ours, or the content is the same (unused space of a page)."""
    export = exported(tmp_path)
    whole = to_bytes(export)
    for position in range(0, len(whole), 997):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        try:
            assert from_bytes(bytes(damaged), Path("export")) == export
        except StoreError:
            continue
    for length in (1, 50, 100, 4096, len(whole) - 4096, len(whole) - 1):
        with pytest.raises(StoreError):
            from_bytes(whole[:length], Path("export"))


def test_files_that_are_no_exports(tmp_path: Path) -> None:
    """Each is named for what it is."""
    export = exported(tmp_path)
    source = tmp_path / "source-9.sqlite"
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE node (node)")
    contents = {
        b"": "x is empty.",
        b"hello": "x is not an export.",
        other.read_bytes(): "x is not an export.",
        source.read_bytes(): "x is the state file of an exporter, not an export.",
        to_bytes(export)[:-4096]: f"x is damaged: it has {len(to_bytes(export)) - 4096} bytes instead of",
        to_bytes(export) + b"\n": f"x is damaged: it has {len(to_bytes(export)) + 1} bytes instead of",
        changed(export, f"PRAGMA user_version = {file.SCHEMA + 1}"): "x was written by a newer exporter",
    }
    for content, message in contents.items():
        with pytest.raises(StoreError) as caught:
            from_bytes(content, Path("x"))
        assert str(caught.value).startswith(message)


def test_newer_versions(tmp_path: Path) -> None:
    """The advice is to use that version for this step, not to give the exporter another state file."""
    export = exported(tmp_path)
    with pytest.raises(StoreError) as caught:
        from_bytes(changed(export, f"PRAGMA user_version = {file.SCHEMA + 1}"), Path("x"))
    assert caught.value.fix == "Import it by that version of the exporter, or a later one."
    source = tmp_path / "source-9.sqlite"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute(f"PRAGMA user_version = {file.SCHEMA + 1}")
    with pytest.raises(StoreError) as caught:
        export_node(source, NAME)
    assert caught.value.fix == "Export by that version of the exporter."


def test_export_is_no_state(tmp_path: Path) -> None:
    """An exporter refuses it, an import into it leaves no trace, and nothing can be exported from it."""
    path = tmp_path / "export"
    path.write_bytes(to_bytes(exported(tmp_path)))
    before = sorted(tmp_path.iterdir())
    for use in (lambda: receive(path, []), lambda: export_node(path, NAME)):
        with pytest.raises(StoreError, match="is not the state of an exporter"):
            use()
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(StoreError, match="is not the state of an exporter"):
        Store(path)


def test_unknown_node(tmp_path: Path) -> None:
    """The nodes of the file are named, at most fifty."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": node(), "bob": node()})
    with pytest.raises(NoNode) as caught:
        export_node(path, "alcie")
    assert caught.value.args == (f"{path} has no node alcie.",)
    assert caught.value.fix == "Its nodes: alice, bob"
    assert handover._list([str(number) for number in range(60)]).endswith(", 48, 49 and 10 more")
    Store(tmp_path / "empty.sqlite").close()
    with pytest.raises(NoNode) as caught:
        export_node(tmp_path / "empty.sqlite", "alice")
    assert caught.value.fix == "It has no nodes yet."


def test_state_that_is_gone_or_older(tmp_path: Path) -> None:
    """An import doesn't hide what the next start would report."""
    export, target = exported(tmp_path), tmp_path / "target.sqlite"
    write_state(target, {"bob": node()})
    shutil.copy(target, tmp_path / "copy")
    write_state(target, {"bob": node(20)})
    shutil.copy(tmp_path / "copy", target)
    with pytest.raises(StoreError, match="is not as it was written last"):
        receive(target, [export])
    target.unlink()
    with pytest.raises(StoreError, match="is gone"):
        receive(target, [export])
    assert not target.exists()
    store = Store(target)
    assert store.resets[Reset.CORRUPT] == 1
    store.close()
    target.write_bytes(target.read_bytes()[:3000])
    with pytest.raises(StoreError, match="is damaged"):
        receive(target, [export])
    assert target.stat().st_size == 3000


def test_earlier_resets_are_kept(tmp_path: Path) -> None:
    """They belong to the receiving exporter; those of the other one don't come along."""
    target = tmp_path / "target.sqlite"
    write_state(target, {"bob": node()})
    target.write_bytes(b"broken" * 1000)
    Store(target).close()
    source = tmp_path / "source-9.sqlite"
    write_state(source, {"x": node()})
    source.write_bytes(b"broken" * 1000)
    Store(source).close()
    receive(target, [exported(tmp_path)])
    for name in tmp_path.glob("target.sqlite.broken*"):
        name.unlink()
    store = Store(target)
    assert store.resets == {Reset.CORRUPT: 1, Reset.OLDER: 0}
    store.close()


def test_no_space(tmp_path: Path) -> None:
    """The state stays as it was."""
    target = tmp_path / "target.sqlite"
    write_state(target, {"bob": node()})
    exports = [replace_node(exported(tmp_path), f"n{number}") for number in range(3)]
    connect = file.connect

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "connect", small)
        with pytest.raises(StoreError, match="database or disk is full"):
            receive(target, exports)
    store = Store(target)
    assert store.nodes() == ["bob"]
    store.close()


def replace_node(export: Export, name: str) -> Export:
    """Return the same state of a node of another name."""
    content = {table: [(name, *row[1:]) for row in found] for table, found in export.content.items()}
    return export._replace(node=name, content=content)


def test_clock_of_another_machine(tmp_path: Path) -> None:
    """The monotonic clock there has another zero: ages go on by the wall clock, as after a reboot."""
    receive(tmp_path / "new.sqlite", [exported(tmp_path)])
    store = Store(tmp_path / "new.sqlite")
    saved = store.load(NAME)
    store.close()
    assert saved is not None
    tracker, now = Tracker(), Moment(at(9).wall_ns + 100 * 10**9, 12345)
    before = [run.news_mono_ns for run in replace(saved).open]
    saving.resume(saved, tracker, Ledger(), now)
    assert [now.mono_ns - run.news_mono_ns for run in tracker.open.values()] == [
        at(9).mono_ns - mono_ns + 100 * 10**9 for mono_ns in before
    ]


def test_export_is_one_instant(tmp_path: Path) -> None:
    """An exporter that writes in the middle of the export changes nothing of it."""
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": node()})
    first = export_node(path, "alice").export
    read: Callable[..., Any] = rows.read

    def write_meanwhile(connection: sqlite3.Connection, name: str, state: str) -> Any:
        store.save({"alice": node(30)._replace(open={}, finished={})})
        return read(connection, name, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "read", write_meanwhile)
        assert export_node(path, "alice").export == first
    store.close()


@pytest.mark.parametrize("stops", [False, True])
def test_exporter_that_starts_during_an_export(tmp_path: Path, *, stops: bool) -> None:
    """The file was read as one that nobody writes, so it is read again: never a mixture of two instants."""
    path, stores = tmp_path / "state.sqlite", list[Store]()
    write_state(path, {"alice": node()})
    read: Callable[..., Any] = rows.read

    def read_late(*args: Any) -> Any:
        """Read the rest after another process has begun, and perhaps ended."""
        if not stores:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(rows, "read", read)
                stores.append(Store(path))
            stores[0].save({"alice": node(20)})
            if stops:
                stores[0].close()
        return read(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "read", read_late)
        export = export_node(path, "alice").export
    if not stops:
        stores[0].close()
    assert export.content == all_rows(path, "alice")


def test_a_file_that_never_rests(tmp_path: Path) -> None:
    """After three tries there is an error instead of a mixture."""
    path = tmp_path / "state.sqlite"
    write_state(path, {"alice": node()})
    read: Callable[..., Any] = rows.read
    seconds = iter(range(20, 30))

    def read_late(*args: Any) -> Any:
        """Write in between."""
        content = read(*args)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows, "read", read)
            write_state(path, {"alice": node(next(seconds))})
        return content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "read", read_late)
        with pytest.raises(StoreError, match="was changed each time it was read"):
            export_node(path, "alice")
