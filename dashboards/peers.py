"""The panels on direct peers: who fails HTLCs, what peers cost, what they hold; and on locked liquidity.

The metrics have no label `purpose`. Series of a peer begin with its first HTLC attempt.
"""

from dashboards.graphs import bars
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, Query, Text
from dashboards.presence import READY
from dashboards.query import BLAMED, BLAMED_LEAST, BLAMED_WINDOW, NODE, SAT, increase, m, rate, total
from dashboards.tables import Column, grid
from dashboards.words import OUTCOMES
from deploy.prometheus.rule import exactly
from exporter.payments.labels import PeerChannelState, PeerOutcome

_HAS_PLACE = 'peer!="former"'
"""Counts that moved to `former` are from an earlier time."""
_NONE = "no HTLC attempts yet, or no metrics by peer (--metrics.without=peers, --metrics.max-peers=0)"
_UNKNOWN = "not known"
"""The text of a number that needs ListChannels, or a node that answers."""
_NAMES = [Column("alias", "Peer", "string"), Column("peer", "Key", "string", width=110)]


def peers(here: Grid) -> None:
    """Add the panels on direct peers and locked liquidity, of all purposes, to the second dashboard."""
    here.row("4. Through which peer, and at what cost? All purposes, whatever is chosen above")
    _fails(here)
    _costs(here)
    _locked(here)


def _grown(metric: str, *matchers: str) -> str:
    return total(increase(metric, _HAS_PLACE, *matchers), "peer")


def _grown_from_nothing(metric: str, *matchers: str) -> str:
    """Return the growth of a counter whose series begins when it counts something, so `increase` misses the first.

    If the peer had series at the beginning of the time shown, but not this one, all that it has was counted since.
    """
    counter, then = m(metric, _HAS_PLACE, *matchers), "offset $__range"
    begun = (
        f"{counter} unless {counter} {then} and on ({', '.join((*NODE, 'peer'))}) {m('peer_sent_msat_total')} {then}"
    )
    return total(f"({begun}) or {increase(metric, _HAS_PLACE, *matchers)}", "peer")


def _now(metric: str, *matchers: str) -> str:
    """Return a gauge that comes from ListChannels, of nodes that answer; the last answers of others look healthy."""
    return total(f"{m(metric, *matchers)} {READY}", "peer")


def _fails(here: Grid) -> None:
    attempts, at_fault = "peer_htlc_attempts_total", 'outcome=~"failed_here|failed_at_peer"'

    def lately(*matchers: str) -> str:
        return total(increase(attempts, 'peer!~"other|former"', *matchers, window=BLAMED_WINDOW), *NODE, "peer")

    everything = _grown(attempts)
    reached = _grown(attempts, f'outcome!="{PeerOutcome.FAILED_HERE}"')
    blamed = f"max by (peer) ({lately(at_fault)} / ({lately()} >= {BLAMED_LEAST}))"
    takes = f"{_grown('peer_htlc_outstanding_seconds_total')} / ({reached} > 0)"
    known = (
        blamed,
        takes,
        *(_now("peer_channels", exactly("state", state)) for state in PeerChannelState),
        f"{_now('peer_spendable_msat')} / {SAT}",
    )
    here.add(
        grid(
            Text(
                "Direct peers",
                "HTLC attempts within the time shown by first hop. Blamed: the share that failed in our channel with "
                f"the peer or at it, as the alert sees it; good: below {BLAMED:.0%}. few: fewer than {BLAMED_LEAST}. "
                "Takes: seconds per attempt, nodes behind it included. `lnd-payments-exporter ended --failed "
                "--peer=ALIAS` lists payments.",
                "short",
            ),
            [
                Query(total(m("peer_info"), "peer", "alias")),
                Query(everything),
                *(Query(_grown(attempts, exactly("outcome", outcome))) for outcome in PeerOutcome),
                *(Query(f"{expr} or NaN * {everything}") for expr in known),
            ],
            [
                *_NAMES,
                Column("Value #B", "Attempts", "locale", decimals=0, width=90),
                Column("Value #C", "Settled", "locale", decimals=0, width=85),
                Column("Value #D", "Failed here", "locale", decimals=0, width=105),
                Column("Value #E", "Failed at peer", "locale", decimals=0, width=115),
                Column("Value #F", "Failed beyond", "locale", decimals=0, width=120),
                Column(
                    "Value #G",
                    "Blamed, 30 min",
                    "percentunit",
                    ((None, GREEN), (BLAMED, RED)),
                    0,
                    width=125,
                    empty="few",
                ),
                Column("Value #H", "Takes", "s", decimals=1, empty="-", width=75),
                Column("Value #I", "Active channels", "short", decimals=0, width=130, empty=_UNKNOWN),
                Column("Value #J", "Inactive", "short", ((None, GREEN), (1, ORANGE)), 0, empty=_UNKNOWN, width=85),
                Column("Value #K", "Spendable, sat", "locale", decimals=0, width=130, empty=_UNKNOWN),
            ],
            "peer",
            sort="Attempts",
            empty=_NONE,
        ),
        24,
        10,
    )


def _costs(here: Grid) -> None:
    everything = _grown("peer_htlc_attempts_total")
    sent = _grown("peer_sent_msat_total")
    fees, of_rebalances = (_grown(f"peer_{what}_msat_total") for what in ("fees", "rebalance_fees"))
    of_payments = f"{fees} - ({of_rebalances} or 0 * {fees})"
    back, cost = (_grown_from_nothing(f"peer_rebalanced_in_{what}_total") for what in ("msat", "fees_msat"))
    counted = [sent, of_payments, of_rebalances, back, cost]
    known = [_now("peer_spendable_msat"), _now("peer_receivable_msat")]
    here.add(
        grid(
            Text(
                "Direct peers: cost and balance",
                "Within the time shown: sent and fees by first hop; rebalances by the peer through which they came "
                "back; their fees are also those of a first hop. Spendable, receivable: now, in active channels; not "
                "known: needs ListChannels, and a node that answers. Good: balance on both sides.",
                "locale",
            ),
            [
                Query(total(m("peer_info"), "peer", "alias")),
                *(Query(f"({expr} or 0 * {everything}) / {SAT}") for expr in counted),
                *(Query(f"{expr} / {SAT} or NaN * {everything}") for expr in known),
            ],
            [
                *_NAMES,
                Column("Value #B", "Sent, sat", "locale", decimals=0),
                Column("Value #C", "Fees of payments", "locale", decimals=0),
                Column("Value #D", "Fees of rebalances", "locale", decimals=0),
                Column("Value #E", "Rebalanced in, sat", "locale", decimals=0),
                Column("Value #F", "Fees of that", "locale", decimals=0),
                Column("Value #G", "Spendable, sat", "locale", decimals=0, empty=_UNKNOWN),
                Column("Value #H", "Receivable, sat", "locale", decimals=0, empty=_UNKNOWN),
            ],
            "peer",
            sort="Sent, sat",
            empty=_NONE,
        ),
        24,
        10,
    )


def _locked(here: Grid) -> None:
    locked = f"{total(rate('htlc_locked_msat_seconds_total'), 'outcome')} / {SAT}"
    here.add(
        bars(
            Text(
                "Liquidity locked, sat at any moment",
                "Average amount that HTLCs kept locked, by how they ended: what failures cost in liquidity. Good: "
                "failed is the small part.",
                "locale",
            ),
            [Query(locked, "{{outcome}}")],
            colors=OUTCOMES,
        ),
        24,
    )


def held_by(here: Grid) -> None:
    """Add the panel on HTLCs by peer to the third dashboard."""
    here.row("Through which peer?")
    outstanding = total(m("peer_in_flight_htlcs"), "peer")
    used = (
        f"max by (peer) ({m('peer_offered_ratio')} {READY})",
        f"{_now('peer_spendable_msat')} / {SAT}",
    )
    full = ((None, GREEN), (0.5, ORANGE), (0.9, RED))
    here.add(
        grid(
            Text(
                "HTLCs outstanding by peer",
                "Own HTLCs; then the share of what the peer accepts, in number or in amount, that its channels hold, "
                "forwarded ones too, up to five minutes old. Good: far below 100%; near it new payments can't go that "
                "way. `lnd-payments-exporter open` lists the payments. not known: needs ListChannels, and a node that "
                "answers.",
                "short",
            ),
            [
                Query(total(m("peer_info"), "peer", "alias")),
                Query(outstanding),
                Query(f"{total(m('peer_in_flight_msat'), 'peer')} / {SAT}"),
                *(Query(f"{expr} or NaN * {outstanding}") for expr in used),
            ],
            [
                *_NAMES,
                Column("Value #B", "HTLCs", "short", decimals=0),
                Column("Value #C", "Locked, sat", "locale", decimals=0),
                Column("Value #D", "Of what it accepts", "percentunit", full, 1, empty=_UNKNOWN),
                Column("Value #E", "Spendable, sat", "locale", decimals=0, empty=_UNKNOWN),
            ],
            "peer",
            sort="HTLCs",
            empty=f"the exporter is away, or {_NONE}",
        ),
        24,
        10,
    )
