"""The groups of series that a page may lack (`--metrics.without`): what each leaves out."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple


class Group(StrEnum):
    """A group of series of every node. They are counted and kept all the same: the page shows them again in full."""

    AMOUNTS = "amounts"
    ATTEMPT_HISTOGRAMS = "attempt-histograms"
    FEE_HISTOGRAMS = "fee-histograms"
    PEERS = "peers"
    DESTINATIONS = "destinations"


class LeftOut(NamedTuple):
    """What a page lacks without a group: metrics, or a label, over which the series are added up then."""

    metrics: frozenset[str] = frozenset()
    label: str = ""
    """Of counters only: a sum of them is a counter again."""


LEFT_OUT: Mapping[Group, LeftOut] = {
    Group.AMOUNTS: LeftOut(label="amount_band"),
    Group.ATTEMPT_HISTOGRAMS: LeftOut(
        frozenset(
            {
                "lnd_payments_htlc_attempts_per_payment",
                "lnd_payments_settled_parts",
                "lnd_payments_htlc_attempt_duration_seconds",
                "lnd_payments_htlc_attempt_hops",
            }
        )
    ),
    Group.FEE_HISTOGRAMS: LeftOut(frozenset({"lnd_payments_fee_msat", "lnd_payments_fee_ppm"})),
    Group.PEERS: LeftOut(
        frozenset(
            {
                "lnd_payments_peer_htlc_attempts_total",
                "lnd_payments_peer_sent_msat_total",
                "lnd_payments_peer_fees_msat_total",
                "lnd_payments_peer_rebalance_fees_msat_total",
                "lnd_payments_peer_rebalanced_in_msat_total",
                "lnd_payments_peer_rebalanced_in_fees_msat_total",
                "lnd_payments_peer_htlc_outstanding_seconds_total",
                "lnd_payments_peer_in_flight_htlcs",
                "lnd_payments_peer_in_flight_msat",
                "lnd_payments_peer_info",
                "lnd_payments_peer_channels",
                "lnd_payments_peer_spendable_msat",
                "lnd_payments_peer_receivable_msat",
                "lnd_payments_peer_offered_ratio",
            }
        )
    ),
    Group.DESTINATIONS: LeftOut(
        frozenset(
            {
                "lnd_payments_destination_ended_total",
                "lnd_payments_destination_sent_msat_total",
                "lnd_payments_destination_fees_msat_total",
                "lnd_payments_destination_duration_seconds",
            }
        )
    ),
}
"""No metric and no label is in two groups."""


def metrics_of(groups: Collection[Group]) -> frozenset[str]:
    """Return the names of the metrics that a page lacks without these groups."""
    return frozenset().union(*(LEFT_OUT[group].metrics for group in groups))


def labels_of(groups: Collection[Group]) -> frozenset[str]:
    """Return the labels that a page lacks without these groups."""
    return frozenset(LEFT_OUT[group].label for group in groups) - {""}
