"""Recorded series: payments finished and bad, how fast the error budget burns, how many blocks are left."""

from deploy.prometheus.rule import MEMORY, PER_NODE, Group, Recording, Selector, exactly, one_of
from deploy.prometheus.values import Values
from exporter.payments.labels import Age, AmountBand, Kind, Reason

FAST, SLOW = "fast", "slow"
WINDOWS = {"5m": FAST, "1h": FAST, "30m": SLOW, "6h": SLOW, "3d": SLOW}
"""Windows over which the burn rate is taken, with whose factor is the highest that is asked of each."""
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
HELD_EXPIRY = "node:lnd_payments_held_expiry_height:min"
BLOCKS_LEFT = "node:lnd_payments_held_blocks_left:min"


def burn(window: str) -> str:
    """The recorded burn rate of a window."""
    return f"node:lnd_payments_burn:ratio{window}"


def recordings(values: Values) -> Group:
    """All of them. Summing counters before `increase` is right here: those of a node are reset all at once or never."""
    s = Selector(values)
    counted = one_of("kind", values.counted_kinds)
    paid = f'kind!="{Kind.REBALANCE}"'
    bad = one_of("reason", values.bad_reasons)
    return Group(
        "recordings",
        [
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
            *(Recording(_allowed(speed), _allowance(s, values, factor)) for speed, factor in factors(values).items()),
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
                Recording(burn(window), f"increase({s(BAD)}[{window}]) / increase({s(_allowed(speed))}[{window}])")
                for window, speed in WINDOWS.items()
            ),
            Recording(SENT, f"sum without (kind, amount_band) ({s('sent_msat_total', paid)})"),
            Recording(SENT_1H, f"increase({s(SENT)}[1h])"),
            Recording(HELD_EXPIRY, f"{s('held_earliest_expiry_height')} or {PER_NODE} 0 * {s('node_up')}"),
            Recording(BLOCKS_LEFT, _blocks_left(s, values)),
        ],
    )


def factors(values: Values) -> dict[str, float]:
    """How many times as fast as it may the error budget burns when an alert begins: at 1 it lasts just long enough."""
    return {FAST: values.alerts.fail_fast.burn, SLOW: values.alerts.fail_slowly.burn}


def _allowed(speed: str) -> str:
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


def _blocks_left(s: Selector, values: Values) -> str:
    """Until the first held HTLC expires: of the last page, however long ago that was (lnd allows 2016 blocks).

    It goes on when lnd is away, for then blocks are estimated by time, and when the exporter is. The last page decides:
    0 says that nothing is held. A target that is gone is another thing if the node is on a page of another: that is the
    same exporter under a new address.
    """
    known = f"last_over_time({s(HELD_EXPIRY)}[{MEMORY}])"
    target = f'up{{job="{values.job}"}}'
    expiry = f"({known} and on (job, instance) {target}) or ({known} unless on (job, node) {s('node_up')})"
    height, header = (
        f"max by (job, node) (last_over_time({s(name)}[{MEMORY}]))"
        for name in ("node_block_height", "node_best_header_timestamp_seconds")
    )
    return f"""
    (({expiry}) > 0)
      - on (job, node) group_left () ({height} + clamp_min(time() - {header}, 0) / 600)
    """


def now(s: Selector, window: str) -> str:
    """The end of an expression: unless most of what was counted within the window had ended before, unseen.

    After an absence all that happened meanwhile is counted at once, and most of it is over.
    """
    return f"unless {PER_NODE} increase({s('recovered_total')}[{window}]) > 0.5 * increase({s(ENDED)}[{window}])"
