"""The panels of the first dashboard on success: rates, targets and error budgets."""

from collections.abc import Callable

from dashboards.graphs import bars, lines, number
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import (
    BURN_LEAST,
    BURNS,
    SMALL_TARGET,
    SUCCEEDED,
    TARGETS,
    burn,
    enough,
    finished,
    increase,
    m,
    rate,
    success_rate,
    total,
)
from dashboards.tables import crossed
from dashboards.words import KINDS
from deploy.prometheus.rule import exactly
from exporter.payments.labels import AmountBand


def success(here: Grid) -> None:
    """Add the panels on the success rate, by amount, and on the error budget."""
    here.row("Does it arrive?")
    here.add(
        crossed(
            Text(
                "Success rate by amount, against its target",
                "The larger the amount, the harder it is to deliver, so each band has a target of its own. Good: no "
                "red. A band without payments shows 100 %.",
                "percentunit",
            ),
            {
                "Success rate": success_rate("$__range", "amount_band"),
                "Target": _by_band(lambda band: TARGETS[band]),
                "Above target": f"{success_rate('$__range', 'amount_band')} - on (amount_band) "
                f"({_by_band(lambda band: TARGETS[band])})",
                "Finished": finished("$__range", "amount_band"),
            },
            "amount_band",
            "Amount",
            units={"Finished": "locale"},
            steps={"Above target": ((None, RED), (0, GREEN))},
            order=_by_band(lambda band: list(AmountBand).index(band)),
        ),
        10,
    )
    here.add(
        lines(
            Text(
                "Success rate, over the last hour",
                "By amount, of what finished within an hour. Good: near the top; small amounts above "
                f"{SMALL_TARGET:.0%}.",
                "percentunit",
            ),
            [Query(success_rate("1h", matchers=[exactly("amount_band", band)]), band.value) for band in AmountBand],
            top=1,
        ),
        14,
    )
    here.add(
        bars(
            Text(
                "Payments per minute, succeeded",
                "What arrived, by kind. Good: as on other days.",
                "short",
            ),
            [Query(f"60 * {total(rate('succeeded_total'), 'kind')}", "{{kind}}")],
            colors=KINDS,
        ),
        12,
    )
    here.add(
        bars(
            Text(
                "Payments per minute, failed",
                "What did not arrive, by kind; rebalances and probes fail often, and are in no success rate.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_total'), 'kind')}", "{{kind}}")],
            colors=KINDS,
        ),
        12,
    )
    here.add(
        number(
            Text(
                "Error budget left, 3 days",
                "What the targets still allow to fail, of what they allow within three days, at the node where it is "
                "least. Good: above 0; below, payments failed more often than they may.",
                "percentunit",
            ),
            f"1 - max({burn('3d')})",
            ((None, RED), (0, YELLOW), (0.25, GREEN)),
            decimals=0,
            empty="no payments",
        ),
        6,
    )
    first = increase("htlc_attempts_per_payment_bucket", *SUCCEEDED, 'le="1.0"', window="1h")
    tried = increase("htlc_attempts_per_payment_count", *SUCCEEDED, window="1h")
    here.add(
        lines(
            Text(
                "First try against eventual success",
                "Share of the successes that needed one HTLC only, where all attempts were seen, beside the share of "
                "payments that succeed in the end, over the last hour. Good: both high; far apart means that lnd "
                "tries many routes.",
                "percentunit",
            ),
            [
                Query(f"{total(first)} / clamp_min({total(tried)}, 1)", "first try, of the successes"),
                Query(success_rate("1h"), "eventual success"),
            ],
            top=1,
        ),
        10,
    )
    here.add(
        lines(
            Text(
                "Error budget burn",
                "How many times as many payments fail as the targets allow, at the node where it is worst. Dashed: "
                "where alerts begin. 0 while too few finished for them: fewer than "
                f"{BURN_LEAST['1h']} in 1 hour, {BURN_LEAST['6h']} in 6.",
                "suffix: x",
            ),
            [
                Query(f"max({burn('1h')} and {enough('1h')}) or 0 * max({m('node_up')})", "1 hour"),
                Query(f"max({burn('6h')} and {enough('6h')}) or 0 * max({m('node_up')})", "6 hours"),
            ],
            ((None, "transparent"), (BURNS["slow"], ORANGE), (BURNS["fast"], RED)),
        ),
        8,
    )


def _by_band(value: Callable[[AmountBand], float]) -> str:
    """Return an expression with one value for each amount band."""
    return " or ".join(
        f'label_replace(vector({value(band):g}), "amount_band", "{band}", "", "")' for band in AmountBand
    )
