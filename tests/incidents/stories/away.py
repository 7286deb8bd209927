"""Incidents of the node and its chain, and unusual amounts."""

from dataclasses import replace

from exporter.payments.labels import NodeState
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.traffic import MINUTE, down, drained, held, pays, strange


@story(fires={"WalletLocked": 6})
def wallet_locked(node: VirtualNode) -> None:
    """lnd was restarted and waits for its password."""
    pays(node, 0, 60)
    down(node, 60, NodeState.LOCKED, 120)
    pays(node, 121, 180)


@story(fires={"AccessDenied": 6})
def macaroon_revoked(node: VirtualNode) -> None:
    """The exporter's macaroon is revoked."""
    pays(node, 0, 60)
    down(node, 60, NodeState.DENIED, 120)
    pays(node, 121, 180)


@story(fires={"WrongNode": 6})
def wrong_node(node: VirtualNode) -> None:
    """Another node answers at the address."""
    pays(node, 0, 60)
    down(node, 60, NodeState.WRONG_NODE, 120)
    pays(node, 121, 180)


@story(fires={"NodeUnreachable": 16}, only={"service": {"NodeUnreachable": 4}})
def nodedown(node: VirtualNode) -> None:
    """lnd is down for an hour."""
    pays(node, 0, 60)
    down(node, 60, NodeState.UNREACHABLE, 120)
    pays(node, 121, 180)


@story(fires={"StartingForLong": 61}, hours=4)
def starting(node: VirtualNode) -> None:
    """lnd waits for its chain backend for two hours."""
    pays(node, 0, 60)
    down(node, 60, NodeState.STARTING, 180)
    pays(node, 181, 240)


@story(fires={"ChainStalls warning": 150}, hours=5)
def chain_stalls(node: VirtualNode) -> None:
    """The chain backend stops: no new block."""
    pays(node, 0, 300, 1)
    node.chain_stops(60)


@story(
    fires={"ChainStalls warning": 80, "ChainStalls critical": 80, "HtlcNearExpiry warning": 45},
    only={"service": {"Stuck": 70}},
)
def chain_stalls_with_held_htlc(node: VirtualNode) -> None:
    """lnd loses sync while an HTLC is held that expires within a day."""
    pays(node, 0, 180, 1)
    held(node, 120)

    def unsynced() -> None:
        assert node.status.info is not None
        node.set(info=replace(node.status.info, synced_to_chain=False))

    node.at(110 * MINUTE, unsynced)


@story(fires={"CertificateExpires warning": 6, "CertificateExpires critical": 6})
def certificate_expires(node: VirtualNode) -> None:
    """lnd's certificate expires in two days."""
    pays(node, 0, 180, 1)
    node.at(60 * MINUTE, lambda: node.certificate_for(2))


@story(fires={"CertificateExpires warning": 6})
def certificate_nears_its_end(node: VirtualNode) -> None:
    """lnd's certificate expires in two weeks."""
    pays(node, 0, 180, 1)
    node.at(60 * MINUTE, lambda: node.certificate_for(14))


@story(fires={"Outflow": 30}, hours=28, begins_min=26 * 60, metrics=("sent_msat_total", "node_up", "stream_up"))
def outflow(node: VirtualNode) -> None:
    """The node is being emptied: forty times the usual volume."""
    pays(node, 0, 28 * 60, 0.2, lambda node: node.scenarios.success(20_000_000))
    pays(node, 26 * 60, 27 * 60, 1, lambda node: node.scenarios.success(400_000_000))


@story(fires={"FeeBudget": 60}, values={"alerts": {"FeeBudget": {"sat": {"rebalance": 1000}}}})
def fee_loop(node: VirtualNode) -> None:
    """A tool rebalances in a circle, at any price."""
    pays(node, 0, 180)
    pays(node, 60, 120, 1, lambda node: node.scenarios.rebalance(900_000_000))


@story(
    fires={"NodeUnreachable": 16, "LateSuccess": 185, "UnknownReasons": 185, "ErrorBudget": 190},
    only={"service": {"NodeUnreachable": 4}},
    hours=5,
)
def failures_while_lnd_cannot_be_reached(node: VirtualNode) -> None:
    """lnd can't be reached for three hours; payments fail meanwhile, and succeed when it is back."""
    pays(node, 0, 60)
    pays(node, 60, 230, scenario=drained)
    pays(node, 230, 300)
    node.play(70 * MINUTE, node.scenarios.held_then_settled(240))
    node.play(80 * MINUTE, strange(node))
    down(node, 60, NodeState.UNREACHABLE, 240)


@story(
    fires={
        "NodeUnreachable": 16,
        "Outage": 190,
        "OwnLiquidity": 195,
        "FailFast": 215,
        "FailSlowly": 235,
        "ErrorBudget": 190,
        "PeerFails": 220,
    },
    only={"service": {"NodeUnreachable": 4}},
    several=("PeerFails",),
    hours=5,
)
def still_failing_after_an_absence(node: VirtualNode) -> None:
    """lnd can't be reached for three hours; payments fail meanwhile, and still do when it is back."""
    pays(node, 0, 60)
    pays(node, 60, 300, scenario=drained)
    down(node, 60, NodeState.UNREACHABLE, 240)
