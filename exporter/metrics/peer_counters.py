"""The names, labels and help of the counters by first-hop peer."""

from exporter.metrics.row import CounterRow, Row
from exporter.payments.labels import Outcome, PeerOutcome, Purpose
from exporter.payments.totals import Counter

_MS_PER_S = 1000

PEERS: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_peer_htlc_attempts_total",
        {"peer": None, "outcome": PeerOutcome},
        Counter.PEER_ATTEMPTS,
        "Resolved HTLC attempts by first-hop peer (Hop.pub_key of the first of Route.hops) and by where they ended.",
    ),
    CounterRow(
        "lnd_payments_peer_sent_msat_total",
        {"peer": None},
        Counter.PEER_SENT,
        "Amount delivered by settled HTLC attempts through a peer (Route.total_amt_msat less Route.total_fees_msat).",
    ),
    CounterRow(
        "lnd_payments_peer_fees_msat_total",
        {"peer": None},
        Counter.PEER_FEES,
        "Routing fees of settled HTLC attempts through a peer (Route.total_fees_msat).",
    ),
    CounterRow(
        "lnd_payments_peer_rebalance_fees_msat_total",
        {"peer": None},
        Counter.PEER_FEES_BY_PURPOSE,
        "Routing fees of settled HTLC attempts of rebalances through a peer (Route.total_fees_msat).",
        only=Purpose.REBALANCE,
    ),
    CounterRow(
        "lnd_payments_peer_rebalanced_in_msat_total",
        {"peer": None},
        Counter.PEER_REBALANCED_IN,
        "Amount of settled rebalances that came back through a peer (Hop.pub_key of the last but one of Route.hops).",
    ),
    CounterRow(
        "lnd_payments_peer_rebalanced_in_fees_msat_total",
        {"peer": None},
        Counter.PEER_REBALANCED_IN_FEES,
        "Routing fees of settled rebalances that came back through a peer (Route.total_fees_msat).",
    ),
    CounterRow(
        "lnd_payments_peer_htlc_outstanding_seconds_total",
        {"peer": None, "outcome": Outcome},
        Counter.PEER_OUTSTANDING_MS,
        "Time for which HTLC attempts through a peer were outstanding (HTLCAttempt.attempt_time_ns, resolve_time_ns).",
        unit=_MS_PER_S,
    ),
)
