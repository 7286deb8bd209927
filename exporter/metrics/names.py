"""The table of all metrics, in the order of the page, and which of them some nodes don't tell."""

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

NOT_FINAL = frozenset(
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
"""Not measured where payments are seen once a minute until they end (`Mode.FINAL`): absent, for 0 would be a lie.

What has been in flight for long is measured there all the same.
"""
