"""The panels of the first dashboard on success: rates, targets and error budgets."""

from collections.abc import Callable

from dashboards.graphs import Value, bars, lines, several
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import (
    BURN_LEAST,
    BURNS,
    BURNT_BY,
    DAY_S,
    FEW,
    NO_RULES,
    NO_RULES_HERE,
    TARGETS,
    burn,
    enough,
    finished,
    increase,
    m,
    overall,
    overall_in_the_end,
    rate,
    target,
    total,
)
from dashboards.tables import crossed
from dashboards.words import EACH_TRY, IN_THE_END, KINDS, RATES, TRIES
from exporter.payments.labels import AmountBand
from exporter.rules.boards import FAILED_BY_KIND, RUNS, SUCCEEDED_BY_KIND
from exporter.rules.last_page import SEEN
from exporter.rules.recording import FINISHED
from exporter.rules.rule import exactly

SPANS = {"10 minutes": "light-blue", "30 minutes": "light-blue", "1 hour": BLUE, "6 hours": "purple"}
"""Colour of each window of a graph that shows several."""
_TRIES, _STEP = "6h", "5m"
"""A window longer than most people wait before they try again, and a step at which it isn't costly for Prometheus."""


def success(here: Grid) -> None:
    """Add the panels on the success rate, by amount, and on the error budget."""
    here.row("Does it arrive?")
    _rates(here)
    for what, series, text in (
        ("succeeded", SUCCEEDED_BY_KIND, "What arrived, by kind. Good: as on other days."),
        (
            "failed",
            FAILED_BY_KIND,
            "What did not arrive, by kind; rebalances and probes fail often, and are in no success rate.",
        ),
    ):
        here.add(
            bars(
                Text(f"Payments per minute, {what}", text, "short"),
                [Query(f"60 * {total(rate(series.record), 'kind')}", "{{kind}}")],
                colors=KINDS,
                empty=f"no payments, {NO_RULES}",
            ),
            12,
        )
    _budget(here)


def _rates(here: Grid) -> None:
    """Add the success rates: by amount over the time shown, and of each hour."""
    above = f"{overall('$__range', 'amount_band')} - on (amount_band) ({_by_band(lambda band: TARGETS[band])})"
    enough_finished = f"{finished('$__range', 'amount_band')} >= {FEW}"
    here.add(
        crossed(
            Text(
                "Success rate by amount, against its target",
                "Of the time shown. The larger the amount, the harder it is to deliver, so each band has a target of "
                f"its own, which holds for {EACH_TRY}. {IN_THE_END}: what a later try paid has not failed. "
                f"Good: no red. Few payments (below {FEW}) are not judged.",
                "percentunit",
            ),
            {
                EACH_TRY: overall("$__range", "amount_band"),
                IN_THE_END: overall_in_the_end("$__range", "amount_band"),
                "Target": _by_band(lambda band: TARGETS[band]),
                "Above target": f"({above}) and on (amount_band) {enough_finished}",
                "Finished": finished("$__range", "amount_band"),
            },
            "amount_band",
            "Amount",
            units={"Finished": "locale"},
            steps={"Above target": ((None, RED), (0, GREEN))},
            order=_by_band(lambda band: list(AmountBand).index(band)),
            empty={EACH_TRY: "-", IN_THE_END: "-", "Above target": "few payments", "Finished": "-"},
        ),
        14,
    )
    here.add(
        lines(
            Text(
                "Success rate of the last hour",
                f"At each moment, of what finished within an hour before. {EACH_TRY}: this node did not fail it. "
                f"{IN_THE_END}: or a later try paid the same invoice. Both of the same number of payments. target: of "
                "just these amounts. Good: at the target or above. Empty where nothing finished.",
                "percentunit",
            ),
            [
                Query(overall("1h"), EACH_TRY),
                Query(overall_in_the_end("1h"), IN_THE_END),
                Query(target("1h"), "target"),
            ],
            top=1,
            colors={**RATES, "target": GREY},
            empty=f"no payments, {NO_RULES}",
            every=_STEP,
        ),
        10,
    )


def _budget(here: Grid) -> None:
    """Add the panels on the error budget, and on payments that are tried again."""
    # Over history from before the exporter it is known what finished, but not that the node was seen.
    whole = f"{3 * DAY_S} + 0 * max({m(FINISHED)} offset 3d)"
    known = f"{whole} or clamp_max(time() - min(min_over_time({m(SEEN)}[3d])), {3 * DAY_S})"
    here.add(
        several(
            Text(
                "Error budget left",
                "What the targets still allow to fail, of what they allow within three days, or since the rules know "
                "the node: the span is shown. At the node where it is least. Good: above 0; below, payments failed "
                f"more often than they may. {BURNT_BY}",
                "percentunit",
            ),
            [
                Value(
                    Query(f"1 - max({burn('3d')})", "left"), "percentunit", ((None, RED), (0, YELLOW), (0.25, GREEN))
                ),
                Value(Query(known, "of the last"), "s", ((None, BLUE),), 1),
            ],
            empty=f"none, {NO_RULES_HERE}",
        ),
        4,
    )
    few = f"0 * max({m('node_up')} or {m(FINISHED)})"
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
                Query(f"max({burn('1h')} and {enough('1h')}) or {few}", "1 hour"),
                Query(f"max({burn('6h')} and {enough('6h')}) or {few}", "6 hours"),
            ],
            ((None, "transparent"), (BURNS["slow"], ORANGE), (BURNS["fast"], RED)),
            colors=SPANS,
            every=_STEP,
        ),
        10,
    )

    def within(tries: str) -> str:
        return total(increase(RUNS.record, exactly("le", tries), window=_TRIES))

    here.add(
        lines(
            Text(
                "Runs per success",
                f"Share of the invoices paid within {_TRIES} before that took more than so many tries. Good: near 0; "
                "more than 5 is a program that tries again and again. HTLC attempts within a try are in Why they fail.",
                "percentunit",
            ),
            [
                Query(f"1 - {within(f'{tries:.1f}')} / ({within('+Inf')} > 0)", f"more than {tries}")
                for tries in (1, 2, 5)
            ],
            colors=TRIES,
            empty=f"no invoice paid, {NO_RULES}",
            every=_STEP,
        ),
        10,
    )


def _by_band(value: Callable[[AmountBand], float]) -> str:
    """Return an expression with one value for each amount band."""
    return " or ".join(
        f'label_replace(vector({value(band):g}), "amount_band", "{band}", "", "")' for band in AmountBand
    )
