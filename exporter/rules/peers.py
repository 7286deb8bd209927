"""The alert on peers that fail, and its recorded series: one for each of many peers, so they are evaluated seldom."""

from exporter.payments.labels import PeerOutcome
from exporter.payments.peers import FORMER_PEERS, OTHER_PEERS
from exporter.rules.days import SLOWLY
from exporter.rules.recording import present
from exporter.rules.rule import NODE, PREFIX, SHARE, Alert, Group, Recording, Selector, exactly, one_of, ratio
from exporter.rules.thresholds import Share
from exporter.rules.values import Values

NAME = "PeerFails"
PEER_ATTEMPTS = "instance_node_peer:lnd_payments_peer_htlc_attempts_total:sum"
PEER_BLAMED = "instance_node_peer:lnd_payments_peer_htlc_attempts_blamed_total:sum"
"""Those that failed in the channel with the peer, or at the peer itself."""
PEER_BLAMED_SHARE = "instance_node_peer:lnd_payments_peer_htlc_attempts_blamed:ratio30m"
"""Their share; of peers with at least half as many attempts as `PeerFails` needs."""


def peers(values: Values) -> Group:
    """Return the alert on failing peers and the recordings that it needs."""
    s = Selector(values)
    return Group("peers", [*_sums(s, values), _peer(s, values.alerts.peer_fails)], interval=SLOWLY)


def _sums(s: Selector, values: Values) -> list[Recording]:
    """Return the recordings."""
    enough = values.alerts.peer_fails.at_least
    attempts, known = "peer_htlc_attempts_total", f'peer!~"{OTHER_PEERS}|{FORMER_PEERS}"'
    blamed = one_of("outcome", (PeerOutcome.FAILED_HERE, PeerOutcome.FAILED_AT_PEER))
    return [
        Recording(PEER_ATTEMPTS, f"sum without (outcome) ({s(attempts, known)})"),
        Recording(PEER_BLAMED, f"sum without (outcome) ({s(attempts, known, blamed)})"),
        Recording(
            PEER_BLAMED_SHARE,
            f"increase({s(PEER_BLAMED)}[30m]) / (increase({s(PEER_ATTEMPTS)}[30m]) >= {enough / 2:g})",
        ),
    ]


def _peer(s: Selector, given: Share) -> Alert:
    """Return the alert on a failing peer. Its text has the alias, if it is known; a label would change with the alias.

    The share of the last 30 minutes says that it fails, that of the last 10 minutes ends the alert soon after the peer
    has recovered. No attempts within 10 minutes are no recovery: lnd avoids peers that fail. It needs
    `at_least` attempts to begin and half as many to go on, because their number may be about `at_least` for long.
    """
    limit = ratio(given.percent)

    def lately(total: str) -> str:
        """Return the raw difference, which reads two samples of each of the many peers."""
        return f"({s(total)} - {s(total)} offset 10m)"

    by = "on (job, instance, node, peer)"
    info = "lnd_payments_peer_info{job=%q,instance=%q,node=%q,peer=%q}"
    query = f"printf `{info}` $labels.job $labels.instance $labels.node $labels.peer | query"
    alias = (
        f'{{{{ with {query} }}}}{{{{ . | first | label "alias" }}}}{{{{ else }}}}{{{{ $labels.peer }}}}{{{{ end }}}}'
    )
    return Alert(
        NAME,
        given.severity,
        f"""
        {s(PEER_BLAMED_SHARE)} > {limit}
        and {by} {lately(PEER_BLAMED)} >= {limit} * {lately(PEER_ATTEMPTS)}
        and {by} (
          increase({s(PEER_ATTEMPTS)}[30m]) >= {given.at_least}
          or {by} ALERTS{{{exactly("alertname", f"{PREFIX}{NAME}")}}}
        )
        {present(s, "30m")}
        """,
        f"{NODE}: {SHARE} of HTLCs through {alias} fail there",
        f"""Over the last 30 minutes, and over the last 10, more than {given.percent:g} % of the HTLC attempts through
        this direct peer failed in the channel with it, or at the peer itself, not somewhere behind it. Peer:
        {{{{ $labels.peer }}}}""",
        "failures",
        keep_firing_for="10m",
    )
