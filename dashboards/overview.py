"""The first dashboard: whether payments work, how fast they are, and what they cost."""

from dashboards.arrival import success
from dashboards.board import Board
from dashboards.cost import money, speed
from dashboards.graphs import number, two
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.presence import AWAY
from dashboards.query import (
    BURN_LEAST,
    BURNS,
    BURNT_BY,
    OUTAGE,
    SAT,
    TARGET,
    burn,
    enough,
    increase,
    m,
    overall,
    overall_in_the_end,
    total,
)
from dashboards.words import EACH_TRY, IN_THE_END

_BURN = ((None, GREEN), (BURNS["budget"], YELLOW), (BURNS["slow"], ORANGE), (BURNS["fast"], RED))


def overview() -> Board:
    """Return the dashboard 'Payments'."""
    here = Grid()
    _first_row(here)
    success(here)
    speed(here)
    money(here)
    return Board("overview", "Lightning payments", "Is it working, how fast, and at what price?", here)


def _first_row(here: Grid) -> None:
    here.add(
        two(
            Text(
                "Success rate",
                "Of all invoices, keysends and AMP payments tried within the time shown. each try: this node did not "
                "fail it; refusals and cancellations are not its failures. in the end: or a later try paid the "
                "invoice, as the customer sees it; right if the time shown is much longer than their pauses. Good: "
                f"above {TARGET:.0%}.",
                "percentunit",
            ),
            Query(overall("$__range"), EACH_TRY),
            Query(overall_in_the_end("$__range"), IN_THE_END),
            ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN)),
            decimals=1,
            empty="no payments",
        ),
        6,
        5,
    )
    here.add(
        number(
            Text(
                "Error budget burn, 1 h",
                "How many times as many payments fail as the targets allow for amounts like these, at the node where "
                f"it is worst. Good: below 1. The alerts begin at {BURNS['fast']} within an hour, {BURNS['slow']} "
                f"within six, and ask for {BURN_LEAST['1h']} and {BURN_LEAST['6h']} finished payments. {BURNT_BY}",
                "suffix: x",
            ),
            f"max({burn('1h')} and {enough('1h')})",
            _BURN,
            decimals=1,
            empty="few payments",
        ),
        4,
        5,
    )
    here.add(
        number(
            Text("Payments", "Payments that began within the time shown, of every kind.", "locale"),
            total(increase("started_total")),
            decimals=0,
        ),
        3,
        5,
    )
    here.add(
        number(
            Text(
                "In flight",
                "Payments that have begun and not ended. Good: few, and none old; see In flight and at risk.",
                "short",
            ),
            total(m("in_flight")),
        ),
        3,
        5,
    )
    here.add(
        two(
            Text(
                "Successes after giving up",
                "Payments that succeeded although lnd had given them up, and their amount: whoever asked may have been "
                "told that they failed. Good: 0. Reconcile before anything is refunded: `lnd-payments-exporter ended "
                "--late` lists them.",
                "locale",
            ),
            Query(total(increase("succeeded_late_total")), "payments"),
            Query(f"{total(increase('succeeded_late_msat_total'))} / {SAT}", "amount"),
            ((None, GREEN), (0.5, ORANGE)),
            "suffix: sat",
        ),
        4,
        5,
    )
    here.add(
        number(
            Text(
                "Nodes away",
                "Nodes that don't answer, don't let the exporter in, or whose exporter is away. Good: 0; All nodes "
                "tells which.",
                "short",
            ),
            AWAY,
            ((None, GREEN), (1, RED)),
        ),
        4,
        5,
    )
