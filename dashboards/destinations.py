"""The panels on named destinations: is it them or us? Where the operator has named none, they say so."""

from dashboards.graphs import bars, lines
from dashboards.layout import Grid
from dashboards.panel import BLACK, ORANGE, RED, Query, Text
from dashboards.query import OUTAGE, SAT, TARGET, increase, rate, total
from dashboards.tables import Column, grid
from deploy.prometheus.rule import exactly, one_of
from exporter.payments.ended import RunOutcome
from exporter.payments.labels import Cause

_NAMED = 'destination!="former"'
"""Counts that moved to `former` are from an earlier time."""
_NONE = "no destinations are named (destinations: in the configuration file), or --metrics.without=destinations"
_SUCCEEDED, _FAILED = (exactly("outcome", outcome) for outcome in (RunOutcome.SUCCEEDED, RunOutcome.FAILED))
_WHOSE = {
    "Us": (Cause.OWN_LIQUIDITY, Cause.OWN_CHANNEL, Cause.OWN_INACTIVE),
    "Way": (Cause.ROUTE_LIQUIDITY, Cause.ROUTE_POLICY, Cause.NO_ROUTE, Cause.HELD, Cause.UNREADABLE),
    "Them": (Cause.RECIPIENT, Cause.RECIPIENT_LIQUIDITY, Cause.RECIPIENT_UNREACHABLE),
}
"""Whom the causes are due to; `caller` and `other` are nobody's."""


def destinations(here: Grid) -> None:
    """Add the panels on named destinations, of all purposes, to the second dashboard."""
    here.row("5. To whom? All purposes, whatever is chosen above")
    _table(here)
    ended = "destination_ended_total"
    done, failed = (total(rate(ended, _NAMED, outcome), "destination") for outcome in (_SUCCEEDED, _FAILED))
    here.add(
        lines(
            Text(
                "Success by destination",
                "Share of the payments to each that succeed. If one line falls, it is them; if all fall together, it "
                "is this node or the network. `other` has everybody else, rebalances and probes too.",
                "percentunit",
            ),
            [Query(f"{done} / (({done} + {failed}) > 0)", "{{destination}}")],
            top=1,
            empty=_NONE,
            every="5m",
        ),
        12,
    )
    here.add(
        bars(
            Text(
                "Failures by destination",
                "Per minute, by cause. Good: no destination that stands out. Causes that begin with recipient are "
                "theirs, those that begin with own are ours. `lnd-payments-exporter ended --failed` lists payments "
                "with their recipients.",
                "short",
            ),
            [
                Query(
                    f"60 * {total(rate(ended, _NAMED, _FAILED), 'destination', 'cause')} > 0",
                    "{{destination}}: {{cause}}",
                )
            ],
        ).no_value(f"no failures, or {_NONE}"),
        12,
    )


def _table(here: Grid) -> None:
    def grown(metric: str, *matchers: str) -> str:
        return total(increase(metric, _NAMED, *matchers), "destination")

    ended = "destination_ended_total"
    done, failed, sent = grown(ended, _SUCCEEDED), grown(ended, _FAILED), grown("destination_sent_msat_total")
    took, timed = (grown(f"destination_duration_seconds_{end}", _SUCCEEDED) for end in ("sum", "count"))
    whose = {name: grown(ended, _FAILED, one_of("cause", causes)) for name, causes in _WHOSE.items()}
    queries = [
        grown(ended),
        f"{done} / (({done} + {failed}) > 0)",
        *whose.values(),
        f"{sent} / {SAT}",
        f"1e6 * {grown('destination_fees_msat_total')} / ({sent} > 0)",
        f"{took} / ({timed} > 0)",
    ]
    marked = ((None, BLACK), (0.5, ORANGE))
    shares = ((None, RED), (OUTAGE, ORANGE), (TARGET, BLACK))
    columns = [
        Column("destination", "Destination", "string", width=200),
        Column("Value #A", "Ended", "locale", decimals=0),
        Column("Value #B", "Succeeded", "percentunit", shares, decimals=1, empty="no payments"),
        *(
            Column(f"Value #{letter}", f"Failed: {name.lower()}", "locale", marked, decimals=0)
            for letter, name in zip("CDE", whose, strict=True)
        ),
        Column("Value #F", "Sent, sat", "locale", decimals=0),
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
            ),
            [Query(query) for query in queries],
            columns,
            "destination",
            sort="Ended",
            empty=_NONE,
        ),
        24,
        9,
    )
