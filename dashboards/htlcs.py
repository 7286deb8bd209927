"""The panels of the second dashboard on failed HTLCs: codes, failing nodes."""

from dashboards.graphs import bars, spread
from dashboards.layout import Grid
from dashboards.panel import Query, Text
from dashboards.query import PURPOSE, increase, rate, total
from dashboards.tables import MARKED, crossed
from dashboards.words import SOURCES
from deploy.prometheus.rule import exactly
from exporter.payments.labels import FailureSource


def attempts(here: Grid) -> None:
    """Add the panels on failure codes and on the nodes that fail attempts."""
    here.row("3. Which HTLCs fail, and who fails them?")
    failed = "htlc_attempts_failed_total"
    sources = {
        source.value: total(increase(failed, PURPOSE, exactly("source", source)), "code")
        for source in FailureSource
        if source is not FailureSource.UNKNOWN
    }
    here.add(
        crossed(
            Text(
                "HTLC failures: code by who failed it",
                "Attempts that failed within the time shown. self with temporary_channel_failure: own channels lack "
                "balance. first_hop: a peer does. intermediate: the network, which is normal. `lnd-payments-exporter "
                "ended --failed --since=1h` tells of each payment who failed its last attempt, `why HASH` of all.",
                "locale",
            ),
            {"All": total(increase(failed, PURPOSE), "code"), **sources},
            "code",
            "Code",
            steps=MARKED,
            width=320,
        ),
        24,
        9,
    )
    here.add(
        bars(
            Text(
                "HTLC failures per minute, by who failed it",
                "Good: mostly intermediate. A rise of self or first_hop is a matter of this node.",
                "short",
            ),
            [Query(f"60 * {total(rate(failed, PURPOSE), 'source')}", "{{source}}")],
            colors=SOURCES,
        ),
        12,
    )
    here.add(
        spread(
            Text(
                "HTLC attempts per payment",
                "Of finished payments of which all were seen; the more it stands out, the more payments. Good: 1 to "
                "3. 0: nothing was ever sent.",
                "short",
            ),
            f"sum by (le) ({rate('htlc_attempts_per_payment_bucket', PURPOSE)})",
        ),
        12,
    )
