"""Six hours of four nodes: one healthy, one drained, one down with an HTLC near its expiry, one without exporter."""

import time
from collections.abc import Iterator

from exporter.metrics.names import ROWS
from exporter.payments.labels import NodeState
from exporter.simulator.mutation import Scenario
from tests.incidents.node import VirtualNode
from tests.incidents.traffic import MINUTE, SELF, TEMPORARY, down, held, pays

HOURS = 6
TO_S = int(time.time()) // 60 * 60
FROM_S = TO_S - HOURS * 3600
_END_MIN = HOURS * 60


def alice() -> VirtualNode:
    """Return a healthy node."""
    node = VirtualNode("alice", name="alice", rows=ROWS, begins_s=FROM_S)
    _day(node, 0, _END_MIN)
    return node


def bob() -> VirtualNode:
    """Return a node whose channels are drained from the fourth hour on."""

    def fails(node: VirtualNode) -> Scenario:
        return node.scenarios.route_fails(failures=((TEMPORARY, SELF),) * 2)

    node = VirtualNode("bob", name="bob", rows=ROWS, begins_s=FROM_S)
    _day(node, 0, 240)
    pays(node, 240, _END_MIN, 2, fails)
    pays(node, 240, _END_MIN, 0.6)
    return node


def carol() -> VirtualNode:
    """Return a node that stops in the fourth hour, while an HTLC is held."""
    node = VirtualNode("carol", name="carol", rows=ROWS, begins_s=FROM_S)
    _day(node, 0, 230)
    held(node, 60, at_min=60)
    held(node, 190, at_min=100)
    node.play(150 * MINUTE, node.scenarios.stuck())
    node.chain_stops(230)
    down(node, 230, NodeState.UNREACHABLE)
    return node


def dave() -> VirtualNode:
    """Return a node whose exporter stops in the fifth hour, while an HTLC is held."""
    node = VirtualNode("dave", name="dave", rows=ROWS, begins_s=FROM_S)
    _day(node, 0, 300)
    held(node, 400, at_min=60)
    node.at(300 * MINUTE, lambda: node.answer_scrapes(False))
    return node


NODES = (alice, bob, carol, dave)


def _day(node: VirtualNode, begin_min: float, end_min: float) -> None:
    """Schedule the payments, rebalances and probes of a node."""
    pays(node, begin_min, end_min, 2, rhythm=True)
    pays(node, begin_min, end_min, 0.1, lambda node: node.scenarios.keysend())
    pays(node, begin_min, end_min, 0.1, lambda node: node.scenarios.multi_part())
    pays(node, begin_min, end_min, 0.15, lambda node: node.scenarios.probe())
    pays(node, begin_min, end_min, 0.1, lambda node: node.scenarios.rebalance())
    pays(node, begin_min, end_min, 0.15, lambda node: node.scenarios.rebalance_without_route())
    pays(node, begin_min, end_min, 0.02, lambda node: node.scenarios.held_then_settled(50))


def exposition() -> Iterator[str]:
    """Return all nodes' samples as OpenMetrics, with the time of each scrape."""
    lines: dict[str, list[str]] = {}
    for make in NODES:
        node = make()
        node.run(HOURS * 3600)
        for metric, text in node.series.samples(FROM_S):
            lines.setdefault(metric, []).append(text)
    for metric in sorted(lines):
        yield from lines[metric]
    yield "# EOF\n"
