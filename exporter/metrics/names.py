"""The table of all metrics in page order, and those that are absent for some nodes."""

from exporter.metrics import counters, gauges
from exporter.metrics.row import Row

ROWS: tuple[Row, ...] = (
    *counters.PAYMENTS,
    *counters.ATTEMPTS,
    *gauges.IN_FLIGHT,
    *counters.PEERS,
    *gauges.PEERS,
    *gauges.NODE,
    *counters.STREAM,
    *gauges.EXPORTER,
)

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
