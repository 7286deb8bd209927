"""Quiet times: no alert fires."""

from exporter.payments.labels import NodeState
from exporter.simulator.mutation import Scenario
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.targets import BOTH
from tests.incidents.traffic import MINUTE, away, down, offline, pays


@story(hours=7)
def idle_node(node: VirtualNode) -> None:
    """A node that makes no payments."""
    del node


@story(hours=7)
def busy_node(node: VirtualNode) -> None:
    """A healthy busy node, through the morning."""
    pays(node, 0, 420, 2, rhythm=True)


@story(hours=14)
def home_node(node: VirtualNode) -> None:
    """A node at home, five payments a day."""
    for hour in (1, 4, 5, 10, 13):
        node.play(hour * 60 * MINUTE, node.scenarios.success(node.chance.randrange(1, 90) * 1_000_000))


@story(hours=6)
def probes_and_rebalances(node: VirtualNode) -> None:
    """A healthy node that also probes and rebalances."""
    pays(node, 0, 360, 2)
    pays(node, 0, 360, 0.3, lambda node: node.scenarios.probe())
    pays(node, 0, 360, 0.3, lambda node: node.scenarios.rebalance_without_route())
    pays(node, 0, 360, 0.3, lambda node: node.scenarios.rebalance())


@story(hours=7)
def one_failure_at_night(node: VirtualNode) -> None:
    """One payment fails in a quiet night."""
    node.play(60 * MINUTE, node.scenarios.success())
    node.play(180 * MINUTE, node.scenarios.route_fails())


@story()
def short_restart(node: VirtualNode) -> None:
    """lnd is restarted, away for two minutes."""
    pays(node, 0, 60)
    down(node, 60, NodeState.UNREACHABLE, 62)
    pays(node, 62.5, 180)


@story()
def peers_come_back(node: VirtualNode) -> None:
    """lnd is restarted; its peers are back after eight minutes."""
    down(node, 60, NodeState.UNREACHABLE, 61)
    offline(node, 61, 69)


@story(hours=4)
def hold_invoices(node: VirtualNode) -> None:
    """Hold invoices, held for twenty minutes and settled."""
    pays(node, 0, 240)
    pays(node, 60, 180, 0.1, lambda node: node.scenarios.success(resolve_s=20 * MINUTE))


@story(hours=4)
def larger_amounts(node: VirtualNode) -> None:
    """Amounts grow: from now on mostly above 1M sat, of which more fail."""

    def large(node: VirtualNode) -> Scenario:
        value = node.chance.randrange(1_000, 4_000) * 1_000_000
        return node.scenarios.route_fails(value) if node.chance.random() < 0.15 else node.scenarios.success(value)

    pays(node, 0, 60, 1)
    pays(node, 60, 240, 1, large)


@story(hours=4, layouts=BOTH)
def exporter_restarted_after_a_held_htlc(node: VirtualNode) -> None:
    """An HTLC was held, far from its expiry, and settled; later the exporter is away for four minutes."""
    node.play(10 * MINUTE, node.scenarios.success(resolve_s=50 * MINUTE))
    pays(node, 0, 240, 1)
    away(node, 200, 204)


@story(hours=5)
def unlocked_in_time(node: VirtualNode) -> None:
    """lnd is locked for four minutes; a payment ends while it comes up."""
    pays(node, 0, 60)
    node.play(59.9 * MINUTE, node.scenarios.success(resolve_s=180))
    down(node, 60, NodeState.LOCKED, 64)
    pays(node, 65, 300)


@story(hours=5 * 24, begins_min=0, metrics=("in_flight", "node_up"))
def held_every_evening(node: VirtualNode) -> None:
    """Every evening for two hours payments are held for twenty minutes."""
    for day in range(5):
        begin_min = (day * 24 + 18) * 60
        pays(node, begin_min, begin_min + 120, 1, lambda node: node.scenarios.success(resolve_s=20 * MINUTE))


@story(
    hours=8,
    begins_min=0,
    metrics=(
        "held_earliest_expiry_height",
        "node_block_height",
        "node_best_header_timestamp_seconds",
        "node_up",
        "stream_up",
        "in_flight",
    ),
    layouts=BOTH,
)
def moved_with_a_held_htlc(node: VirtualNode) -> None:
    """The exporter is started elsewhere while an HTLC is held; it is settled long before its expiry."""
    node.play(10 * MINUTE, node.scenarios.success(resolve_s=50 * MINUTE))
    node.at(45 * MINUTE, lambda: node.move("elsewhere:10019"))
