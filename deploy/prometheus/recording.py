"""Recorded series: payments finished and bad, how fast the error budget burns, how many blocks are left."""

from deploy.prometheus import failed
from deploy.prometheus.failed import NO_BAND
from deploy.prometheus.last_page import HEADER, HEIGHT, KEPT, SEEN, kept, moved, pages, seen_within
from deploy.prometheus.rule import (
    NODES_OF_A_JOB,
    OF_EXPORTER,
    PAGE_A_NODE,
    PER_NODE,
    Group,
    Recording,
    Selector,
    at_exporter,
    exactly,
    one_of,
)
from deploy.prometheus.values import Success, Values
from exporter.payments.labels import Age, AmountBand, Kind, NodeState, Reason, ToStatus
from exporter.payments.node import BLOCK_S, STALE_BLOCK_S

FAST, SLOW = "fast", "slow"
WINDOWS = {"5m": FAST, "1h": FAST, "30m": SLOW, "6h": SLOW, "3d": SLOW}
"""Windows of the burn rate, each with the highest factor that an alert uses for it."""
DAY_S = 86_400
DAYS = "3d"
"""The longest window: `days` records it."""
MOST_BAD = 0.9
"""Upper bound of a factor times a budget; above it not even a total outage could reach the factor."""

UNASKED = (NodeState.UNREACHABLE, NodeState.LOCKED, NodeState.DENIED, NodeState.WRONG_NODE)
"""States in which the exporter can't ask lnd, each with an alert that fires within minutes."""
OF_ANY_AMOUNT = AmountBand.UNDER_100K
"""The band whose target holds for payments of an unknown amount."""

KNOWN = f'reason!~"{Reason.NONE}|{Reason.OTHER}"'
"""Excludes failures without a known reason: they count neither as good nor as bad."""
FINISHED_BY_BAND = "instance_node_amount_band:lnd_payments_finished_total:sum"
BAD_BY_BAND = "instance_node_amount_band:lnd_payments_bad_total:sum"
FINISHED = "instance_node:lnd_payments_finished_total:sum"
BAD = "instance_node:lnd_payments_bad_total:sum"
MADE_GOOD = "instance_node:lnd_payments_made_good_total:sum"
"""Bad payments that a later one of the same hash made good; only recorded if the burn rates leave them out."""
SUCCEEDED = "instance_node:lnd_payments_succeeded_total:sum"
ENDED = "instance_node:lnd_payments_ended_total:sum"
"""Payments that ended, of every kind and reason."""
PENDING = "instance_node:lnd_payments_pending:sum"
"""Payments in flight for 10 minutes to an hour."""
SENT = "instance_node:lnd_payments_sent_msat_total:sum"
SENT_1H = "instance_node:lnd_payments_sent_msat:increase1h"
BACK = "instance_node:lnd_payments_back:bool"
"""1 if a node wasn't followed for five minutes, two minutes ago: payments counted now may have ended long ago."""
RECOVERED = "instance_node:lnd_payments_recovered_total:sum"
LATE = "node:lnd_payments_succeeded_late_total:max"
UNEXPLAINED = "node:lnd_payments_failed_unexplained_total:max"
"""Failures without a known reason."""
GONE = "instance_node:lnd_payments_gone:bool"
"""1 for a node that was on a page and is on none: its exporter is away, or it was removed."""
LISTED = "instance_node:lnd_payments_listed:bool"
"""1 while a node is on a page or its page can't be got; 0 when the exporter that last had it is up without it."""
AWAY = "instance_node:lnd_payments_away:bool"
"""1 for a node whose page can't be got; in both layouts `instance` is the address of its exporter."""
DOWN = "instance_node:lnd_payments_down:bool"
"""1 for a node whose payments nobody watches: its page can't be got, or its exporter can't ask lnd."""
HELD_EXPIRY = "instance_node:lnd_payments_held_earliest_expiry_height:min"
"""Expiry height of the first held HTLC; 0 if none is held; absent while lnd can't be asked."""
LAST_HELD_EXPIRY = "instance_node:lnd_payments_held_earliest_expiry_height:last"
BLOCKS_LEFT = "instance_node:lnd_payments_held_blocks_left:min"


def burn(window: str) -> str:
    """Return the name of the recorded burn rate of a window, of all payments counted in it."""
    return f"instance_node:lnd_payments_burn:ratio{window}"


def live_burn(window: str) -> str:
    """Return the name of the recorded burn rate without missed payments: the lowest possible current value."""
    return f"instance_node:lnd_payments_live_burn:ratio{window}"


def recordings(values: Values) -> Group:
    """Return all recordings. They sum counters before `increase`: those of a node are reset all at once or never."""
    s = Selector(values)
    stream_up, late = s("stream_up"), s("succeeded_late_total")
    unexplained = s("failed_total", one_of("reason", (Reason.NONE, Reason.OTHER)))
    counted = one_of("kind", values.counted_kinds)
    paid = f'kind!="{Kind.REBALANCE}"'
    bad = one_of("reason", values.bad_reasons)
    ended = one_of("to_status", (ToStatus.SUCCEEDED, ToStatus.FAILED))
    return Group(
        "recordings",
        [
            *pages(s),
            # Missed payments come first: during an evaluation it is better to leave out too much than too little.
            Recording(
                BACK,
                f"""
                (
                  1 + 0 * {stream_up}
                  unless max_over_time({stream_up}[5m] offset 2m) == 1
                  and {NODES_OF_A_JOB} last_over_time({s(SEEN)}[{KEPT}] offset 7m)
                ) or 0 * {stream_up}
                """,
            ),
            Recording(RECOVERED, s("recovered_total")),
            Recording(
                FINISHED_BY_BAND,
                f"""
                sum without (kind) ({s("succeeded_total", counted)})
                  + sum without (kind, reason) ({s("failed_total", counted, KNOWN)})
                """,
            ),
            Recording(BAD_BY_BAND, f"sum without (kind, reason) ({s('failed_total', counted, bad)})"),
            Recording(FINISHED, f"sum without (amount_band) ({s(FINISHED_BY_BAND)})"),
            Recording(BAD, f"sum without (amount_band) ({s(BAD_BY_BAND)})"),
            *(
                [
                    Recording(
                        MADE_GOOD,
                        f"sum without (kind, amount_band, reason) ({s('failed_made_good_total', counted, bad)})",
                    )
                ]
                if values.success is Success.CUSTOMER
                else []
            ),
            *(Recording(allowed(speed), _allowance(s, values, factor)) for speed, factor in factors(values).items()),
            Recording(SUCCEEDED, f"sum without (kind, amount_band) ({s('succeeded_total', counted)})"),
            Recording(ENDED, f"sum without (from_status, to_status) ({s('status_transitions_total', ended)})"),
            *failed.sums(s, values),
            Recording(PENDING, f"sum without (purpose, age) ({s('in_flight', exactly('age', Age.UNDER_1H))})"),
            *(Recording(burn(window), recorded_burn(s, values, window)) for window in WINDOWS if window != DAYS),
            *(Recording(live_burn(window), _live_burn(s, values, window)) for window in WINDOWS if window != DAYS),
            Recording(SENT, f"sum without (kind, amount_band) ({s('sent_msat_total', paid)})"),
            Recording(SENT_1H, f"increase({s(SENT)}[1h]) {present(s, '1h')}"),
            kept(s, LATE, f"max by (job, node) (sum without (reason) ({late}))", NODES_OF_A_JOB),
            kept(
                s,
                UNEXPLAINED,
                f"max by (job, node) (sum without (kind, amount_band, reason) ({unexplained}))",
                NODES_OF_A_JOB,
            ),
            Recording(GONE, _gone(s)),
            kept(s, LISTED, f"1 + 0 * {s('node_up')} or 0 * ({removed(s(GONE))})"),
            Recording(AWAY, _away(s)),
            Recording(DOWN, f"{s(AWAY)} or 1 + 0 * max by (job, instance, node) ({at_exporter(_unasked(s))})"),
            Recording(HELD_EXPIRY, f"{s('held_earliest_expiry_height')} or {PER_NODE} 0 * ({stream_up} == 1)"),
            kept(s, LAST_HELD_EXPIRY, s(HELD_EXPIRY)),
            Recording(BLOCKS_LEFT, _blocks_left(s)),
        ],
    )


def factors(values: Values) -> dict[str, float]:
    """Return the burn rate at which each alert begins; at 1 the error budget lasts exactly its time."""
    alerts = values.alerts
    return {FAST: alerts.fail_fast.burn, SLOW: max(alerts.fail_slowly.burn, alerts.error_budget.burn)}


def allowed(speed: str) -> str:
    """Return the name of the recorded number of payments that the targets allow to be bad."""
    return f"instance_node:lnd_payments_allowed_bad_{speed}_total:sum"


def _allowance(s: Selector, values: Values, factor: float) -> str:
    """Return the bad payments that the targets allow for just these amounts: a shift to larger ones fires nothing."""
    by_band = " or ".join(
        f"{budget:g} * {s(FINISHED_BY_BAND, one_of('amount_band', of))}"
        for budget, of in budgets(values, MOST_BAD / factor).items()
    )
    return f"sum without (amount_band) ({by_band})"


def budgets(values: Values, most: float = 1.0) -> dict[float, list[str]]:
    """Return the shares of payments that may be bad, at most `most`, each with its amount bands."""
    bands: dict[float, list[str]] = {}
    for band in (*AmountBand, NO_BAND):
        budget = min(1 - values.target_percent[band or OF_ANY_AMOUNT] / 100, most)
        bands.setdefault(round(budget, 6), []).append(band)
    return bands


def raw_increase(series: str, window: str) -> str:
    """Return the raw difference of a counter: `increase` extrapolates, and differently for each counter.

    In VictoriaMetrics `increase` also counts the first value of a series if it is small, as if it had begun at 0.
    """
    return f"({series} - min_over_time({series}[{window}]))"


def _burned(s: Selector, values: Values, window: str) -> str:
    """Return the bad payments of a window, without what was made good in it, if the burn rates are the customer's."""
    bad = f"increase({s(BAD)}[{window}])"
    if values.success is Success.NODE:
        return bad
    return f"clamp_min({bad} - (increase({s(MADE_GOOD)}[{window}]) or 0 * {bad}), 0)"  # 0: an older exporter


def recorded_burn(s: Selector, values: Values, window: str) -> str:
    """Return the expression of a burn rate."""
    return f"{_burned(s, values, window)} / increase({s(allowed(WINDOWS[window]))}[{window}])"


def _live_burn(s: Selector, values: Values, window: str) -> str:
    """Return the live burn rate; the allowance shrinks with the missed payments, assuming the same allowed share."""
    finished, bad, may = (raw_increase(s(name), window) for name in (FINISHED, BAD, allowed(WINDOWS[window])))
    unseen = missed(s, window)
    if values.success is Success.CUSTOMER:
        bad = f"({bad} - ({raw_increase(s(MADE_GOOD), window)} or 0 * {bad}))"
    return f"clamp_min({bad} - {unseen}, 0) / ({finished} - {unseen}) * ({finished} / {may})"


def _gone(s: Selector) -> str:
    return f"{s(LISTED)} == 1 unless {NODES_OF_A_JOB} {s('node_up')} unless {PER_NODE} {moved(s(HEADER))}"


def removed(gone: str, *matchers: str) -> str:
    """Return those of the nodes that were removed: their exporter is up without them.

    If each node has a target, Prometheus doesn't discover the node's any more, while another one of the exporter is up.
    `matchers` select the targets.
    """
    up, others = (f"up{{{','.join((*matchers, *more))}}}" for more in ((), (PAGE_A_NODE,)))
    return f"""
    ({gone}) and on (job, instance) {up} == 1
    or ({gone}) unless on (job, instance) {up} and {OF_EXPORTER} {others} == 1
    """


def _away(s: Selector) -> str:
    """Return the nodes that are gone and were not removed: for a day, and as long as they have a target.

    They are found by their own series, so the job may have any name. `up` without a job reads all targets of
    Prometheus, which may be thousands, so it is read only once.
    """
    gone = s(GONE)
    lately_or_down = f"{gone} and {PER_NODE} {seen_within(s, DAY_S)} or {gone} and on (job, instance) up == 0"
    away = f"({lately_or_down}) unless {PER_NODE} {s(LISTED)} == 0"
    return f"1 + 0 * max by (job, instance, node) ({at_exporter(away)})"


def _unasked(s: Selector) -> str:
    """Return the nodes that their exporter can't ask; those that are starting will soon answer."""
    return f"{s('node_state', one_of('state', UNASKED))} == 1"


def _blocks_left(s: Selector) -> str:
    """Return the blocks until the first held HTLC expires, from the last page, however old (lnd allows 2016 blocks).

    While lnd or the exporter is away, or lnd sees no new blocks, blocks are estimated by time, as `open` does.
    """
    height, header = (f"max by (job, node) ({s(name)})" for name in (HEIGHT, HEADER))
    age = f"clamp_min(time() - {header}, 0)"
    unseen = f"""
      {age} > {STALE_BLOCK_S}
      or {age} unless {NODES_OF_A_JOB} {s("stream_up")} == 1
      or 0 * {header}
    """
    return f"""
    ((
      {s(HELD_EXPIRY)}
      or (
        {s(LAST_HELD_EXPIRY)}
        unless {NODES_OF_A_JOB} {s(HELD_EXPIRY)}
        unless {PER_NODE} {moved(s(HEADER))}
        unless {PER_NODE} {s(LISTED)} == 0
      )
    ) > 0)
      - {NODES_OF_A_JOB} group_left () ({height} + floor(({unseen}) / {BLOCK_S}))
    """


def missed(s: Selector, window: str) -> str:
    """Return the number of payments counted within the window that had ended unseen in a longer absence.

    They are all counted when the exporter catches up, and most of them are long over. Alerts on the present assume
    that all of them are bad, and exclude them.
    """
    return f"{raw_increase(s(RECOVERED), window)} * max_over_time({s(BACK)}[{window}])"


def present(s: Selector, window: str) -> str:
    """Return the end of an expression on a window: excludes it if some of its payments may be long over."""
    return f"unless {PER_NODE} max_over_time({s(BACK)}[{window}]) == 1"
