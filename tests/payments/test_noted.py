"""Copies that share what has not changed: none ever changes, and what differs between two is known."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.follow import Account
from exporter.payments.labels import Source, Status
from exporter.payments.noted import NotedDict, differing
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.store import Store, codec, encode
from tests.follow.watch import Clocks
from tests.payments.build import flying, payment, settled

keys = st.integers(0, 5)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, st.integers(0, 2)),
        st.tuples(st.just("pop"), keys, st.just(0)),
        st.tuples(st.just("copy"), keys, st.just(0)),
    ),
    max_size=40,
)


@given(changes, st.data())
def test_what_differs_is_noted(script: list[tuple[str, int, int]], data: st.DataObject) -> None:
    """Between any two copies, and not only those made one after the other; no copy ever changes."""
    noted, copies = NotedDict[int, int](), [(NotedDict[int, int]().snapshot(), dict[int, int]())]
    for verb, key, value in script:
        if verb == "set":
            noted[key] = value
        elif verb == "pop":
            noted.pop(key, None)
        else:
            copies.append((noted.snapshot(), dict(noted)))
    for copy, was in copies:
        assert copy == was
    for _ in range(5):
        (old, _), (new, _) = data.draw(st.sampled_from(copies)), data.draw(st.sampled_from(copies))
        assert {key for key in {*old, *new} if old.get(key) != new.get(key)} <= {*differing(old, new)}
    assert all(
        {key for key in {*old, *new} if old.get(key) != new.get(key)} <= {*differing(old, new)}
        for (old, _), (new, _) in pairwise(copies)
    )


steps = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["new", "flying", "settled", "capture", "write", "wait"]))
)


@given(steps)
@settings(max_examples=25, deadline=None)
async def test_written_in_parts_is_what_is_written_at_once(script: list[tuple[int, str]]) -> None:  # noqa: C901
    """Whatever was captured and not written in between; views never change and share what is the same."""
    clocks = Clocks()
    account = Account("lnd", clocks, 5)
    account.tracker.begin([], 0, clocks())
    views: list[tuple[View, dict[Counter, int]]] = []
    encoded = encode(account.save(account.capture()))
    with TemporaryDirectory() as home:
        store = Store(Path(home) / "parts.sqlite")
        for number, verb in [*script, (0, "write")]:
            hash_ = f"{number:064x}"
            if verb == "new":
                account.record(payment(payment_hash=hash_, payment_index=number + 1), Source.STREAM)
            elif verb == "flying":
                account.record(
                    payment(Status.IN_FLIGHT, flying(1), payment_hash=hash_, payment_index=number + 1), Source.STREAM
                )
            elif verb == "settled":
                done = payment(Status.SUCCEEDED, settled(flying(1)), payment_hash=hash_, payment_index=number + 1)
                account.record(done, Source.STREAM)
            elif verb == "wait":
                account.tracker.postpone(-(10**10))
                account.release()
            else:
                view = account.capture()
                views.append((view, {counter: sum(series.values()) for counter, series in view.counters.items()}))
                assert view.counters == account.ledger.counters
                assert view.histograms == account.ledger.histograms
                encoded = encode(account.save(view))
                runs = account.tracker.open
                assert encoded.open == {run: codec.encode_labels(runs[run]) for run in runs}  # type: ignore[arg-type]
                if verb == "write":
                    store.save({"lnd": encoded})
        store.close()
        whole = Store(Path(home) / "whole.sqlite")
        whole.save({"lnd": encoded})
        whole.close()
        for table in ("node", "counter", "histogram", "open_run", "finished_run"):
            parts, at_once = (_rows(Path(home) / name, table) for name in ("parts.sqlite", "whole.sqlite"))
            assert parts == at_once, table
    for (view, sums), (later, _) in pairwise(views):
        assert {counter: sum(series.values()) for counter, series in view.counters.items()} == sums
        for counter, series in later.counters.items():
            assert (series is view.counters[counter]) == (series == view.counters[counter]), counter
        for name, histograms in later.histograms.items():
            assert (histograms is view.histograms[name]) == (histograms == view.histograms[name]), name
        assert (later is view) == (later == view)


def _rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}"))
