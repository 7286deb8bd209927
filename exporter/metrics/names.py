"""The table of all metrics, in the order of the page."""

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
