"""Six hours of five nodes: healthy, drained, down with an HTLC near its expiry, without exporter, with a bad peer."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.metrics.names import ROWS
from exporter.payments.event import NoRouteChecked
from exporter.payments.labels import Mode, NodeState, RouteCheck
from exporter.payments.node import Channels, PeerChannels
from exporter.simulator.mutation import Register, Scenario
from tests.incidents.node import VirtualNode
from tests.incidents.traffic import FIRST_HOP, MINUTE, SELF, TEMPORARY, down, held, moments, pays

HOURS = 6
LAST = 2
"""The node before the recipient, on the routes of three hops that payments take."""
TO_S = int(time.time()) // 60 * 60
FROM_S = TO_S - HOURS * 3600
_END_MIN = HOURS * 60
_VERSION = "0.20.0-beta commit=v0.20.0-beta"


def alice() -> VirtualNode:
    """Return a healthy node."""
    node = VirtualNode("alice", name="alice", rows=ROWS, begins_s=FROM_S)
    channels(node)
    day(node, 0, _END_MIN)
    return node


def bob() -> VirtualNode:
    """Return a node whose channels are drained from the fourth hour on, one peer offline; a recipient is, too."""

    def fails(node: VirtualNode) -> Scenario:
        return node.scenarios.route_fails(failures=((TEMPORARY, SELF),) * 2)

    def unreachable(node: VirtualNode) -> Scenario:
        while True:
            scenario = node.scenarios.route_fails(failures=((pb.Failure.UNKNOWN_NEXT_PEER, LAST),) * 2)
            sent = (step.mutation for step in scenario.steps)
            if any(isinstance(each, Register) and each.route.hops[-1].pub_key == exchange for each in sent):
                return scenario

    node = VirtualNode("bob", name="bob", rows=ROWS, begins_s=FROM_S)
    exchange, *others = (far.pubkey for far in node.world.far[:8])
    _destinations(node, {exchange: "exchange-a"} | dict.fromkeys(others[:4], "exchange-b") | {others[4]: "swaps"})
    channels(node)
    day(node, 0, 240)
    node.at(240 * MINUTE, lambda: channels(node, left=0.02, offline=1))
    pays(node, 180, _END_MIN, 0.3, unreachable)
    pays(node, 240, _END_MIN, 2, fails)
    pays(node, 240, _END_MIN, 0.6)
    pays(node, 240, _END_MIN, 0.2, lambda node: node.scenarios.no_route())
    pays(node, 240, _END_MIN, 0.4, _tried_again)
    _checked(node, 120, _END_MIN)
    return node


def carol() -> VirtualNode:
    """Return a node that stops in the fourth hour, while an HTLC is held."""
    node = VirtualNode("carol", name="carol", rows=ROWS, begins_s=FROM_S)
    channels(node)
    day(node, 0, 230)
    held(node, 60, at_min=60)
    held(node, 190, at_min=100)
    node.play(150 * MINUTE, node.scenarios.stuck())
    node.chain_stops(230)
    down(node, 230, NodeState.UNREACHABLE)
    return node


def dave() -> VirtualNode:
    """Return a node whose exporter stops in the fifth hour, while an HTLC is held."""
    node = VirtualNode("dave", name="dave", rows=ROWS, begins_s=FROM_S)
    channels(node)
    day(node, 0, 300)
    held(node, 400, at_min=60)
    node.at(300 * MINUTE, lambda: node.answer_scrapes(False))
    return node


def erin() -> VirtualNode:
    """Return a node with a peer that fails most HTLCs from the fourth hour on, while the others deliver."""
    node = VirtualNode("erin", name="erin", rows=ROWS, begins_s=FROM_S)
    bad = node.world.peers[1].node.pubkey

    def fails(node: VirtualNode) -> Scenario:
        scenario = node.scenarios.route_fails(failures=((TEMPORARY, FIRST_HOP),))
        for step in scenario.steps:
            if isinstance(step.mutation, Register):
                step.mutation.route.hops[0].pub_key = bad
        return scenario

    channels(node)
    day(node, 0, _END_MIN)
    pays(node, 240, _END_MIN, 1.5, fails)
    return node


NODES = (alice, bob, carol, dave, erin)


def _destinations(node: VirtualNode, groups: dict[str, str]) -> None:
    """Name groups of recipients, as a configuration does."""
    node.tracker.recipients.groups = groups
    node.ledger.destinations.use({*groups.values()})


def day(node: VirtualNode, begin_min: float, end_min: float) -> None:
    """Schedule the payments, rebalances and probes of a healthy node."""
    pays(node, begin_min, end_min, 2, rhythm=True)
    pays(node, begin_min, end_min, 0.1, lambda node: node.scenarios.keysend())
    pays(node, begin_min, end_min, 0.1, lambda node: node.scenarios.multi_part())
    pays(node, begin_min, end_min, 0.15, lambda node: node.scenarios.probe())
    pays(node, begin_min, end_min, 0.1, _circle)
    pays(node, begin_min, end_min, 0.15, lambda node: node.scenarios.rebalance_without_route())
    pays(node, begin_min, end_min, 0.02, lambda node: node.scenarios.held_then_settled(50))
    pays(node, begin_min, end_min, 0.01, _tried_again)


def _tried_again(node: VirtualNode) -> Scenario:
    """Return a payment that finds no route once or several times, and arrives when it is tried again."""
    failures = node.chance.choices((1, 2, 6), (12, 4, 1))[0]
    return node.scenarios.retried_hash(pause_s=node.chance.uniform(20, 300), failures=failures)


def _checked(node: VirtualNode, begin_min: float, end_min: float) -> None:
    """Let lnd be asked now and then why there was no route (`--lnd.explain-no-route`)."""
    found = {RouteCheck.FEE_LIMIT: 6, RouteCheck.TOO_LARGE: 2, RouteCheck.OWN_LIQUIDITY: 5, RouteCheck.NO_ROUTE: 1}
    for at_s in moments(node, begin_min, end_min, 0.15):
        verdict = node.chance.choices(list(found), list(found.values()))[0]
        node.at(at_s, lambda verdict=verdict: node.ledger.apply([NoRouteChecked(verdict)]))  # type: ignore[misc]


def _circle(node: VirtualNode) -> Scenario:
    """Return a rebalance that comes back through a peer."""
    scenario = node.scenarios.rebalance()
    for step in scenario.steps:
        if isinstance(step.mutation, Register):
            step.mutation.route.hops[-2].pub_key = node.chance.choice(node.world.peers).node.pubkey
    return scenario


def channels(node: VirtualNode, left: float = 1.0, offline: int = 0) -> None:
    """Set the channels: what is left of their balance, peers offline; every third accepts 30 HTLCs."""
    by_peer: dict[str, PeerChannels] = {}
    for place, peer in enumerate(node.world.peers):
        spendable, is_active = int(peer.spendable_msat * left), place >= offline
        by_peer[peer.node.pubkey] = PeerChannels(
            active=int(is_active),
            inactive=int(not is_active),
            spendable_msat=spendable * is_active,
            receivable_msat=(peer.local_sat + peer.remote_sat) * 1000 - spendable if is_active else 0,
            offered=place % 4,
            offered_limit=30 if place % 3 == 0 else peer.htlcs,
            offered_msat=place % 4 * 40_000_000,
            offered_msat_limit=(peer.local_sat + peer.remote_sat) * 990,
        )
    aliases = {peer.node.pubkey: peer.node.alias for peer in node.world.peers}
    node.set(channels=Channels(sum(one.spendable_msat for one in by_peer.values()), aliases, by_peer))
    if node.status.info is not None:
        up = len(by_peer) - offline
        info = replace(node.status.info, channels_active=up, channels_inactive=offline, synced_to_graph=True)
        node.set(info=replace(info, version=_VERSION, network="mainnet"), mode=Mode.FIREHOSE)


def write(directory: Path) -> Iterator[Path]:
    """Write all nodes' samples as OpenMetrics, with the time of each scrape; return the file."""
    lines: dict[str, list[str]] = {}
    for make in NODES:
        node = make()
        node.run(HOURS * 3600)
        for metric, text in node.series.samples(FROM_S):
            lines.setdefault(metric, []).append(text)
    with (directory / "metrics").open("w") as file:
        for metric in sorted(lines):
            file.writelines(lines[metric])
        file.write("# EOF\n")
    yield directory / "metrics"
