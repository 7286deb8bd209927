"""Recorded series: payments finished and bad, how fast the error budget burns, how many blocks are left."""

from deploy.prometheus.rule import PER_NODE, Group, Recording, Selector, one_of
from deploy.prometheus.values import Values
from exporter.payments.labels import AmountBand, Kind, Reason

FAST, SLOW, BUDGET = 6, 3, 1
"""Factors by which the error budget burns: at 1 it lasts exactly as long as the target is meant for."""
WINDOWS = {"5m": FAST, "1h": FAST, "30m": SLOW, "6h": SLOW, "3d": SLOW}
"""Windows over which the burn rate is taken, with the highest factor that is asked of each."""
MOST_BAD = 0.9
"""A factor times a budget stays below this, or not even a total outage could reach it."""

KNOWN = f'reason!~"{Reason.NONE}|{Reason.OTHER}"'
"""What has no known reason is neither good nor bad."""
FINISHED_BY_BAND = "node_band:lnd_payments_finished:sum"
BAD_BY_BAND = "node_band:lnd_payments_bad:sum"
FINISHED = "node:lnd_payments_finished:sum"
BAD = "node:lnd_payments_bad:sum"
SUCCEEDED = "node:lnd_payments_succeeded:sum"
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
            *(Recording(_allowed(factor), _allowance(s, values, factor)) for factor in sorted(set(WINDOWS.values()))),
            Recording(SUCCEEDED, f"sum without (kind, amount_band) ({s('succeeded_total', counted)})"),
            *(
                Recording(burn(window), f"increase({s(BAD)}[{window}]) / increase({s(_allowed(factor))}[{window}])")
                for window, factor in WINDOWS.items()
            ),
            Recording(SENT, f"sum without (kind, amount_band) ({s('sent_msat_total', paid)})"),
            Recording(SENT_1H, f"increase({s(SENT)}[1h])"),
            Recording(HELD_EXPIRY, f"{s('held_earliest_expiry_height')} or {PER_NODE} 0 * {s('node_up')}"),
            Recording(BLOCKS_LEFT, _blocks_left(s)),
        ],
    )


def _allowed(factor: int) -> str:
    """The name of the recorded number of payments that the targets allow to be bad."""
    return f"node:lnd_payments_allowed_bad:sum{factor}x"


def _allowance(s: Selector, values: Values, factor: int) -> str:
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


def _blocks_left(s: Selector) -> str:
    """Until the first held HTLC expires: of the last page, however long ago that was (lnd allows 2016 blocks).

    It goes on when lnd is away, for then blocks are estimated by time, and when the exporter is. The last page decides:
    0 says that nothing is held.
    """
    expiry, height, header = (
        f"last_over_time({s(name)}[15d])"
        for name in (HELD_EXPIRY, "node_block_height", "node_best_header_timestamp_seconds")
    )
    return f"({expiry} > 0) - {height} - clamp_min(time() - {header}, 0) / 600"
