"""Less traffic than usual, and times in which little traffic is usual; most payments are only counted."""

import math

from exporter.payments.labels import NodeState
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.traffic import counted, down, pays

HOUR, DAY = 60, 24 * 60
BEGINS = 7 * DAY + 2 * HOUR
"""When the traffic changes: a week and two hours have passed."""
METRICS = ("succeeded_total", "failed_total", "recovered_total", "in_flight", "node_up", "stream_up")
NINE, FIVE = 9 * HOUR, 17 * HOUR


def _rhythm(at_min: int) -> float:
    """Return 25 payments a second, half more by day and half less by night."""
    return 1500 * (1 + 0.5 * math.sin(2 * math.pi * at_min / DAY))


@story(only={"service": {"TrafficGone": 10}}, hours=7 * 24 + 4, begins_min=BEGINS, metrics=METRICS)
def traffic_of_a_busy_node_gone(node: VirtualNode) -> None:
    """A node makes 25 payments a second for a week, then lnd gets no more requests to pay."""
    counted(node, 0, BEGINS, _rhythm)


@story(only={"service": {"TrafficGone": 10}}, hours=7 * 24 + 4, begins_min=BEGINS, metrics=METRICS)
def traffic_falls_by_nine_tenths(node: VirtualNode) -> None:
    """The same, but one in ten payments is still made."""
    counted(node, 0, BEGINS, _rhythm)
    counted(node, BEGINS, BEGINS + 2 * HOUR, lambda at_min: _rhythm(at_min) / 10)


@story(only={"service": {"TrafficGone": 25}}, hours=7 * 24 + 4, begins_min=BEGINS, metrics=METRICS)
def traffic_of_a_node_gone(node: VirtualNode) -> None:
    """A node makes three payments a minute for a week, then none."""
    counted(node, 0, BEGINS, lambda _: 3)


@story(only={"service": {"TrafficGone": 70}}, hours=7 * 24 + 4, begins_min=BEGINS, metrics=METRICS)
def traffic_of_a_small_node_gone(node: VirtualNode) -> None:
    """A node makes a payment every two minutes for a week, then none."""
    pays(node, 0, BEGINS, 0.5, lambda node: node.scenarios.success())


@story(only={"service": {"TrafficGone": 190}}, hours=7 * 24 + 6, begins_min=BEGINS, metrics=METRICS)
def traffic_of_a_very_small_node_gone(node: VirtualNode) -> None:
    """A node makes twelve payments an hour for a week, then none."""
    pays(node, 0, BEGINS, 0.2, lambda node: node.scenarios.success())


@story(
    fires={"ManyPending": 25},
    only={"service": {"TrafficGone": 15, "Stuck": 75}},
    hours=7 * 24 + 4,
    begins_min=BEGINS,
    metrics=METRICS,
)
def all_payments_hang(node: VirtualNode) -> None:
    """A node makes five payments a minute for a week, then all of them hang."""
    counted(node, 0, BEGINS, lambda _: 5)
    pays(node, BEGINS, BEGINS + 2 * HOUR, 5, lambda node: node.scenarios.success(resolve_s=DAY * 60))


@story(only={"service": {"TrafficGone": 190}}, hours=7 * 24 + 6, begins_min=BEGINS + 5, metrics=METRICS)
def batches_gone(node: VirtualNode) -> None:
    """Only pay-outs on the full hour, a hundred each time, for a week; then none."""
    counted(node, 0, BEGINS + 5, lambda at_min: 20 if at_min % HOUR < 5 else 0)


@story(hours=8 * 24, begins_min=0, metrics=METRICS)
def batches_come_late(node: VirtualNode) -> None:
    """Few payments, and pay-outs on the full hour: a week later ten minutes after it, then as before, then earlier."""

    def number(at_min: int) -> float:
        late_min = 10 if 7 * DAY < at_min < 7 * DAY + 6 * HOUR else -10 if at_min > 7 * DAY + 12 * HOUR else 0
        return 1 + (100 if (at_min - late_min) % HOUR < 5 else 0)

    counted(node, 0, 8 * DAY, number)


@story(hours=8 * 24, begins_min=0, metrics=METRICS)
def only_batches_and_they_come_late(node: VirtualNode) -> None:
    """Only pay-outs on the full hour; a week later some come ten minutes after it."""

    def number(at_min: int) -> float:
        late_min = 10 if at_min > 7 * DAY and at_min // HOUR % 3 == 1 else 0
        return 20 if 0 <= at_min % HOUR - late_min < 5 else 0

    counted(node, 0, 8 * DAY, number)


@story(hours=15 * 24, begins_min=0, metrics=METRICS)
def weekend(node: VirtualNode) -> None:
    """A shop that is open from nine to five, some minutes more or less, and closed on Saturdays and Sundays."""

    def number(at_min: int) -> float:
        day, at = divmod(at_min, DAY)
        shift = (0, 7, -8, 5, -6, 9, 0)[day % 7]
        return 20 if day % 7 < 5 and NINE + shift <= at < FIVE - shift else 0.02

    counted(node, 0, 15 * DAY, number, every_min=5)


@story(hours=8 * 24, begins_min=0, metrics=METRICS)
def back_after_an_absence(node: VirtualNode) -> None:
    """lnd of a busy node is down for an hour, and its payments begin again three minutes later."""
    back = BEGINS + HOUR
    counted(node, 0, BEGINS, _rhythm)
    down(node, BEGINS, NodeState.UNREACHABLE, back)
    counted(node, back + 3, 8 * DAY, _rhythm)


@story(hours=3 * 24, begins_min=0, metrics=METRICS)
def node_of_two_days(node: VirtualNode) -> None:
    """A node that is two days old, with nothing to compare with a week ago: its payments stop."""
    counted(node, 0, 2 * DAY, _rhythm)
