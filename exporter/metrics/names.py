"""The table of all metrics in page order, and those that are absent for some nodes or that an operator leaves out."""

from collections.abc import Collection
from dataclasses import replace

from exporter.metrics import counters, destination_counters, gauges, peer_counters, peer_gauges
from exporter.metrics.groups import Group, labels_of, metrics_of
from exporter.metrics.row import CounterRow, ExporterRow, NodeRow, Row

ROWS: tuple[Row, ...] = (
    *counters.PAYMENTS,
    *counters.ATTEMPTS,
    *gauges.IN_FLIGHT,
    *peer_counters.PEERS,
    *peer_gauges.PEERS,
    *destination_counters.DESTINATIONS,
    *gauges.NODE,
    *counters.STREAM,
    *gauges.EXPORTER,
)
NODE_ROWS: tuple[NodeRow, ...] = tuple(row for row in ROWS if not isinstance(row, ExporterRow))
EXPORTER_ROWS = tuple(row for row in ROWS if isinstance(row, ExporterRow))
"""The metrics of the exporter itself; the others are those of its nodes."""

NOT_IN_FINAL_MODE = frozenset(
    {
        "lnd_payments_status_transitions_total",
        "lnd_payments_first_attempt_seconds",
        "lnd_payments_in_flight_msat",
        "lnd_payments_in_flight_given_up",
        "lnd_payments_in_flight_given_up_msat",
        "lnd_payments_in_flight_oldest_timestamp_seconds",
        "lnd_payments_in_flight_htlcs",
        "lnd_payments_in_flight_htlcs_msat",
        "lnd_payments_peer_in_flight_htlcs",
        "lnd_payments_peer_in_flight_msat",
        "lnd_payments_update_delay_seconds",
    }
)
"""Metrics that are absent for a node in `Mode.FINAL`, because 0 would be wrong.

In this mode unfinished payments are seen only once a minute. Payments in flight for long are measured nevertheless.
"""


def node_rows(without: Collection[Group] = ()) -> tuple[NodeRow, ...]:
    """Return the metrics of the nodes that a page shows without these groups of series, in page order."""
    metrics, labels = metrics_of(without), labels_of(without)
    return tuple(_summed(row, labels) for row in NODE_ROWS if row.name not in metrics)


def _summed(row: NodeRow, labels: frozenset[str]) -> NodeRow:
    """Return the metric without these labels, of those that it has."""
    own = labels & row.labels.keys()
    return replace(row, summed=own) if own and isinstance(row, CounterRow) else row
