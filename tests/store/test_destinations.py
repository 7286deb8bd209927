"""Totals by destination on disk: rows of groups that go are deleted, a run in flight keeps its group, not its key."""

from pathlib import Path

from exporter.payments import saved as saving
from exporter.payments.ledger import Ledger
from exporter.payments.tracker import Tracker
from exporter.store import Store, encode
from exporter.store.handover import add, export_node, from_bytes, to_bytes
from tests.payments.build import IN_FLIGHT, Observer, at, flying, payment
from tests.payments.test_destinations import BANK, GROUPS, SHOP, count, counted, grouped, paid, use
from tests.store.test_store import reload, saved_node, write_state


def node() -> Observer:
    """Return a node that has paid to two groups, and is paying to one."""
    observer = grouped()
    count(observer, paid(SHOP, 1), paid(BANK, 2))
    observer.receive(payment(IN_FLIGHT, flying(3), payment_index=3)._replace(destination=SHOP), 8)
    return observer


def test_rows_of_a_group_that_goes_are_deleted(tmp_path: Path) -> None:
    """Those of its histogram, too; else a restart would count them again."""
    observer, path = node(), tmp_path / "state.sqlite"
    store = Store(path)
    store.save({"alice": encode(saved_node(observer))})
    use(observer, {BANK: "bank"})
    store.save({"alice": encode(saved_node(observer))})
    store.close()
    assert reload(path) == saved_node(observer)
    again = Observer(Tracker(), Ledger())
    saving.resume(reload(path), again.tracker, again.ledger, at(9))
    use(again, {BANK: "bank"})
    assert again.ledger.counters == observer.ledger.counters
    assert again.ledger.histograms == observer.ledger.histograms


def test_a_run_in_flight_keeps_its_group_and_not_its_key(tmp_path: Path) -> None:
    """With --storage.ended-destinations=false, also if the file is from before that."""
    path, again = tmp_path / "state.sqlite", Observer()
    write_state(path, {"alice": encode(saved_node(node()))})
    again.tracker.recipients.kept = False
    saving.resume(reload(path), again.tracker, again.ledger, at(9))
    (run,) = again.tracker.open.values()
    assert (run.group, run.destination) == ("shop", "")
    (text,) = encode(saved_node(again)).open.values()
    assert '"group":"shop"' in text
    assert SHOP not in text


def test_a_node_is_handed_over_with_its_groups(tmp_path: Path) -> None:
    """The other exporter may have other ones: then these are `former` there."""
    observer = node()
    write_state(tmp_path / "a.sqlite", {"alice": encode(saved_node(observer))})
    export = from_bytes(to_bytes(export_node(tmp_path / "a.sqlite", "alice").export), tmp_path / "alice")
    store = Store(tmp_path / "b.sqlite")
    with store._files.transaction() as connection:
        assert add(connection, export)
    store.close()
    for groups, names in ((GROUPS, {"shop", "bank"}), ({BANK: "bank"}, {"former", "bank"})):
        there = Observer(Tracker(), Ledger())
        saving.resume(reload(tmp_path / "b.sqlite"), there.tracker, there.ledger, at(20))
        use(there, groups)
        assert {name for name, *_ in counted(there.ledger)} == names
