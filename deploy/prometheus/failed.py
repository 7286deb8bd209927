"""Recorded sums of what failed, by cause, kind and peer, so that windows read a few series and not all of them."""

from deploy.prometheus.rule import Recording, Selector, exactly, one_of
from deploy.prometheus.values import Values
from exporter.payments.labels import PURPOSE, AmountBand, Kind, PeerOutcome, Reason
from exporter.payments.peers import FORMER_PEERS, OTHER_PEERS

NO_BAND = ""
"""The amount band of all payments, if the exporter has `--metrics.without=amounts`: the label is missing then."""
REFUSED = "instance_node:lnd_payments_refused_total:sum"
PROBES_FAILED = "instance_node:lnd_payments_failed_probes_total:sum"
REBALANCES_FAILED = "instance_node:lnd_payments_failed_rebalances_total:sum"
SMALL = (NO_BAND, AmountBand.UNDER_1K, AmountBand.UNDER_10K, AmountBand.UNDER_100K)
"""Amounts for which a node should have enough balance: below 100k sat."""
SMALL_FAILED = "instance_node_cause:lnd_payments_failed_small_total:sum"
"""Failed payments of these amounts."""
PEER_ATTEMPTS = "instance_node_peer:lnd_payments_peer_htlc_attempts_total:sum"
PEER_BLAMED = "instance_node_peer:lnd_payments_peer_htlc_attempts_blamed_total:sum"
"""Those that failed in the channel with the peer, or at the peer itself."""
PEER_BLAMED_SHARE = "instance_node_peer:lnd_payments_peer_htlc_attempts_blamed:ratio30m"
"""Their share; of peers with enough attempts for `PeerFails`."""


def sums(s: Selector, values: Values) -> list[Recording]:
    """Return the recordings."""
    counted = one_of("kind", values.counted_kinds)
    small = (
        one_of("purpose", sorted({PURPOSE[kind] for kind in values.counted_kinds})),
        one_of("amount_band", SMALL),
    )
    failures = {
        REFUSED: (counted, exactly("reason", Reason.INCORRECT_PAYMENT_DETAILS)),
        PROBES_FAILED: (exactly("kind", Kind.PROBE),),
        REBALANCES_FAILED: (exactly("kind", Kind.REBALANCE),),
    }
    enough = values.alerts.peer_fails.at_least
    attempts, known = "peer_htlc_attempts_total", f'peer!~"{OTHER_PEERS}|{FORMER_PEERS}"'
    blamed = one_of("outcome", (PeerOutcome.FAILED_HERE, PeerOutcome.FAILED_AT_PEER))
    return [
        Recording(SMALL_FAILED, f"sum without (purpose, amount_band) ({s('failed_by_cause_total', *small)})"),
        *(
            Recording(name, f"sum without (kind, amount_band, reason) ({s('failed_total', *which)})")
            for name, which in failures.items()
        ),
        Recording(PEER_ATTEMPTS, f"sum without (outcome) ({s(attempts, known)})"),
        Recording(PEER_BLAMED, f"sum without (outcome) ({s(attempts, known, blamed)})"),
        Recording(
            PEER_BLAMED_SHARE,
            f"increase({s(PEER_BLAMED)}[30m]) / (increase({s(PEER_ATTEMPTS)}[30m]) >= {enough})",
        ),
    ]
