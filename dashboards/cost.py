"""The panels of the first dashboard on the duration and the cost of payments."""

from dashboards.arrival import SPANS
from dashboards.graphs import bars, lines, spread
from dashboards.layout import Grid
from dashboards.panel import ORANGE, SATS, Query, Text
from dashboards.query import (
    FIRST_HTLC_S,
    FIRST_HTLC_SHARE,
    NO_RULES,
    QUICK_S,
    SAT,
    SLOW_SHARE,
    increase,
    rate,
    total,
)
from dashboards.words import KINDS
from exporter.rules.boards import DURATION, FEES_BY_KIND, FIRST_ATTEMPT, SENT_BY_KIND, Sum
from exporter.rules.rule import exactly

_STEP = "5m"


def speed(here: Grid) -> None:
    """Add the panels on the duration of successes and of path finding."""
    here.row("How fast?")
    buckets = f"sum by (le) ({rate(DURATION.record)})"
    here.add(
        spread(
            Text(
                "How long successes take",
                "From the creation of a payment to its last settled HTLC; the more it stands out, the more "
                f"payments. Good: a band below {QUICK_S:g} s. Hold invoices are the dots at the top.",
                "s",
            ),
            buckets,
            empty=f"no success, {NO_RULES}",
        ),
        10,
    )
    here.add(
        lines(
            Text(
                "Slow successes",
                f"Share of the successes that took more than {QUICK_S:g} s. The alert Slow begins where both are above "
                f"the dashed line, {SLOW_SHARE:.0%}. Good: near 0, hold invoices aside.",
                "percentunit",
            ),
            [
                Query(_longer(DURATION, QUICK_S, window), of)
                for window, of in (("30m", "30 minutes"), ("6h", "6 hours"))
            ],
            ((None, "transparent"), (SLOW_SHARE, ORANGE)),
            colors=SPANS,
            empty=f"no success, {NO_RULES}",
            every=_STEP,
        ),
        7,
    )
    here.add(
        lines(
            Text(
                "Slow path finding",
                f"Share of the payments of 10 minutes whose first HTLC took more than {FIRST_HTLC_S:g} s: path finding "
                f"and queueing in lnd. Dashed: where the alert PathFindingSlow begins, {FIRST_HTLC_SHARE:.0%}. Good: "
                "near 0.",
                "percentunit",
            ),
            [Query(_longer(FIRST_ATTEMPT, FIRST_HTLC_S, "10m"), "10 minutes")],
            ((None, "transparent"), (FIRST_HTLC_SHARE, ORANGE)),
            colors=SPANS,
            empty=f"no payments, {NO_RULES}",
            every=_STEP,
        ),
        7,
    )


def _longer(buckets: Sum, seconds: float, window: str) -> str:
    """Return the share that took longer than a bucket's bound; empty without any."""
    within, whole = (
        total(increase(buckets.record, exactly("le", le), window=window)) for le in (f"{seconds:.1f}", "+Inf")
    )
    return f"1 - {within} / ({whole} > 0)"


def money(here: Grid) -> None:
    """Add the panels on amounts and fees."""
    here.row("What goes out, and at what price?")
    for title, text, series in (
        (
            "Sent per hour",
            "Amounts delivered, fees not included. An alert tells when far more goes out than ever within a week.",
            SENT_BY_KIND,
        ),
        ("Fees paid per hour", "Routing fees of what succeeded, by kind.", FEES_BY_KIND),
    ):
        here.add(
            bars(
                Text(title, text, SATS),
                [Query(f"round({3600 / SAT:g} * {total(rate(series.record), 'kind')})", "{{kind}}")],
                colors=KINDS,
                empty=f"nothing sent, {NO_RULES}",
            ),
            8,
        )
    fees, sent = (total(increase(series.record, window="1h"), "kind") for series in (FEES_BY_KIND, SENT_BY_KIND))
    here.add(
        lines(
            Text(
                "Fee rate of the last hour",
                "Fees in millionths of what was sent, so that large payments weigh more. Good: as your limits say; "
                "1000 ppm is 0.1 %.",
                "suffix: ppm",
            ),
            [Query(f"1e6 * {fees} / ({sent} > 0)", "{{kind}}")],
            colors=KINDS,
            empty=f"nothing sent, {NO_RULES}",
            every=_STEP,
        ),
        8,
    )
