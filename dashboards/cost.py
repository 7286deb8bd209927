"""The panels of the first dashboard on the duration and the cost of payments."""

from dashboards.flight import AGES, by_age
from dashboards.graphs import areas, bars, lines, spread
from dashboards.layout import Grid
from dashboards.panel import RED, Query, Text
from dashboards.query import (
    BAD,
    COUNTED,
    FIRST_HTLC_S,
    FIRST_HTLC_SHARE,
    QUICK_S,
    SAT,
    SUCCEEDED,
    increase,
    rate,
    total,
)
from dashboards.words import KINDS, REASONS


def speed(here: Grid) -> None:
    """Add the panels on the duration of successes and of path finding."""
    here.row("How fast?")
    buckets = rate("duration_seconds_bucket", *SUCCEEDED)
    here.add(
        spread(
            Text(
                "How long successes take",
                "From the creation of a payment to its last settled HTLC; the more it stands out, the more "
                f"payments. Good: a band below {QUICK_S:g} s. Hold invoices are the dots at the top.",
                "s",
            ),
            f"sum by (le) ({buckets})",
        ),
        12,
    )
    quantiles = [
        Query(f"histogram_quantile({q}, sum by (le) ({buckets}))", f"{round(q * 100)} % are faster")
        for q in (0.5, 0.95)
    ]
    here.add(
        lines(
            Text(
                "Duration of successes",
                f"Half, and nearly all, of the successful payments were faster. Good: 95 % below {QUICK_S:g} s, "
                "the dashed line. Empty where nothing succeeded.",
                "s",
            ),
            quantiles,
            ((None, "transparent"), (QUICK_S, RED)),
            every="5m",
        ),
        6,
    )
    first = rate("first_attempt_seconds_bucket")
    here.add(
        lines(
            Text(
                "Time to the first HTLC",
                "From the creation of a payment to its first attempt: path finding and queueing in lnd. Good: below "
                f"0.5 s; an alert tells when more than {FIRST_HTLC_SHARE:.0%} take {FIRST_HTLC_S:g} s, the dashed "
                "line.",
                "s",
            ),
            [Query(f"histogram_quantile(0.95, sum by (le) ({first}))", "95 % are faster")],
            ((None, "transparent"), (FIRST_HTLC_S, RED)),
            every="5m",
        ),
        6,
    )


def money(here: Grid) -> None:
    """Add the panels on amounts, fees and payments in flight."""
    here.row("What goes out, and at what price?")
    hour = 3600 / SAT
    here.add(
        bars(
            Text(
                "Sent, sat per hour",
                "Amounts delivered, fees not included. An alert tells when far more goes out than ever within a week.",
                "locale",
            ),
            [Query(f"{hour:g} * {total(rate('sent_msat_total'), 'kind')}", "{{kind}}")],
            colors=KINDS,
        ),
        8,
    )
    here.add(
        bars(
            Text("Fees paid, sat per hour", "Routing fees of what succeeded, by kind.", "locale"),
            [Query(f"{hour:g} * {total(rate('fees_msat_total'), 'kind')}", "{{kind}}")],
            colors=KINDS,
        ),
        8,
    )
    fees, sent = (total(increase(name, window="1h"), "kind") for name in ("fees_msat_total", "sent_msat_total"))
    here.add(
        lines(
            Text(
                "Fee rate, ppm of the volume",
                "Fees of the last hour in millionths of what was sent, so that large payments weigh more. Good: as "
                "your limits say; 1000 ppm is 0.1 %.",
                "suffix: ppm",
            ),
            [Query(f"1e6 * {fees} / clamp_min({sent}, 1)", "{{kind}}")],
            colors=KINDS,
        ),
        8,
    )
    here.add(
        areas(
            Text(
                "In flight by age",
                "Payments that have not ended, by how long ago they began. Good: nothing older than 10 minutes, hold "
                "invoices aside.",
                "short",
            ),
            by_age(),
            colors=AGES,
        ),
        12,
    )
    here.add(
        bars(
            Text(
                "Bad payments per minute, by reason",
                "Those that count against the success rate. Why they fail tells more; `lnd-payments-exporter ended "
                "--failed --since=1h` lists them, `why HASH` explains one.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_total', COUNTED, BAD), 'reason')}", "{{reason}}")],
            colors=REASONS,
        ),
        12,
    )
