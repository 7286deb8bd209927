"""Alerts on the node: its state, its channels, its chain, its certificate."""

from exporter.payments.labels import ChannelState, NodeState
from exporter.rules.away import BLOCKS_LEFT
from exporter.rules.liquidity import liquidity
from exporter.rules.rule import (
    NODE,
    NODES_OF_A_JOB,
    PER_NODE,
    Alert,
    Group,
    Selector,
    exactly,
    one_of,
    troubles,
    unless_down,
)
from exporter.rules.thresholds import Lasting, Severity
from exporter.rules.values import Values


def node(values: Values) -> Group:
    """Return the alerts on the node's channels, chain and certificate; `down` has those on its state."""
    s = Selector(values)
    return Group(
        "node",
        [
            _no_active_channel(s, values),
            *liquidity(s, values),
            *_chain(s, values),
            *_certificate(s, values),
        ],
    )


def states(s: Selector, values: Values) -> list[Alert]:
    """Return the alerts on nodes that can't be asked; each mutes the alerts that only follow from that."""

    def state(name: str, given: Lasting, states: tuple[NodeState, ...], what: str, why: str) -> Alert:
        expr = f"{s('node_state', one_of('state', states))} == 1"
        return Alert(name, given.severity, expr, f"{NODE}: {what}", why, "node", for_=f"{given.minutes}m")

    given = values.alerts
    not_let_in = [
        state(
            "AccessDenied",
            given.access_denied,
            (NodeState.DENIED,),
            "lnd refuses the exporter's macaroon",
            """The macaroon was revoked, lacks a permission, or can't be read: payments go on unseen. The landing page
            of the exporter says which.""",
        ),
        state(
            "WrongNode",
            given.wrong_node,
            (NodeState.WRONG_NODE,),
            "another node answers under this name",
            """The identity key behind this address is not the one whose payments were counted so far: nothing is
            counted. Was the address changed, or the node set up anew?""",
        ),
    ]
    return [
        state(
            "WalletLocked",
            given.wallet_locked,
            (NodeState.LOCKED,),
            "the wallet of lnd is locked",
            """lnd was restarted and waits for its password: no payment can be made, and held HTLCs are not watched.
            `lncli unlock`, or wallet-unlock-password-file in lnd.conf.""",
        ),
        *troubles(values, not_let_in),
        state(
            "NodeUnreachable",
            given.node_unreachable,
            (NodeState.UNREACHABLE,),
            "lnd can't be reached",
            """No connection to lnd, or one that isn't trusted: lnd is down, the network is, or its certificate is
            another one: a new one, or, with tlsencryptkey in lnd.conf, the temporary one of a wallet that is locked.
            The landing page of the exporter says which; `lncli state`, if the wallet is locked.""",
        ),
        state(
            "StartingForLong",
            given.starting_for_long,
            (NodeState.STARTING, NodeState.NO_WALLET),
            f"lnd has been starting for {given.starting_for_long.minutes} minutes",
            """lnd answers, but accepts no calls: it opens, migrates or compacts its databases, or waits for a wallet to
            be created. Its log says which.""",
        ),
    ]


def _no_active_channel(s: Selector, values: Values) -> Alert:
    """Return the alert on inactive channels; it also covers nodes without payments, whose peers may close channels."""
    given = values.alerts.no_active_channel

    def channels(state: ChannelState) -> str:
        return f"sum without (state) ({s('node_channels', exactly('state', state))})"

    return Alert(
        "NoActiveChannel",
        given.severity,
        f"""
        {channels(ChannelState.INACTIVE)} > 0
        and {channels(ChannelState.ACTIVE)} == 0
        {unless_down(s)}
        """,
        f"{NODE}: all {{{{ $value }}}} channels are inactive",
        """No peer is connected, so nothing can be paid or received. When all are gone at once it is this node's own
        network: Tor, VPN, firewall.""",
        "node",
        for_=f"{given.minutes}m",
        keep_firing_for="5m",
    )


def _chain(s: Selector, values: Values) -> list[Alert]:
    given = values.alerts.chain_stalls
    near = values.alerts.htlc_near_expiry.warning_blocks
    age = f"time() - {s('node_best_header_timestamp_seconds')}"
    stalls = f"""(
          {age}
          and {PER_NODE} ({s("node_synced_to_chain")} == 0 or {age} > {given.header_hours * 3600:g})
          {unless_down(s)}
        )"""
    what = f"""lnd says that it is not synced to the chain, or its newest block is older than {given.header_hours:g} h
            (it is {{{{ $value | humanizeDuration }}}} old)"""

    def alert(severity: Severity, expr: str, description: str) -> Alert:
        summary = f"{NODE}: lnd doesn't follow the chain"
        return Alert(
            "ChainStalls", severity, expr, summary, description, "node", for_=f"{given.minutes}m", keep_firing_for="10m"
        )

    return [
        alert(
            Severity.WARNING,
            stalls,
            f"""{what}. New payments may fail, and the blocks left of held HTLCs are only estimated. Look at bitcoind,
            btcd or Neutrino.""",
        ),
        alert(
            Severity.CRITICAL,
            f"{stalls} and {NODES_OF_A_JOB} {s(BLOCKS_LEFT)} < {near}",
            f"""{what}, while an HTLC is held that expires in fewer than {near} blocks: lnd will not see that in time.
            Look at bitcoind, btcd or Neutrino now.""",
        ),
    ]


def _certificate(s: Selector, values: Values) -> list[Alert]:
    given = values.alerts.certificate_expires
    left = f"{s('node_certificate_expiry_timestamp_seconds')} - time()"
    when = "{{ if ge $value 0.0 }}expires in {{ $value | humanizeDuration }}{{ else }}has expired{{ end }}"

    def alert(severity: Severity, days: int) -> Alert:
        return Alert(
            "CertificateExpires",
            severity,
            f"{left} < {days} * 86400",
            f"{NODE}: lnd's TLS certificate {when}",
            """After that nobody can connect to lnd any more, neither this exporter nor the applications that pay. lnd
            makes a new one if it is started without tls.cert and tls.key. A restart locks the wallet. Copy the new
            tls.cert to all who have the old one.""",
            "node",
            for_="5m",
        )

    return [alert(Severity.WARNING, given.warning_days), alert(Severity.CRITICAL, given.critical_days)]


def number_of_channels(state: ChannelState) -> str:
    """Return a template that queries the number of channels in a state, for the text of an alert."""
    series = f'lnd_payments_node_channels{{job=%q,instance=%q,node=%q,state=\\"{state}\\"}}'
    call = f'printf "{series}" $labels.job $labels.instance $labels.node | query'
    return f"{{{{ with {call} }}}}{{{{ . | first | value }}}}{{{{ else }}}}?{{{{ end }}}}"
