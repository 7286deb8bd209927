"""Recorded series and alerts on a node's balance: how long it lasts, and how much of it is with offline peers."""

from exporter.payments.labels import ChannelState, PeerChannelState
from exporter.rules.recording import SENT
from exporter.rules.rule import (
    NODE,
    PER_NODE,
    SHARE,
    Alert,
    Recording,
    Selector,
    exactly,
    found,
    here,
    ratio,
    unless_down,
    value_of,
)
from exporter.rules.thresholds import Ahead, ShareForLong
from exporter.rules.values import Values

BALANCE = "instance_node:lnd_payments_balance_msat:sum"
"""Local balance of all channels less their reserves, whether their peers are online or not."""
RUNWAY = "instance_node:lnd_payments_spendable_runway_hours:min"
"""Hours until nothing is spendable, if the balance goes on falling as it does; `LONGEST_H` if it doesn't fall."""
LONGEST_H = 720
"""30 days: a longer runway says nothing."""
INACTIVE_SHARE = "instance_node:lnd_payments_inactive_msat:ratio"
"""The share of the balance that is in channels whose peers are offline."""
_TRENDS = ("6h", "1d")
_DAY_H, _WEEK_H = 24, 168


def usual_outflow(values: Values) -> str:
    """Return the name of the recorded amount that is usually sent within the hours to come."""
    return f"instance_node:lnd_payments_sent_msat:usual{values.alerts.liquidity_runs_out.hours}h"


def balances(s: Selector, values: Values) -> list[Recording]:
    """Return the recordings; a balance changes every five minutes at most, so they are evaluated seldom.

    The trend is that of the balance of all channels: neither a peer that goes offline nor a rebalance changes it, and
    what is received raises it. The steeper of two trends counts: a day for an outflow that comes at some hours only,
    six hours for one that has just begun, or goes on after the balance was filled up. Both are regressions over all
    samples, so that no single payment decides; and the balance must have been known six hours ago.

    What is usually sent within the hours to come is what was sent in the same hours of a week ago, or in those of each
    of the last two days, if that is more: the day after a single large payment it isn't usual.
    """
    hours = values.alerts.liquidity_runs_out.hours
    trends = " or ".join(f'label_replace(deriv({s(BALANCE)}[{span}]), "span", "{span}", "", "")' for span in _TRENDS)
    falls = f"-3600 * (min without (span) ({trends}) and last_over_time({s(BALANCE)}[1h] offset 5h))"
    spendable, inactive = s("node_spendable_msat"), s("node_inactive_msat")
    yesterday, day_before, week_ago = (
        f"increase({s(SENT)}[{hours}h] offset {before - hours}h)" for before in (_DAY_H, 2 * _DAY_H, _WEEK_H)
    )
    twice = f"({yesterday} <= {day_before} or {day_before} < {yesterday})"
    coming = f"""
    label_replace({twice}, "before", "day", "", "") or label_replace({week_ago}, "before", "week", "", "")
    """
    return [
        Recording(BALANCE, f"{spendable} + {inactive}"),
        Recording(RUNWAY, f"clamp_max({spendable} / clamp_min({falls}, 1), {LONGEST_H})"),
        Recording(usual_outflow(values), f"max without (before) ({coming})"),
        Recording(INACTIVE_SHARE, f"{inactive} / ({spendable} + {inactive} > 0)"),
    ]


def liquidity(s: Selector, values: Values) -> list[Alert]:
    """Return the alerts; a node that is down has its last balances on the page, so it fires none of them."""
    given = values.alerts
    return [_runs_out(s, values, given.liquidity_runs_out), _inactive(s, given.balance_inactive)]


def _runs_out(s: Selector, values: Values, given: Ahead) -> Alert:
    """Return the alert on balance that runs out: it falls, and what is left is less than what is usually sent.

    Either alone would be wrong. A balance that falls by day rises at night, and so does that of a node that forwards;
    and a node that receives as much as it sends always has less than it will send. A single huge payment is a steep
    trend, but not usual at this time.
    """
    outflow = usual_outflow(values)
    sat = value_of(f"{here('lnd_payments_node_spendable_msat')} / 1000")
    return Alert(
        "LiquidityRunsOut",
        given.severity,
        f"""
        {s(RUNWAY)} < {given.hours}
        and {PER_NODE} {s("node_spendable_msat")} < {s(outflow)}
        {unless_down(s)}
        """,
        f'{NODE}: spendable balance lasts for {{{{ $value | printf "%.1f" }}}} h',
        f"""{sat} sat are spendable, and the balance is falling. Within the next {given.hours} hours
        {value_of(f"{here(outflow)} / 1000")} sat are usually sent. Then payments fail: receive, swap in, open channels,
        or send less. A rebalance only moves balance between channels.""",
        "node",
        for_="15m",
        keep_firing_for="1h",
    )


def _inactive(s: Selector, given: ShareForLong) -> Alert:
    """Return the alert on balance with offline peers; if all of them are, `NoActiveChannel` says so."""
    offline = f"{here('lnd_payments_peer_channels', exactly('state', PeerChannelState.INACTIVE))} > 0"
    had = f"max_over_time({here('lnd_payments_peer_spendable_msat')}[1d]) and on (peer) {offline}"
    most = f"topk(3, {had})"
    alias = f"topk by (peer) (1, {here('lnd_payments_peer_info')})"  # two for minutes, if Prometheus missed its change
    named = f"{most} * on (peer) group_left (alias) {alias} or on (peer) {most}"
    name = '{{ label "alias" . }} ({{ label "peer" . }})'
    peers = f"{found(named, 'range')} {name}{{{{ else }}}} not known{{{{ end }}}}"
    return Alert(
        "BalanceInactive",
        given.severity,
        f"""
        {s(INACTIVE_SHARE)} > {ratio(given.percent)}
        and {PER_NODE} {s("node_channels", exactly("state", ChannelState.ACTIVE))} > 0
        {unless_down(s)}
        """,
        f"{NODE}: {SHARE} of the balance is with peers that are offline",
        f"""{value_of(f"{here('lnd_payments_node_inactive_msat')} / 1000")} sat are in inactive channels and can't be
        sent, {value_of(f"{here('lnd_payments_node_spendable_msat')} / 1000")} sat are in active ones. The offline peers
        with most to spend since yesterday:{peers}. Reconnect them.""",
        "node",
        for_=f"{given.minutes}m",
        keep_firing_for="5m",
    )
