"""The panels on named destinations: is it them or us? Where the operator has named none, they say so."""

from dashboards.graphs import lines
from dashboards.layout import Grid
from dashboards.panel import BLACK, BLUE, ORANGE, RED, SATS, Query, Text
from dashboards.query import NO_RULES, OUTAGE, SAT, TARGET, increase, total
from dashboards.tables import Column, command, grid, named
from dashboards.words import ADVICE, CAUSES
from exporter.payments.ended import RunOutcome
from exporter.payments.labels import Cause
from exporter.rules.boards import DESTINATIONS
from exporter.rules.rule import exactly, one_of

_NAMED = 'destination!="former"'
"""Counts that moved to `former` are from an earlier time."""
_NONE = (
    f"no destinations are named (destinations: in the configuration file), --metrics.without=destinations, {NO_RULES}"
)
_SUCCEEDED, _FAILED = (exactly("outcome", outcome) for outcome in (RunOutcome.SUCCEEDED, RunOutcome.FAILED))
_WHOSE = {
    "Us": (Cause.OWN_LIQUIDITY, Cause.OWN_CHANNEL, Cause.OWN_INACTIVE),
    "Way": (Cause.ROUTE_LIQUIDITY, Cause.ROUTE_POLICY, Cause.NO_ROUTE, Cause.HELD, Cause.UNREADABLE),
    "Them": (Cause.RECIPIENT, Cause.RECIPIENT_LIQUIDITY, Cause.RECIPIENT_UNREACHABLE),
}
"""Whom the causes are due to; `caller` and `other` are nobody's."""
_COLORS = {"Us": ORANGE, "Way": BLUE, "Them": "dark-yellow"}
"""As of the causes."""


def destinations(here: Grid) -> None:
    """Add the panels on named destinations, of all purposes, to the second dashboard."""
    here.row("5. To whom? All purposes, whatever is chosen above")
    _table(here)
    _success(here)
    _failures(here)


def _success(here: Grid) -> None:
    done, failed = (
        total(increase(DESTINATIONS.record, _NAMED, outcome, window="1h"), "destination")
        for outcome in (_SUCCEEDED, _FAILED)
    )
    here.add(
        lines(
            Text(
                "Success by destination",
                "Share of the payments to each that succeeded within the last hour. If one line falls, it is them; if "
                "all fall together, it is this node or the network. `other` has everybody else, rebalances and probes "
                "too.",
                "percentunit",
            ),
            [Query(f"{done} / (({done} + {failed}) > 0)", "{{destination}}")],
            top=1,
            empty=_NONE,
            every="5m",
        ),
        9,
    )


def _failures(here: Grid) -> None:
    failed = total(increase(DESTINATIONS.record, _NAMED, _FAILED), "destination", "cause")
    line = "lnd-payments-exporter ended --cause=$1 --since=$__range"
    here.add(
        grid(
            Text(
                "Failures by destination",
                "Failed payments within the time shown, by cause. The command lists those of the cause to everybody, "
                "with their recipients.",
                "locale",
            ),
            [Query(command(command(f"{failed} > 0", "cause", "$1", "advice"), "cause", line))],
            [
                Column("destination", "Destination", "string", width=150),
                Column("cause", "Cause", "string", width=190, words=named(CAUSES)),
                Column("Value", "Failed", "locale", decimals=0, width=80),
                Column("advice", "What helps", "string", words={word: (text, BLACK) for word, text in ADVICE.items()}),
                Column("command", "Which ones?", "string", width=150, copied=True),
            ],
            ["destination", "cause"],
            sort="Failed",
            empty=f"no failures, {_NONE}",
        ),
        15,
    )


def _table(here: Grid) -> None:
    def risen(metric: str, *matchers: str) -> str:
        return total(increase(metric, _NAMED, *matchers), "destination")

    def ended(*matchers: str) -> str:
        return total(increase(DESTINATIONS.record, _NAMED, *matchers), "destination")

    done, failed, sent = ended(_SUCCEEDED), ended(_FAILED), risen("destination_sent_msat_total")
    took, timed = (risen(f"destination_duration_seconds_{end}", _SUCCEEDED) for end in ("sum", "count"))
    whose = {name: ended(_FAILED, one_of("cause", causes)) for name, causes in _WHOSE.items()}
    queries = [
        ended(),
        f"{done} / (({done} + {failed}) > 0)",
        *whose.values(),
        f"{sent} / {SAT}",
        f"1e6 * {risen('destination_fees_msat_total')} / ({sent} > 0)",
        f"{took} / ({timed} > 0)",
    ]
    shares = ((None, RED), (OUTAGE, ORANGE), (TARGET, BLACK))
    columns = [
        Column("destination", "Destination", "string", width=200),
        Column("Value #A", "Ended", "locale", decimals=0),
        Column("Value #B", "Succeeded", "percentunit", shares, decimals=1, empty="no payments"),
        *(
            Column(f"Value #{letter}", f"Failed: {name.lower()}", "locale", ((None, BLACK), (0.5, color)), decimals=0)
            for letter, (name, color) in zip("CDE", _COLORS.items(), strict=True)
        ),
        Column("Value #F", "Sent", SATS),
        Column("Value #G", "Fees, ppm", "locale", decimals=0, empty="-"),
        Column("Value #H", "Takes", "s", decimals=1, empty="-"),
    ]
    here.add(
        grid(
            Text(
                "Named destinations",
                "Within the time shown. Failed, us: this node's channels; way: the network between, or no route within "
                "the limits; them: the recipient refused, is offline or lacks inbound balance. Takes: the average "
                "success. Keysends without any HTLC and blinded paths don't show their recipient: they are in other.",
                "short",
                "operations.md#named-destinations",
            ),
            [Query(query) for query in queries],
            columns,
            "destination",
            sort="Ended",
            empty=f"nothing ended, {_NONE}",
            only=("Value #A",),
        ),
        24,
        7,
    )
