"""Recorded series: payments finished and bad, how fast the error budget burns, what was missed in an absence."""

from exporter.payments.labels import Age, AmountBand, Kind, Reason, ToStatus
from exporter.rules import away, failed
from exporter.rules.failed import NO_BAND
from exporter.rules.last_page import KEPT, SEEN, kept, pages
from exporter.rules.rule import (
    NODES_OF_A_JOB,
    PER_NODE,
    Group,
    Recording,
    Selector,
    exactly,
    one_of,
)
from exporter.rules.values import Success, Values

FAST, SLOW = "fast", "slow"
WINDOWS = {"5m": FAST, "1h": FAST, "30m": SLOW, "6h": SLOW, "3d": SLOW}
"""Windows of the burn rate, each with the highest factor that an alert uses for it."""
DAYS = "3d"
"""The longest window: `days` records it."""
SHOWN = ("1h", "6h")
"""Windows of which dashboards show the burn rate of all payments; the alerts read the live ones."""
MOST_BAD = 0.9
"""Upper bound of a factor times a budget; above it not even a total outage could reach the factor."""

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
            *(Recording(burn(window), recorded_burn(s, values, window)) for window in SHOWN),
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
            *away.recordings(s),
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


def missed(s: Selector, window: str) -> str:
    """Return the number of payments counted within the window that had ended unseen in a longer absence.

    They are all counted when the exporter catches up, and most of them are long over. Alerts on the present assume
    that all of them are bad, and exclude them.
    """
    return f"{raw_increase(s(RECOVERED), window)} * max_over_time({s(BACK)}[{window}])"


def present(s: Selector, window: str) -> str:
    """Return the end of an expression on a window: excludes it if some of its payments may be long over."""
    return f"unless {PER_NODE} max_over_time({s(BACK)}[{window}]) == 1"
