"""The table of payments that may hang, with the commands that list them."""

from dashboards.layout import Grid
from dashboards.panel import SATS, Query, Text
from dashboards.query import SAT, m, total
from dashboards.tables import Column, grid, named
from dashboards.words import HANGING
from exporter.payments.labels import Age
from exporter.rules.rule import exactly


def hanging(here: Grid) -> None:
    """Add the table."""
    opened = "lnd-payments-exporter open"
    ages = {Age.UNDER_1H: "10m", Age.UNDER_1D: "1h", Age.OVER: "1d"}
    rows = [(f"older than {old}", total(m("in_flight", exactly("age", age))), old) for age, old in ages.items()]
    rows += [
        ("given up, still open", total(m("in_flight_given_up")), ""),
        ("stalled", total(m("in_flight_stalled")), "10m"),
        ("HTLCs on no channel", total(m("in_flight_ghost_htlcs")), "10m"),
    ]
    amounts = {
        "given up, still open": total(m("in_flight_given_up_msat")),
        "HTLCs on no channel": total(m("in_flight_ghost_htlcs_msat")),
    }

    def labelled(label: str, word: str, expr: str) -> str:
        return f'label_replace({expr}, "{label}", "{word}", "", "")'

    numbers = " or ".join(
        labelled("command", opened + (f" --older-than={old}" if old else ""), labelled("what", what, expr))
        for what, expr, old in rows
    )
    here.add(
        grid(
            Text(
                "What may hang",
                "Bands of age; given up: lnd tries no more, but they may yet succeed, so don't pay again; stalled: "
                "without HTLC and news for 10 minutes; on no channel: not on their open channel for 10 minutes (needs "
                "ListChannels). `lnd-payments-exporter why HASH` explains one.",
                "short",
                "open.md",
            ),
            [
                Query(f"({numbers}) > 0"),
                Query(" or ".join(labelled("what", what, f"{expr} / {SAT} > 0") for what, expr in amounts.items())),
            ],
            [
                Column("what", "What", "string", width=230, words=named(HANGING)),
                Column("Value #A", "Number", "short", decimals=0, width=100),
                Column("Value #B", "Amount", SATS, width=130, empty="-"),
                Column("command", "Which ones? Then: lnd-payments-exporter why HASH", "string", copied=True),
            ],
            "what",
            sort="Number",
            empty="nothing older than 10 minutes, nothing given up or stalled, or the exporter is away",
            only=("Value #A",),
        ),
        24,
        6,
    )
