"""The metrics table: what was found out about payments without a route."""

from exporter.metrics.row import CounterRow, Row
from exporter.payments.labels import RouteCheck
from exporter.payments.totals import Counter

CHECKS: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_no_route_checks_total",
        {"verdict": RouteCheck},
        Counter.NO_ROUTE_CHECKS,
        "Failed payments without HTLC attempts about which lnd was asked, by sample, why (DecodePayReq, QueryRoutes).",
    ),
)
