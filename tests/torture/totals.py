"""Compares the last page with the truth: runs still in lnd's database must be counted exactly, erased ones at most."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from math import inf

from exporter.lnd import decode
from exporter.metrics.counters import ATTEMPTS, PAYMENTS
from exporter.metrics.row import HistogramRow
from exporter.payments.labels import Source, Status
from exporter.payments.payment import Moment, Run
from exporter.payments.totals import EDGES, UNIT, HistogramName
from exporter.simulator.record import Record
from exporter.simulator.server import SimulatedNode
from exporter.simulator.truth import Finished
from tests.follow.oracle import Received, Story, expected, retried_runs
from tests.stories.page import PREFIX, Page, total

Buckets = Tally[tuple[str, str, float]]
"""Number of observations by metric, outcome and upper edge, not cumulative."""
NAMES = {row.shows: row.name.removeprefix(PREFIX) for row in (*PAYMENTS, *ATTEMPTS) if isinstance(row, HistogramRow)}


def differences(page: Page, node: str, lnd: SimulatedNode, deleted: Mapping[Run, Record]) -> str:
    """Return the differences between a page and the truth, empty if there are none.

    A run that lnd has erased may be missing on the page, but must not be counted twice.
    """
    truth = {end.run: end for end in lnd.truth()}
    erased = retried_runs(truth.keys()).union(deleted)
    lost = total(page, node, "lost_total")
    least = _buckets(lnd.database, lnd)
    most = least + _buckets(deleted.values(), lnd)
    of_successes = {key[:2] for key in most}
    shown = Buckets({key: number for key, number in _shown(page, node).items() if key[:2] in of_successes})
    counted = _counted(page, node)
    kept = [end for run, end in truth.items() if run not in erased and end.status.value == "succeeded"]
    gone = [end for run, end in truth.items() if run in erased and end.status.value == "succeeded"]
    found = {
        "too many": +(counted - _ends(truth.values())),
        "too few": +(_ends(truth[run] for run in truth if run not in erased) - counted),
        "lost": lost if lost > len(erased) else 0,
        "in flight": total(page, node, "in_flight"),
        "sent": _beyond(
            total(page, node, "sent_msat_total"), [e.value_msat for e in kept], [e.value_msat for e in gone]
        ),
        "fees": _beyond(total(page, node, "fees_msat_total"), [e.fee_msat for e in kept], [e.fee_msat for e in gone]),
        "buckets with too many": +(shown - most),
        "buckets with too few": +(least - shown),
    }
    return ", ".join(f"{name}: {value}" for name, value in found.items() if value)


def _beyond(shown: float, kept: list[int], gone: list[int]) -> float:
    """Return by how much a sum is below its least or above its greatest possible value."""
    return min(0, shown - sum(kept)) or max(0, shown - sum(kept) - sum(gone))


def _ends(ends: Iterable[Finished]) -> Tally[str]:
    """Count finished runs by status and reason."""
    return Tally(f"{end.status.value} {end.reason.value}" for end in ends)


def _counted(page: Page, node: str) -> Tally[str]:
    """Return the number of finished runs by status and reason, from the page."""
    counted = Tally[str]()
    for series, value in page[node].items():
        if series.name == "failed_total":
            counted[f"failed {dict(series.labels)['reason']}"] += int(value)
        if series.name == "succeeded_late_total":
            counted[f"succeeded {dict(series.labels)['reason']}"] += int(value)
    late = sum(number for end, number in counted.items() if end.startswith("succeeded"))
    counted["succeeded none"] = int(total(page, node, "succeeded_total")) - late
    return counted


def _buckets(records: Iterable[Record], lnd: SimulatedNode) -> Buckets:
    """Return the observations of the successful payments among records, whose settled attempts lnd keeps."""
    stories = []
    for record in records:
        payment = decode.payment(record.message, lnd.world.me.pubkey)
        if payment.status is Status.SUCCEEDED:
            stories.append(Story(payment.run, [Received(payment, Source.LIST, Moment(0, 0))]))
    buckets = Buckets()
    for (name, outcome), (numbers, _) in expected(stories).histograms.items():
        histogram = HistogramName(name)
        edges = (*(edge / UNIT.get(histogram, 1) for edge in EDGES[histogram]), inf)
        buckets.update({(NAMES[histogram], outcome, edge): n for edge, n in zip(edges, numbers, strict=True)})
    return buckets


def _shown(page: Page, node: str) -> Buckets:
    """Return the buckets of a page."""
    buckets = Buckets()
    for series, value in page[node].items():
        labels = dict(series.labels)
        if "le" in labels:
            buckets[series.name.removesuffix("_bucket"), labels.get("outcome", ""), float(labels["le"])] += int(value)
    return buckets
