"""The panels of the first dashboard on success: rates, targets and error budgets."""

from collections.abc import Callable

from dashboards.graphs import bars, lines, number
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import (
    BURN_LEAST,
    BURNS,
    BURNT_BY,
    SMALL_TARGET,
    TARGETS,
    burn,
    enough,
    finished,
    increase,
    left_bad,
    m,
    overall,
    overall_in_the_end,
    rate,
    success_rate,
    total,
)
from dashboards.tables import crossed
from dashboards.words import EACH_TRY, IN_THE_END, KINDS, RATES, TRIES
from deploy.prometheus.rule import exactly
from exporter.payments.labels import AmountBand, Purpose

_TRIES, _STEP = "6h", "5m"
"""A window longer than most people wait before they try again, and a step at which it isn't costly for Prometheus."""
_PAYMENTS = exactly("purpose", Purpose.PAYMENT)


def success(here: Grid) -> None:
    """Add the panels on the success rate, by amount, and on the error budget."""
    here.row("Does it arrive?")
    here.add(
        crossed(
            Text(
                "Success rate by amount, against its target",
                "The larger the amount, the harder it is to deliver, so each band has a target of its own, which "
                f"holds for {EACH_TRY}. {IN_THE_END}: what a later try paid is no failure. Good: no red. A band "
                "without payments shows 100 %.",
                "percentunit",
            ),
            {
                EACH_TRY: success_rate("$__range", "amount_band"),
                IN_THE_END: f"1 - {left_bad('$__range', 'amount_band')} / "
                f"clamp_min({finished('$__range', 'amount_band')}, 1)",
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
        14,
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
        10,
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
                f"least. Good: above 0; below, payments failed more often than they may. {BURNT_BY}",
                "percentunit",
            ),
            f"1 - max({burn('3d')})",
            ((None, RED), (0, YELLOW), (0.25, GREEN)),
            decimals=0,
            empty="no payments",
        ),
        4,
    )
    _tries(here)
    here.add(
        lines(
            Text(
                "Error budget burn",
                "How many times as many payments fail as the targets allow, at the node where it is worst. Dashed: "
                "where alerts begin. 0 while too few finished for them: fewer than "
                f"{BURN_LEAST['1h']} in 1 hour, {BURN_LEAST['6h']} in 6. {BURNT_BY}",
                "suffix: x",
            ),
            [
                Query(f"max({burn('1h')} and {enough('1h')}) or 0 * max({m('node_up')})", "1 hour"),
                Query(f"max({burn('6h')} and {enough('6h')}) or 0 * max({m('node_up')})", "6 hours"),
            ],
            ((None, "transparent"), (BURNS["slow"], ORANGE), (BURNS["fast"], RED)),
        ),
        6,
    )


def _tries(here: Grid) -> None:
    """Add the panels on payments that are tried again."""
    here.add(
        lines(
            Text(
                f"Success rate: {EACH_TRY}, and {IN_THE_END}",
                f"Of what was tried within {_TRIES} before. {EACH_TRY}: this node did not fail it. {IN_THE_END}: or a "
                "later try paid the same invoice. One denominator: the gap is what people put right by trying again. "
                "Good: both near the top. A keysend or AMP payment tried again is another payment.",
                "percentunit",
            ),
            [Query(overall(_TRIES), EACH_TRY), Query(overall_in_the_end(_TRIES), IN_THE_END)],
            top=1,
            colors=RATES,
            empty="no payments",
            every=_STEP,
        ),
        7,
    )
    successes = total(increase("runs_per_success_count", _PAYMENTS, window=_TRIES))

    def beyond(tries: int) -> str:
        within = total(increase("runs_per_success_bucket", _PAYMENTS, exactly("le", f"{tries:.1f}"), window=_TRIES))
        return f"1 - {within} / ({successes} > 0)"

    here.add(
        lines(
            Text(
                "Runs per success",
                f"Share of the invoices paid within {_TRIES} before that took more than so many tries. Good: near 0; "
                "more than 5 is a program that tries again and again. HTLC attempts within a try are in Why they fail.",
                "percentunit",
            ),
            [Query(beyond(1), "more than 1"), Query(beyond(2), "more than 2"), Query(beyond(5), "more than 5")],
            colors=TRIES,
            empty="no invoice paid",
            every=_STEP,
        ),
        7,
    )


def _by_band(value: Callable[[AmountBand], float]) -> str:
    """Return an expression with one value for each amount band."""
    return " or ".join(
        f'label_replace(vector({value(band):g}), "amount_band", "{band}", "", "")' for band in AmountBand
    )
