"""The panels of the second dashboard on failed HTLCs: codes, failing nodes, peers."""

from dashboards.graphs import bars, spread
from dashboards.layout import Grid
from dashboards.panel import GREEN, RED, Query, Text
from dashboards.query import BLAMED, BLAMED_LEAST, BLAMED_WINDOW, NODE, PURPOSE, SAT, increase, m, rate, total
from dashboards.tables import MARKED, Column, crossed, grid
from deploy.prometheus.rule import exactly
from exporter.payments.labels import FailureSource, PeerOutcome


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
                "balance. first_hop: a peer does. intermediate: the network, which is normal.",
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


def peers(here: Grid) -> None:
    """Add the panels on direct peers and locked liquidity, of all purposes: these metrics have no label `purpose`."""
    here.row("4. Through which peer, and at what cost? All purposes, whatever is chosen above")
    _peers(here)
    _locked(here)


def _peers(here: Grid) -> None:
    attempts, at_fault = "peer_htlc_attempts_total", 'outcome=~"failed_here|failed_at_peer"'
    has_place = 'peer!="former"'  # counts that moved there are from an earlier time

    def ended(outcome: str) -> str:
        return total(increase(attempts, has_place, exactly("outcome", outcome)), "peer")

    def lately(*matchers: str) -> str:
        return total(increase(attempts, 'peer!~"other|former"', *matchers, window=BLAMED_WINDOW), *NODE, "peer")

    everything = total(increase(attempts, has_place), "peer")
    blamed = f"max by (peer) ({lately(at_fault)} / ({lately()} >= {BLAMED_LEAST}))"
    here.add(
        grid(
            Text(
                "Direct peers",
                "HTLC attempts within the time shown by the first hop. Blamed: the share that failed in our channel "
                "with the peer or by the peer itself, not somewhere behind it, within the last 30 minutes, as the "
                f"alert sees it. Good: below {BLAMED:.0%}. few: fewer than {BLAMED_LEAST} attempts.",
                "short",
            ),
            [
                Query(total(m("peer_info"), "peer", "alias")),
                Query(everything),
                *(Query(ended(outcome)) for outcome in PeerOutcome),
                Query(f"{blamed} or NaN * {everything}"),
                Query(f"{total(increase('peer_sent_msat_total', has_place), 'peer')} / {SAT}"),
            ],
            [
                Column("alias", "Peer", "string"),
                Column("peer", "Key", "string"),
                Column("Value #B", "Attempts", "short", decimals=0),
                Column("Value #C", "Settled", "short", decimals=0),
                Column("Value #D", "Failed here", "short", decimals=0),
                Column("Value #E", "Failed at peer", "short", decimals=0),
                Column("Value #F", "Failed beyond", "short", decimals=0),
                Column("Value #G", "Blamed, 30 min", "percentunit", ((None, GREEN), (BLAMED, RED)), 0, empty="few"),
                Column("Value #H", "Sent, sat", "locale", decimals=0),
            ],
            "peer",
            sort="Attempts",
            empty="no HTLC attempts yet",
        ),
        24,
        10,
    )


def _locked(here: Grid) -> None:
    locked = f"{total(rate('htlc_locked_msat_seconds_total'), 'outcome')} / {SAT}"
    here.add(
        bars(
            Text(
                "Liquidity locked, sat at any moment",
                "Average amount that HTLCs kept locked, by how they ended: what failures cost in liquidity. Good: "
                "failed is the small part.",
                "locale",
            ),
            [Query(locked, "{{outcome}}")],
            colors={"succeeded": GREEN, "failed": RED},
        ),
        24,
    )
