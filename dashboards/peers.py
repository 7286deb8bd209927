"""The panels on direct peers: who fails HTLCs, what peers cost, what they hold; and on locked liquidity.

The metrics have no label `purpose`. Series of a peer begin with its first HTLC attempt.
"""

from dashboards.graphs import bars, lines, spread
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, SATS, Query, Text
from dashboards.presence import READY
from dashboards.query import BLAMED, BLAMED_LEAST, NO_RULES, NODE, SAT, increase, m, rate, total
from dashboards.tables import Column, command, grid
from dashboards.words import OUTCOMES
from exporter.payments.labels import PeerChannelState, PeerOutcome, Purpose
from exporter.rules.boards import (
    FEE_PPM,
    PEER_ALIAS,
    PEER_ATTEMPTS,
    PEER_FEES,
    PEER_OUTSTANDING,
    PEER_REBALANCE_FEES,
    PEER_SENT,
)
from exporter.rules.peers import PEER_BLAMED_SHARE
from exporter.rules.rule import exactly

_HAS_PLACE = 'peer!="former"'
"""Counts that moved to `former` are from an earlier time."""
_NONE = "no HTLC attempts, or no metrics by peer (--metrics.without=peers, --metrics.max-peers=0)"
_UNKNOWN = "not known"
"""The text of a number that needs ListChannels, or a node that answers."""
_NAMES = [
    Column("alias", "Peer", "string"),
    Column("peer", "Key", "string", width=110, copied=True),
]
_EACH = total(m("peer_sent_msat_total", _HAS_PLACE), "peer")
"""A value for each peer, which costs little; times 0 or NaN it stands for missing numbers."""
_REACHED = f'outcome!="{PeerOutcome.FAILED_HERE}"'
"""Matcher for attempts that reached the peer."""
_MOST = 8


def peers(here: Grid) -> None:
    """Add the panels on direct peers, fees and locked liquidity, of all purposes, to the second dashboard."""
    here.row("4. Through which peer, and at what cost? All purposes, whatever is chosen above")
    _fails(here)
    _costs(here)
    _takes(here)
    _fee_rate(here)
    _locked(here)


def _aliases(info: str = m("peer_info"), each: str = _EACH) -> str:
    """Return one alias for each peer; the beginning of its key stands for one that isn't known."""
    key = f'label_replace({each}, "alias", "$1", "peer", "(.{{0,8}}).*")'
    return f"topk by (peer) (1, {total(info, 'peer', 'alias')}) or on (peer) {key}"


def _aliases_of_the_range(at: str = "") -> str:
    """Return the same for all peers of the time shown, also where the exporter is away now."""
    each = total(f"last_over_time({m(PEER_SENT.record, _HAS_PLACE)}[$__range]{at})", "peer")
    known = f"last_over_time({m(PEER_ALIAS.record)}[$__range]{at})"
    return _aliases(f"(2 * {m('peer_info')}{at} or {known})", each)  # 2: the present alias, if it has changed


def _grown_from_nothing(metric: str) -> str:
    """Return the growth of a counter whose series begins when it counts something, so `increase` misses the first.

    If the peer had series at the beginning of the time shown, but not this one, all that it has was counted since.
    """
    counter, then = m(metric, _HAS_PLACE), "offset $__range"
    begun = (
        f"{counter} unless {counter} {then} and on ({', '.join((*NODE, 'peer'))}) {m('peer_sent_msat_total')} {then}"
    )
    return total(f"({begun}) or {increase(metric, _HAS_PLACE)}", "peer")


def _now(metric: str, *matchers: str) -> str:
    """Return a gauge that comes from ListChannels, of nodes that answer; the last answers of others look healthy."""
    return total(f"{m(metric, *matchers)} {READY}", "peer")


def _fails(here: Grid) -> None:
    listed = command(_aliases_of_the_range(), "peer", "lnd-payments-exporter ended --failed --peer=$1 --since=$__range")
    reached = total(increase(PEER_ATTEMPTS.record, _HAS_PLACE, _REACHED), "peer")
    by_outcome = (
        total(increase(PEER_ATTEMPTS.record, _HAS_PLACE, exactly("outcome", outcome)), "peer")
        for outcome in PeerOutcome
    )
    known = (
        f"max by (peer) ({m(PEER_BLAMED_SHARE)})",
        f"{total(increase(PEER_OUTSTANDING.record, _HAS_PLACE), 'peer')} / ({reached} > 0)",
        *(_now("peer_channels", exactly("state", state)) for state in PeerChannelState),
        f"{_now('peer_spendable_msat')} / {SAT}",
    )
    here.add(
        grid(
            Text(
                "Direct peers",
                "HTLC attempts within the time shown by first hop. Failed in our channel with it (balance, offline); "
                "at the peer; behind it, which isn't its fault. In channel or at peer: their share of 30 minutes, as "
                f"the alert PeerFails sees it; good: below {BLAMED:.0%}; few: fewer than {BLAMED_LEAST // 2}. Takes: "
                "seconds per attempt, nodes behind it included.",
                "short",
                "runbooks/LndPaymentsPeerFails.md",
            ),
            [
                Query(listed),
                *map(Query, by_outcome),
                *(Query(f"{expr} or NaN * {_EACH}") for expr in known),
            ],
            [
                *_NAMES,
                Column("Sum", "Attempts", "locale", decimals=0, width=85),
                Column("Value #B", "Settled", "locale", decimals=0, width=75),
                Column("Value #C", "Failed in our channel", "locale", decimals=0, width=155),
                Column("Value #D", "At the peer", "locale", decimals=0, width=95),
                Column("Value #E", "Behind it", "locale", decimals=0, width=85),
                Column(
                    "Value #F",
                    "In channel or at peer, 30 min",
                    "percentunit",
                    ((None, GREEN), (BLAMED, RED)),
                    0,
                    width=205,
                    empty="few",
                ),
                Column("Value #G", "Takes", "s", decimals=1, empty="-", width=70),
                Column("Value #H", "Active", "short", decimals=0, width=75, empty=_UNKNOWN),
                Column("Value #I", "Inactive", "short", ((None, GREEN), (1, ORANGE)), 0, empty=_UNKNOWN, width=80),
                Column("Value #J", "Spendable", SATS, width=120, empty=_UNKNOWN),
                Column("command", "Which payments?", "string", width=170, copied=True),
            ],
            "peer",
            sort="Attempts",
            empty=f"{_NONE}, {NO_RULES}",
            only=("Sum",),
            summed=[f"Value #{letter}" for letter in "BCDE"],
        ),
        24,
        10,
    )


def _costs(here: Grid) -> None:
    sent, fees, of_rebalances = (
        total(increase(each.record, _HAS_PLACE), "peer") for each in (PEER_SENT, PEER_FEES, PEER_REBALANCE_FEES)
    )
    of_payments = f"{fees} - ({of_rebalances} or 0 * {_EACH})"
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
                "short",
            ),
            [
                Query(_aliases_of_the_range()),
                *(Query(f"({expr} or 0 * {_EACH}) / {SAT}") for expr in counted),
                *(Query(f"{expr} / {SAT} or NaN * {_EACH}") for expr in known),
            ],
            [
                *_NAMES,
                Column("Value #B", "Sent", SATS),
                Column("Value #C", "Fees of payments", SATS),
                Column("Value #D", "Fees of rebalances", SATS),
                Column("Value #E", "Rebalanced in", SATS),
                Column("Value #F", "Fees of that", SATS),
                Column("Value #G", "Spendable", SATS, empty=_UNKNOWN),
                Column("Value #H", "Receivable", SATS, empty=_UNKNOWN),
            ],
            "peer",
            sort="Sent",
            empty=f"{_NONE}, {NO_RULES}",
            only=("Value #B", "Value #E"),
        ),
        24,
        10,
    )


def _takes(here: Grid) -> None:
    slowest = f"topk({_MOST}, sum by (peer) (increase({m(PEER_OUTSTANDING.record, _HAS_PLACE)}[$__range] @ end())))"
    attempts = total(increase(PEER_ATTEMPTS.record, _HAS_PLACE, _REACHED, window="1h"), "peer")
    named = f"(0 * ({_aliases_of_the_range(' @ end()')}) + 1)"
    takes = f"{total(increase(PEER_OUTSTANDING.record, _HAS_PLACE, window='1h'), 'peer')} / ({attempts} > 0)"
    here.add(
        lines(
            Text(
                "How long HTLC attempts take, by peer",
                f"Average of an hour, of the {_MOST} peers at which attempts took the most time in all; nodes behind "
                "them and hold invoices included. Good: a few seconds. One line that rises alone is that peer's.",
                "s",
            ),
            [Query(f"({takes} and on (peer) {slowest}) * on (peer) group_left (alias) {named}", "{{alias}}")],
            empty=f"{_NONE}, {NO_RULES}",
            every="15m",
        ),
        12,
    )


def _fee_rate(here: Grid) -> None:
    here.add(
        spread(
            Text(
                "Fee rate of payments, ppm",
                "Fees of each payment that succeeded, in millionths of its amount, without rebalances and probes; the "
                "more it stands out, the more payments. 1000 ppm is 0.1 %. Good: as your limits say.",
                "locale",
            ),
            f"sum by (le) ({rate(FEE_PPM.record, exactly('purpose', Purpose.PAYMENT))})",
            empty=f"nothing paid, or --metrics.without=fee-histograms, {NO_RULES}",
        ),
        12,
    )


def _locked(here: Grid) -> None:
    locked = f"{total(rate('htlc_locked_msat_seconds_total'), 'outcome')} / {SAT}"
    here.add(
        bars(
            Text(
                "Liquidity locked, sat at any moment",
                "Average amount that HTLCs kept locked, by how they ended: what failures cost in liquidity. Good: "
                "failed is the small part.",
                SATS,
            ),
            [Query(locked, "{{outcome}}")],
            colors=OUTCOMES,
        ),
        24,
        7,
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
                "Own HTLCs; then the share of what the peer has agreed to accept, in number or in amount, that its "
                "channels hold, forwarded ones too, up to five minutes old. Good: far below 100%; near it new "
                "payments can't go that way. `lnd-payments-exporter open` lists the payments with their first hop.",
                "short",
            ),
            [
                Query(_aliases()),
                Query(outstanding),
                Query(f"{total(m('peer_in_flight_msat'), 'peer')} / {SAT}"),
                *(Query(f"{expr} or NaN * {outstanding}") for expr in used),
            ],
            [
                *_NAMES,
                Column("Value #B", "HTLCs", "short", decimals=0),
                Column("Value #C", "Locked", SATS),
                Column("Value #D", "Of what it accepts", "percentunit", full, 1, empty=_UNKNOWN),
                Column("Value #E", "Spendable", SATS, empty=_UNKNOWN),
            ],
            "peer",
            sort="HTLCs",
            empty=f"nothing is outstanding, the exporter is away, or {_NONE}",
            only=("Value #B", "Value #D"),
        ),
        24,
        8,
    )
