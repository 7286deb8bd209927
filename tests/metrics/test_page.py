"""The content of a page: every series, its labels, and what is absent."""

import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

from exporter.metrics.names import NOT_IN_FINAL_MODE, ROWS
from exporter.metrics.row import GaugeRow
from exporter.payments import labels, totals
from exporter.payments.labels import Mode, NodeState
from exporter.payments.ledger import PEER_COUNTERS, Ledger
from exporter.payments.node import Channels, Info, NodeStatus, PeerChannels
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture_view
from tests.metrics import scene
from tests.metrics.reading import Series, families, series, text, total

GOLDEN = Path(__file__).with_name("page.txt")
BUDGET = 2500
BOUND = 2810
CODES_WITHOUT_SOURCE = (labels.Code.INTERNAL_FAILURE, labels.Code.UNKNOWN_FAILURE, labels.Code.UNREADABLE_FAILURE)


def test_page_matches_the_golden_file() -> None:
    """So that a renamed series shows in a review.

    `UPDATE_GOLDEN=1 pytest tests/metrics` rewrites the file.
    """
    page = _masked(text([scene.populated()], process=ProcessCollector(registry=None)))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(page, encoding="utf-8")
    assert page.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_started_equals_ended_plus_in_flight() -> None:
    """Payments succeed, fail, are lost or in flight; attempts settle, fail, are unresolved or in flight."""
    for view in (scene.populated(), scene.untouched()):
        page = series(text([view]))
        assert total(page, "lnd_payments_started_total") == sum(
            total(page, f"lnd_payments_{name}")
            for name in ("succeeded_total", "failed_total", "lost_total", "in_flight")
        )
        assert total(page, "lnd_payments_htlc_attempts_started_total") == sum(
            total(page, f"lnd_payments_{name}")
            for name in (
                "htlc_attempts_settled_total",
                "htlc_attempts_failed_total",
                "htlc_attempts_unresolved_total",
                "in_flight_htlcs",
            )
        )


def test_breakdowns_of_finished_payments_agree() -> None:
    """Each breakdown has the same sum."""
    page = series(text([scene.populated()]))
    failed, succeeded = (total(page, f"lnd_payments_{name}_total") for name in ("failed", "succeeded"))
    assert {
        "by cause": total(page, "lnd_payments_failed_by_cause_total"),
        "changed to failed": total(page, "lnd_payments_status_transitions_total", to_status="failed"),
        "changed to succeeded": total(page, "lnd_payments_status_transitions_total", to_status="succeeded"),
        "with a fee": total(page, "lnd_payments_fee_msat_count"),
        "fees": total(page, "lnd_payments_fees_msat_total"),
    } == {
        "by cause": failed,
        "changed to failed": failed,
        "changed to succeeded": succeeded,
        "with a fee": succeeded,
        "fees": total(page, "lnd_payments_fee_msat_sum"),
    }


def test_labels_and_values_are_those_of_the_table() -> None:
    """Each series has exactly the labels of its row, with values of their closed sets."""
    found = families(text([scene.populated()]))
    for row in ROWS:
        own = set() if row.name.startswith("lnd_payments_exporter_") else {"node"}
        for sample in found[row.name.removesuffix("_total")].samples:
            assert set(sample.labels) - {"le"} == own | set(row.labels), row.name
            for label, values in row.labels.items():
                assert values is None or sample.labels[label] in {value.value for value in values}, (row.name, label)


def test_ledger_and_table_have_the_same_totals() -> None:
    """Each counter and histogram of the ledger has exactly one row."""
    shown = [row.shows for row in ROWS if hasattr(row, "shows")]
    assert sorted(shown) == sorted([*totals.Counter, *totals.HistogramName])


def test_names_are_unique_and_prefixed() -> None:
    """With `lnd_payments_`."""
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("lnd_payments_") for name in names)


def test_nodes_share_families() -> None:
    """Each node has the same series as on a page of its own."""
    one, two = scene.populated("one"), scene.untouched("two")
    page = text([one, two])
    assert page.count("# TYPE lnd_payments_started_total ") == 1
    assert series(page) == series(text([one])) | series(text([two]))


def test_page_without_nodes() -> None:
    """It names all metrics, but has only the series of the exporter itself."""
    assert [name for name, _ in series(text([]))] == [
        "lnd_payments_exporter_checkpoint_failures_total",
        "lnd_payments_exporter_state_resets_total",
        "lnd_payments_exporter_state_resets_total",  # one per cause
        "lnd_payments_exporter_config_last_reload_successful",
        "lnd_payments_exporter_config_last_reload_success_timestamp_seconds",
        "lnd_payments_exporter_build_info",
    ]
    assert len(families(text([]))) == len(ROWS)


def test_metrics_that_final_mode_does_not_measure_are_absent() -> None:
    """What has been in flight for long is measured all the same."""
    whole = scene.populated()
    final = replace(whole, status=replace(whole.status, mode=Mode.FINAL))
    absent = set(series(text([whole]))) - set(series(text([final])))
    young = {(name, dict(labels).get("age")) for name, labels in absent if name == "lnd_payments_in_flight"}
    assert young == {("lnd_payments_in_flight", age) for age in ("under_1m", "1m_to_10m")}
    of_histograms = re.compile(r"_(bucket|count|sum)$")
    assert {of_histograms.sub("", name) for name, _ in absent} == NOT_IN_FINAL_MODE | {"lnd_payments_in_flight"}
    other = replace(final, node="two")
    assert series(text([whole, other])) == series(text([whole])) | series(text([other]))


def test_unknown_gauges_are_absent() -> None:
    """A node that has sent nothing has only gauges whose value is certain."""
    assert _gauges(scene.untouched()) == {
        "lnd_payments_in_flight": 0,
        "lnd_payments_in_flight_msat": 0,
        "lnd_payments_in_flight_given_up": 0,
        "lnd_payments_in_flight_given_up_msat": 0,
        "lnd_payments_in_flight_stalled": 0,
        "lnd_payments_in_flight_htlcs": 0,
        "lnd_payments_in_flight_htlcs_msat": 0,
        "lnd_payments_node_up": 0,
        "lnd_payments_node_state": 1,
        "lnd_payments_stream_up": 0,
        "lnd_payments_catching_up": 0,
    }


def test_known_zero_is_exposed() -> None:
    """Held HTLCs with a known height, spendable balance with ListChannels."""
    status = NodeStatus(state=NodeState.READY, info=Info(pubkey="02" * 33), channels=Channels(spendable_msat=0))
    found = _gauges(scene.untouched(status=status))
    wanted = ("held_htlcs", "held_htlcs_msat", "node_spendable_msat", "node_channels", "node_synced_to_chain")
    assert [found[f"lnd_payments_{name}"] for name in wanted] == [0] * len(wanted)
    assert "lnd_payments_held_earliest_expiry_height" not in found
    assert "lnd_payments_node_best_header_timestamp_seconds" not in found


@pytest.mark.parametrize("state", NodeState)
def test_exactly_one_node_state_is_set(state: NodeState) -> None:
    """The others are 0; the node is up only if it is ready."""
    page = series(text([scene.untouched(status=NodeStatus(state=state))]))
    states = {dict(have)["state"]: v for (name, have), v in page.items() if name == "lnd_payments_node_state"}
    assert states == {other.value: float(other is state) for other in NodeState}
    assert total(page, "lnd_payments_node_up") == float(state is NodeState.READY)


def test_peer_without_htlcs_keeps_its_gauges() -> None:
    """At 0; so does `other`."""
    tracker, ledger = Tracker(), Ledger(max_peers=1)
    for number, peer in enumerate((scene.NEAR, scene.FAR), start=1):
        done = scene.attempt(number, 10, 11, labels.AttemptStatus.SETTLED, peer=peer)
        ended = scene.payment(number, 10, labels.Status.SUCCEEDED, done)
        ledger.apply(tracker.update(ended, labels.Source.STREAM, scene.at(11)))
    page = series(text([capture_view("lnd", tracker, ledger, NodeStatus(), scene.at(12))]))
    in_flight = {
        dict(have)["peer"]: v for (name, have), v in page.items() if name == "lnd_payments_peer_in_flight_htlcs"
    }
    assert in_flight == {scene.NEAR: 0, "other": 0}


def test_large_sums_are_exact() -> None:
    """The largest sum of msat that a float holds exactly, and msat times milliseconds beyond 64 bits."""
    view = scene.untouched()
    view.counters[totals.Counter.SENT]["invoice", "10m_sat_and_over"] = 9_007_199_254_740_991
    view.counters[totals.Counter.LOCKED_MSAT_MS]["failed",] = 10**24
    page = text([view])
    assert total(series(page), "lnd_payments_sent_msat_total") == 9_007_199_254_740_991
    assert "9.007199254740991e+15" in page
    assert total(series(page), "lnd_payments_htlc_locked_msat_seconds_total") == 10**21


def test_buckets_are_cumulative_and_in_the_unit_of_the_name() -> None:
    """Edges are formatted as Go does it."""
    view = scene.untouched()
    for value_ns in (100_000_000, 100_000_001, 86_400_000_000_000, 86_400_000_000_001):
        view.histograms[totals.HistogramName.DURATION]["payment", "failed"].observe(value_ns)
    lines = [
        line.replace('node="lnd",outcome="failed",purpose="payment"', "...")
        for line in text([view]).splitlines()
        if line.startswith("lnd_payments_duration_seconds") and 'outcome="failed",purpose="payment"' in line
    ]
    edges = ("0.25", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "300.0", "1800.0", "10800.0")
    name = "lnd_payments_duration_seconds"
    assert lines == [
        f'{name}_bucket{{le="0.1",...}} 1.0',
        *(f'{name}_bucket{{le="{edge}",...}} 2.0' for edge in edges),
        f'{name}_bucket{{le="86400.0",...}} 3.0',
        f'{name}_bucket{{le="+Inf",...}} 4.0',
        f"{name}_count{{...}} 4.0",
        f"{name}_sum{{...}} 172800.200000002",
    ]


def test_node_stays_below_the_series_budget() -> None:
    """At most 2,500 series, even with 50 peers, each used for everything, and every failure code."""
    largest = _with_every_code(_with_peers(_with_every_gauge(scene.untouched()), 50))
    assert _number(scene.untouched()) < _number(largest) <= BUDGET


def test_bound_of_what_can_be_counted_at_all() -> None:
    """Every series that the code can make, together: no node has payments of every kind, amount and reason."""
    largest = _with_every_code(_with_peers(_with_every_gauge(scene.untouched()), 50))
    everything = {
        totals.Counter.FAILED: product(labels.Kind, labels.AmountBand, labels.Reason),
        totals.Counter.FAILED_MSAT: product(labels.Kind, labels.Reason),
        totals.Counter.FAILED_BY_CAUSE: product(labels.Purpose, labels.Cause, labels.AmountBand),
        totals.Counter.FAILED_MADE_GOOD: product(labels.REPAYABLE, labels.AmountBand, labels.Reason),
        totals.Counter.NO_ROUTE_CHECKS: product(labels.RouteCheck),
    }
    for counter, combinations in everything.items():
        largest.counters[counter] |= dict.fromkeys(combinations, 1)
    runs = largest.histograms[totals.HistogramName.RUNS]
    runs |= {(purpose,): next(iter(runs.values())) for purpose in labels.Purpose}
    assert _number(largest) <= BOUND


def _number(view: View) -> int:
    """Return the number of series of a node."""
    return sum(not name.startswith("lnd_payments_exporter_") for name, _ in series(text([view])))


def _gauges(view: View) -> dict[str, float]:
    """Return the gauges of a node that have a series, summed over their labels."""
    gauges = {row.name for row in ROWS if isinstance(row, GaugeRow)}
    page: Series = series(text([view]))
    return {name: total(page, name) for name, _ in page if name in gauges}


def _with_peers(view: View, count: int) -> View:
    peers = [f"02{number:064x}" for number in range(count)]
    more = {
        totals.Counter.PEER_ATTEMPTS: labels.PeerOutcome,
        totals.Counter.PEER_FEES_BY_PURPOSE: labels.Purpose,
        totals.Counter.PEER_OUTSTANDING_MS: labels.Outcome,
    }
    for counter in PEER_COUNTERS:
        for peer in [*peers, "other", "former"]:
            view.counters[counter] |= {
                (peer, *word): 1 for word in ([[word] for word in more.get(counter, ())] or [[]])
            }
    status = replace(view.status, channels=Channels(0, {peer: f"alias of {peer}" for peer in peers}))
    channels = {peer: PeerChannels(1, 1) for peer in [*peers, "other"]}
    in_flight = dict.fromkeys([*peers, "other"], (1, 1))
    return replace(view, peers_in_flight=in_flight, peer_channels=channels, status=status)


def _with_every_gauge(view: View) -> View:
    """Return a node that is followed, with a value for everything that is absent without one."""
    held = dict.fromkeys(labels.BlocksLeft, (1, 1))
    in_flight = replace(view.in_flight, held=held, oldest_us=1, earliest_expiry_height=1)
    return replace(view, status=scene.STATUS, in_flight=in_flight, ghosts=(0, 0), last_update_ns=1)


def _with_every_code(view: View) -> View:
    for purpose, code, source in product(labels.Purpose, labels.Code, labels.FailureSource):
        if source is not labels.FailureSource.UNKNOWN or code in CODES_WITHOUT_SOURCE:
            view.counters[totals.Counter.ATTEMPTS_FAILED][purpose, code, source] = 1
    return view


def _masked(page: str) -> str:
    """Return the page without values that differ between machines and runs."""
    page = re.sub(r"^(process_\w+) .*$", r"\1 MASKED", page, flags=re.MULTILINE)
    return re.sub(r"^(lnd_payments_exporter_build_info){.*}", r"\1{MASKED}", page, flags=re.MULTILINE)
