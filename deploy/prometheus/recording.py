"""Recorded series: payments finished and bad, how fast the error budget burns, how many blocks are left."""

from collections.abc import Callable

from deploy.prometheus.rule import MEMORY, NODES_OF_A_JOB, PER_NODE, Group, Recording, Selector, exactly, one_of
from deploy.prometheus.values import Values
from exporter.payments.labels import Age, AmountBand, Kind, Reason
from exporter.payments.node import BLOCK_S

FAST, SLOW = "fast", "slow"
WINDOWS = {"5m": FAST, "1h": FAST, "30m": SLOW, "6h": SLOW, "3d": SLOW}
"""Windows over which the burn rate is taken, with whose factor is the highest that is asked of each."""
_DAYS = "3d"
MOST_BAD = 0.9
"""A factor times a budget stays below this, or not even a total outage could reach it."""

KNOWN = f'reason!~"{Reason.NONE}|{Reason.OTHER}"'
"""What has no known reason is neither good nor bad."""
FINISHED_BY_BAND = "node_band:lnd_payments_finished:sum"
BAD_BY_BAND = "node_band:lnd_payments_bad:sum"
FINISHED = "node:lnd_payments_finished:sum"
BAD = "node:lnd_payments_bad:sum"
SUCCEEDED = "node:lnd_payments_succeeded:sum"
ENDED = "node:lnd_payments_ended:sum"
"""Of every kind, for whatever reason."""
PENDING = "node:lnd_payments_pending:sum"
"""In flight for 10 minutes to an hour."""
SENT = "node:lnd_payments_sent_msat:sum"
SENT_1H = "node:lnd_payments_sent_msat:increase1h"
BACK = "node:lnd_payments_back:bool"
"""1 when a node wasn't followed for five minutes, two minutes ago: what is counted now may have happened long ago."""
RECOVERED = "node:lnd_payments_recovered:sum"
LATE = "node:lnd_payments_succeeded_late:max"
UNEXPLAINED = "node:lnd_payments_failed_unexplained:max"
"""Failures without a reason that is known."""
LISTED = "node:lnd_payments_listed:bool"
"""1 while a node is on a page; 0 once, when the exporter that had it last is up without it: it was taken out."""
HELD_EXPIRY = "node:lnd_payments_held_expiry_height:min"
"""0 if nothing is held, as lnd says; no more than that is known while it can't be asked."""
BLOCKS_LEFT = "node:lnd_payments_held_blocks_left:min"


def burn(window: str) -> str:
    """The recorded burn rate of a window: of all that was counted in it."""
    return f"node:lnd_payments_burn:ratio{window}"


def live_burn(window: str) -> str:
    """The same without what was missed: what is the least that it can be now."""
    return f"node:lnd_payments_live_burn:ratio{window}"


def recordings(values: Values) -> Group:
    """All of them. Summing counters before `increase` is right here: those of a node are reset all at once or never."""
    s = Selector(values)
    stream_up, late = s("stream_up"), s("succeeded_late_total")
    unexplained = s("failed_total", one_of("reason", (Reason.NONE, Reason.OTHER)))
    counted = one_of("kind", values.counted_kinds)
    paid = f'kind!="{Kind.REBALANCE}"'
    bad = one_of("reason", values.bad_reasons)
    return Group(
        "recordings",
        [
            # What was missed comes first: whoever looks amid an evaluation rather leaves out too much than too little.
            Recording(
                BACK,
                f"""
                (
                  1 + 0 * {stream_up}
                  unless max_over_time({stream_up}[5m] offset 2m) == 1
                  and {NODES_OF_A_JOB} last_over_time({stream_up}[{MEMORY}] offset 7m)
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
            *(Recording(allowed(speed), _allowance(s, values, factor)) for speed, factor in factors(values).items()),
            Recording(SUCCEEDED, f"sum without (kind, amount_band) ({s('succeeded_total', counted)})"),
            Recording(
                ENDED,
                f"""
                sum without (kind, amount_band) ({s("succeeded_total")})
                  + sum without (kind, amount_band, reason) ({s("failed_total")})
                """,
            ),
            Recording(PENDING, f"sum without (purpose, age) ({s('in_flight', exactly('age', Age.UNDER_1H))})"),
            *(
                Recording(burn(window), f"increase({s(BAD)}[{window}]) / increase({s(allowed(speed))}[{window}])")
                for window, speed in WINDOWS.items()
            ),
            *(Recording(live_burn(window), _live(s, window)) for window in WINDOWS if window != _DAYS),
            Recording(SENT, f"sum without (kind, amount_band) ({s('sent_msat_total', paid)})"),
            Recording(SENT_1H, f"increase({s(SENT)}[1h]) {present(s, '1h')}"),
            Recording(LATE, f"max by (job, node) (sum without (reason) ({late}))"),
            Recording(UNEXPLAINED, f"max by (job, node) (sum without (kind, amount_band, reason) ({unexplained}))"),
            Recording(LISTED, f"1 + 0 * {s('node_up')} or 0 * ({_taken_out(s)})"),
            Recording(HELD_EXPIRY, f"{s('held_earliest_expiry_height')} or {PER_NODE} 0 * ({stream_up} == 1)"),
            Recording(BLOCKS_LEFT, _blocks_left(s)),
        ],
    )


def factors(values: Values) -> dict[str, float]:
    """How many times as fast as it may the error budget burns when an alert begins: at 1 it lasts just long enough."""
    alerts = values.alerts
    return {FAST: alerts.fail_fast.burn, SLOW: max(alerts.fail_slowly.burn, alerts.error_budget.burn)}


def allowed(speed: str) -> str:
    """The name of the recorded number of payments that the targets allow to be bad."""
    return f"node:lnd_payments_allowed_bad:sum_{speed}"


def _allowance(s: Selector, values: Values, factor: float) -> str:
    """What the targets allow of just these amounts, so that a shift to larger ones pages nobody."""
    return "\n+ ".join(
        f"{budget:g} * sum without (amount_band) ({s(FINISHED_BY_BAND, one_of('amount_band', of))})"
        for budget, of in budgets(values, MOST_BAD / factor).items()
    )


def budgets(values: Values, most: float = 1.0) -> dict[float, list[AmountBand]]:
    """The shares of payments that may be bad, at most `most`, each with the amounts that it holds for."""
    bands: dict[float, list[AmountBand]] = {}
    for band in AmountBand:
        budget = min(1 - values.target_percent[band] / 100, most)
        bands.setdefault(round(budget, 6), []).append(band)
    return bands


def grew(series: str, window: str) -> str:
    """By how much a counter rose, as it stands: `increase` extrapolates, and each counter in another way."""
    return f"({series} - min_over_time({series}[{window}]))"


def _live(s: Selector, window: str) -> str:
    """The budget of what was missed is left out with it: the share that is allowed is taken for the same."""
    finished, bad, may = (grew(s(name), window) for name in (FINISHED, BAD, allowed(WINDOWS[window])))
    unseen = missed(s, window)
    return f"clamp_min({bad} - {unseen}, 0) / ({finished} - {unseen}) * ({finished} / {may})"


def known(s: Selector, window: str) -> str:
    """The nodes that were on a page within the window, and were not taken out since."""
    return f"last_over_time({s(LISTED)}[{window}]) == 1"


def _taken_out(s: Selector) -> str:
    return f"""
    {known(s, MEMORY)}
      unless {NODES_OF_A_JOB} {s("node_up")}
      unless {PER_NODE} {older(s)}
      and on (job, instance) up == 1
    """


def older(s: Callable[[str], str]) -> str:
    """Last pages that knew fewer blocks than another one of the node: its exporter is elsewhere since.

    `s` selects the series of a metric.
    """
    header = f"last_over_time({s('node_best_header_timestamp_seconds')}[{MEMORY}])"
    return f"({header} < {NODES_OF_A_JOB} group_left () max by (job, node) ({header}))"


def _blocks_left(s: Selector) -> str:
    """Until the first held HTLC expires: of what was known last, however long ago that was (lnd allows 2016 blocks).

    It goes on when lnd is away, for then blocks are estimated by time, and when the exporter is.
    """
    height, header = (
        f"max by (job, node) (last_over_time({s(name)}[{MEMORY}]))"
        for name in ("node_block_height", "node_best_header_timestamp_seconds")
    )
    return f"""
    ((
      {s(HELD_EXPIRY)}
      or (
        last_over_time({s(HELD_EXPIRY)}[{MEMORY}])
        unless {NODES_OF_A_JOB} {s(HELD_EXPIRY)}
        unless {PER_NODE} {older(s)}
        unless {PER_NODE} last_over_time({s(LISTED)}[{MEMORY}]) == 0
      )
    ) > 0)
      - {NODES_OF_A_JOB} group_left () ({height} + clamp_min(time() - {header}, 0) / {BLOCK_S})
    """


def missed(s: Selector, window: str) -> str:
    """How many payments that were counted within the window had ended before, unseen, in a longer absence.

    They are counted when lnd is asked for them, all at once, and most of what they tell is over. Alerts about the
    present take them all for bad ones, and leave them out.
    """
    return f"{grew(s(RECOVERED), window)} * max_over_time({s(BACK)}[{window}])"


def present(s: Selector, window: str) -> str:
    """The end of an expression about all that was counted within the window: unless some of it may be long over."""
    return f"unless {PER_NODE} max_over_time({s(BACK)}[{window}]) == 1"
