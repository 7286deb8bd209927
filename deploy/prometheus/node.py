"""Alerts on the node: its state, its chain, and money that goes where it never went."""

from deploy.prometheus.flight import FAR
from deploy.prometheus.recording import BLOCKS_LEFT, FINISHED, SENT_1H
from deploy.prometheus.rule import PER_NODE, Alert, Group, Selector, exactly, one_of
from deploy.prometheus.success import NODE
from deploy.prometheus.values import Severity, Values
from exporter.payments.labels import NodeState, Purpose

_SAT = 1000  # msat
_UNUSUAL_SAT = 1_000_000


def node(values: Values) -> Group:
    """A node that is away silences what only follows from that."""
    s = Selector(values)
    return Group("node", [*_states(s, values), *_chain(s), *_certificate(s)])


def traffic(values: Values) -> Group:
    """More or less than usual."""
    s = Selector(values)
    return Group("traffic", [_gone(s, values), _outflow(s, values), *_fees(s, values)])


def _states(s: Selector, values: Values) -> list[Alert]:
    def state(name: str, severity: Severity, lasts: str, states: tuple[NodeState, ...], what: str, why: str) -> Alert:
        expr = f"{s('node_state', one_of('state', states))} == 1"
        return Alert(name, severity, expr, f"{NODE}: {what}", why, "node", lasts=lasts)

    return [
        state(
            "WalletLocked",
            Severity.CRITICAL,
            "5m",
            (NodeState.LOCKED,),
            "the wallet of lnd is locked",
            """lnd was restarted and waits for its password: no payment can be made, and held HTLCs are not watched.
            `lncli unlock`, or wallet-unlock-password-file in lnd.conf.""",
        ),
        state(
            "AccessDenied",
            Severity.CRITICAL,
            "5m",
            (NodeState.DENIED,),
            "lnd refuses the exporter's macaroon",
            """The macaroon was revoked, lacks a permission, or can't be read: payments go on unseen. The landing page
            of the exporter says which.""",
        ),
        state(
            "WrongNode",
            Severity.CRITICAL,
            "5m",
            (NodeState.WRONG_NODE,),
            "another node answers under this name",
            """The identity key behind this address is not the one whose payments were counted so far: nothing is
            counted. Was the address changed, or the node set up anew?""",
        ),
        state(
            "NodeUnreachable",
            values.unreachable_severity,
            f"{values.unreachable_minutes}m",
            (NodeState.UNREACHABLE,),
            "lnd can't be reached",
            """No connection to lnd, or one that isn't trusted: lnd is down, the network is, or its certificate is
            another one. The landing page of the exporter says which.""",
        ),
        state(
            "StartingForLong",
            Severity.WARNING,
            "60m",
            (NodeState.STARTING, NodeState.NO_WALLET),
            "lnd has been starting for an hour",
            """lnd answers, but accepts no calls: it opens, migrates or compacts its databases, or waits for a wallet to
            be created. Its log says which.""",
        ),
    ]


def _chain(s: Selector) -> list[Alert]:
    stalls = f"""(
          {s("node_synced_to_chain")} == 0
          or time() - {s("node_best_header_timestamp_seconds")} > 7200
        ) {_unless_down(s)}"""

    def alert(severity: Severity, expr: str, description: str) -> Alert:
        summary = f"{NODE}: lnd doesn't follow the chain"
        return Alert("ChainStalls", severity, expr, summary, description, "node", lasts="15m", keeps="10m")

    return [
        alert(
            Severity.WARNING,
            stalls,
            """lnd is not synced to the chain, or its newest block is older than 2 hours. New payments may fail, and the
            blocks left of held HTLCs are only estimated. Look at bitcoind, btcd or Neutrino.""",
        ),
        alert(
            Severity.CRITICAL,
            f"({stalls}) and {PER_NODE} {s(BLOCKS_LEFT)} < {FAR}",
            """lnd is not synced to the chain, or its newest block is older than 2 hours, while an HTLC is held that
            expires within a day: lnd will not see that in time. Look at bitcoind, btcd or Neutrino now.""",
        ),
    ]


def _certificate(s: Selector) -> list[Alert]:
    left = f"{s('node_certificate_expiry_timestamp_seconds')} - time()"

    def alert(severity: Severity, days: int) -> Alert:
        return Alert(
            "CertificateExpires",
            severity,
            f"{left} < {days} * 86400",
            f"{NODE}: lnd's TLS certificate expires in {{{{ $value | humanizeDuration }}}}",
            """Then nobody can connect to lnd any more, this exporter least of all. lnd makes a new one when it is
            started without tls.cert and tls.key, or after their end; a restart locks the wallet. Give the new one to
            all who have the old one.""",
            "node",
            lasts="5m",
        )

    return [alert(Severity.WARNING, 21), alert(Severity.CRITICAL, 3)]


def _gone(s: Selector, values: Values) -> Alert:
    finished, pending = s(FINISHED), s("in_flight", exactly("purpose", Purpose.PAYMENT))
    return Alert(
        "TrafficGone",
        values.traffic_gone_severity,
        f"""
        (
          increase({finished}[1h] offset 1d) >= 10
          and increase({finished}[1h] offset 7d) >= 10
          and increase({finished}[1h]) == 0
          unless sum without (purpose, age) ({pending}) > 0
        ) {_unless_down(s)}
        """,
        f"{NODE}: no payment for an hour, where there were {{{{ $value | humanize }}}} yesterday",
        """lnd answers, and nobody asks it to pay: look at what makes the payments. At this time of day there were at
        least 10 an hour yesterday and a week ago.""",
        "overview",
        keeps="10m",
    )


def _outflow(s: Selector, values: Values) -> Alert:
    now = f"{s(SENT_1H)} / {_SAT}"
    before = f"max_over_time({s(SENT_1H)}[7d] offset 1h) / {_SAT}"
    return Alert(
        "Outflow",
        values.outflow_severity,
        f"""
        {now} > 4 * {before}
        and {now} > {_UNUSUAL_SAT}
        and last_over_time({s(SENT_1H)}[1h] offset 1d)
        unless {PER_NODE} min_over_time({s("stream_up")}[1h]) == 0
        """,
        f'{NODE}: {{{{ $value | printf "%.0f" }}}} sat were sent within an hour',
        """More than four times as much was sent within the last hour (rebalances aside) as in any hour of the last
        week, and more than 1,000,000 sat. If nobody meant to: this is also what a stolen macaroon looks like.""",
        "overview",
        keeps="10m",
    )


def _fees(s: Selector, values: Values) -> list[Alert]:
    return [
        Alert(
            "FeeBudget",
            Severity.WARNING,
            f"increase({s('fee_msat_sum', exactly('purpose', purpose))}[1d]) > {limit * _SAT}",
            f"{NODE}: more than {limit:,} sat of fees within a day for purpose `{purpose}`",
            """More was paid for routing within the last 24 hours than is set as the limit in values.yml. A tool that
            rebalances in a circle, at any price, looks like this.""",
            "overview",
            keeps="10m",
        )
        for purpose, limit in values.fee_budget_sat.items()
    ]


def _unless_down(s: Selector) -> str:
    """The end of an expression that a node that is down makes true, and for which it is no news."""
    return f"unless {PER_NODE} {s('node_up')} == 0"
