"""The panels of the second dashboard on failed HTLCs: codes, failing nodes."""

from dashboards.graphs import bars, spread
from dashboards.layout import Grid
from dashboards.panel import Query, Text
from dashboards.query import NO_RULES, PURPOSE, increase, rate, total
from dashboards.tables import Column, matrix
from dashboards.words import SOURCES
from exporter.payments.labels import FailureSource
from exporter.rules.boards import ATTEMPTS, HTLCS_FAILED


def attempts(here: Grid) -> None:
    """Add the panels on failure codes and on the nodes that fail attempts."""
    here.row("3. Which HTLCs fail, and who fails them?")
    here.add(
        matrix(
            Text(
                "HTLC failures: code by who failed it",
                "Attempts that failed within the time shown. self with temporary_channel_failure: own channels lack "
                "balance. first_hop: a peer does. intermediate: the network, which is normal. `lnd-payments-exporter "
                "ended --failed --since=1h` tells of each payment who failed its last attempt, `why HASH` of all.",
                "locale",
            ),
            f"{total(increase(HTLCS_FAILED.record, PURPOSE), 'code', 'source')} > 0",
            Column("code", "Code", "string", width=320),
            "source",
            [*FailureSource],
            empty=f"no failed HTLCs, {NO_RULES}",
        ),
        24,
        7,
    )
    here.add(
        bars(
            Text(
                "HTLC failures per minute, by who failed it",
                "Good: mostly intermediate. A rise of self or first_hop is a matter of this node.",
                "short",
            ),
            [Query(f"60 * {total(rate(HTLCS_FAILED.record, PURPOSE), 'source')}", "{{source}}")],
            colors=SOURCES,
            empty=f"no failed HTLCs, {NO_RULES}",
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
            f"sum by (le) ({rate(ATTEMPTS.record, PURPOSE)})",
            empty=f"no payments, or --metrics.without=attempt-histograms, {NO_RULES}",
        ),
        12,
    )
