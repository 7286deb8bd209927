"""Incidents with payments that stay in flight."""

from exporter.payments.labels import NodeState
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.traffic import MINUTE, down, held, pays


@story(fires={"HtlcNearExpiry warning": 45}, only={"service": {"Stuck": 70}})
def htlc_near_expiry(node: VirtualNode) -> None:
    """An HTLC is held, and expires within a day."""
    pays(node, 0, 180)
    held(node, 100)


@story(
    fires={"HtlcNearExpiry warning": 45, "HtlcNearExpiry critical": 60},
    only={
        "home": {"NodeUnreachable": 110},
        "routing": {"NodeUnreachable": 110},
        "service": {"NodeUnreachable": 95, "Stuck": 70},
    },
    hours=4,
)
def htlc_expires_while_lnd_is_down(node: VirtualNode) -> None:
    """An HTLC is held that expires within hours, and lnd is stopped: it can't be settled in time."""
    pays(node, 0, 150)
    held(node, 40)
    node.chain_stops(150)
    down(node, 150, NodeState.UNREACHABLE)


@story(
    fires={"HtlcNearExpiry warning": 45, "HtlcNearExpiry critical": 45, "HtlcExpired": 120},
    only={"service": {"Stuck": 70}},
    hours=4,
)
def htlc_expired(node: VirtualNode) -> None:
    """An HTLC is held until after its expiry."""
    pays(node, 0, 240)
    held(node, 8)


@story(only={"service": {"Stuck": 70}})
def held_for_hours(node: VirtualNode) -> None:
    """A hold invoice is held for hours, with a thousand blocks to go."""
    pays(node, 0, 180)
    held(node, 1000)


@story(fires={"Stuck": 6}, hours=2, begins_min=0)
def held_for_a_day(node: VirtualNode) -> None:
    """A hold invoice is held for more than a day."""
    held(node, 1000, at_min=-1440)


@story(fires={"Stalled": 45}, hours=1.9)
def stalled(node: VirtualNode) -> None:
    """SendToRoute leaves a payment in flight without any HTLC."""
    pays(node, 0, 114)
    node.play(60 * MINUTE, node.scenarios.stuck())


@story(fires={"GhostHtlcs": 20}, only={"service": {"Stuck": 70}})
def htlc_on_no_channel(node: VirtualNode) -> None:
    """lnd forgets the HTLC of a payment, which stays in flight; channels are listed every five minutes."""
    pays(node, 0, 180)
    held(node, 1000)
    for at_min in range(0, 180, 5):
        node.at(at_min * MINUTE + 1, node.list_empty_channels)


@story(fires={"ManyPending": 35}, hours=28, begins_min=26 * 60, metrics=("in_flight", "node_up"))
def many_pending(node: VirtualNode) -> None:
    """A node on the route holds HTLCs for 40 minutes."""
    pays(node, 0, 28 * 60, 0.2)
    pays(node, 26 * 60, 26.5 * 60, 1, lambda node: node.scenarios.success(resolve_s=40 * MINUTE))


@story(fires={"LateSuccess": 12})
def late_success(node: VirtualNode) -> None:
    """A held HTLC is settled after its payment was given up."""
    pays(node, 0, 180)
    node.play(60 * MINUTE, node.scenarios.held_then_settled(240))
