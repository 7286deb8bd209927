"""Balance that runs out, or is with peers that are offline, and times in which it only seems so."""

import math

from exporter.payments.labels import AmountBand, Cause, Purpose
from exporter.payments.totals import Counter
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.traffic import MINUTE, balance, sends

HOUR, DAY = 60, 24 * 60
METRICS = ("node_spendable_msat", "node_inactive_msat", "node_channels", "node_up", "sent_msat_total", "stream_up")
MILLION = 1_000_000


def _nothing(at_min: int) -> float:
    del at_min
    return 0


def _steady(at_min: int) -> float:
    del at_min
    return MILLION


@story(
    fires={"LiquidityRunsOut": 30, "OwnLiquidity": 12 * 60 + 20},
    hours=66,
    begins_min=52 * HOUR,
    metrics=(*METRICS, "failed_by_cause_total"),
)
def balance_runs_out(node: VirtualNode) -> None:
    """A node sends a million sat an hour and receives nothing. When its balance lasts for 12 hours, it is told."""
    empty = 64 * HOUR
    sends(node, 0, empty, _steady)
    balance(node, 0, 66 * HOUR, lambda at_min: MILLION * (empty - at_min) / HOUR, _nothing)

    def fail() -> None:
        node.ledger.count(Counter.FAILED_BY_CAUSE, Purpose.PAYMENT, Cause.OWN_LIQUIDITY, AmountBand.UNDER_100K, by=5)

    for at_min in range(empty, 66 * HOUR):
        node.at(at_min * MINUTE, fail)


@story(fires={"LiquidityRunsOut": 30}, hours=69, begins_min=56 * HOUR, metrics=METRICS)
def balance_runs_out_after_it_was_filled_up(node: VirtualNode) -> None:
    """A node sends a million sat an hour. Its balance was filled up 20 hours before, which hides the trend of a day."""
    filled = 36 * HOUR
    sends(node, 0, 69 * HOUR, _steady)
    balance(
        node,
        0,
        69 * HOUR,
        lambda at_min: MILLION * ((52 if at_min < filled else 20 + 48) - at_min / HOUR),
        _nothing,
    )


@story(hours=4 * 24, begins_min=0, metrics=METRICS)
def balance_of_a_node_that_forwards(node: VirtualNode) -> None:
    """A routing node, whose balance swings by nine tenths, and that pays little itself."""
    sends(node, 0, 4 * DAY, lambda _: MILLION / 20)
    balance(node, 0, 4 * DAY, lambda at_min: MILLION * 20 * (1 + 0.9 * math.sin(at_min / 150)), _nothing)


@story(hours=4 * 24, begins_min=0, metrics=METRICS)
def balance_that_comes_back(node: VirtualNode) -> None:
    """A node sends five million sat an hour by day, and receives as much in the evening."""
    day_begins, day_ends = 8 * HOUR, 20 * HOUR

    def left(at_min: int) -> float:
        sent_min = min(max(at_min % DAY - day_begins, 0), day_ends - day_begins)
        return MILLION * (80 - 5 * sent_min / HOUR if at_min % DAY < day_ends else 80)

    sends(node, 0, 4 * DAY, lambda at_min: 5 * MILLION if day_begins <= at_min % DAY < day_ends else 0)
    balance(node, 0, 4 * DAY, left, _nothing)


@story(fires={"Outflow": 10}, hours=4 * 24, begins_min=2 * DAY + 10 * HOUR, metrics=METRICS)
def huge_payment(node: VirtualNode) -> None:
    """A node at home makes a small payment each hour, and on the third day one of six tenths of its balance."""
    huge = 2 * DAY + 10 * HOUR
    sends(node, 0, 4 * DAY, lambda at_min: 6 * 12 * MILLION if at_min == huge else 5_000)
    balance(node, 0, 4 * DAY, lambda at_min: MILLION * (10 if at_min < huge else 4) - 5_000 * at_min / HOUR, _nothing)


@story(
    only={
        "home": {"BalanceInactive": 75},
        "service": {"BalanceInactive": 45},
        "routing": {"BalanceInactive": 75},
    },
    hours=32,
    begins_min=28 * HOUR,
    metrics=METRICS,
)
def large_peer_offline(node: VirtualNode) -> None:
    """The peer with three quarters of the balance goes offline; the node receives as much as it sends."""
    sends(node, 0, 32 * HOUR, _steady)
    away = 28 * HOUR
    balance(
        node,
        0,
        32 * HOUR,
        lambda at_min: MILLION * (10 if at_min >= away else 40),
        lambda at_min: MILLION * (30 if at_min >= away else 0),
    )


@story(hours=32, begins_min=0, metrics=METRICS)
def small_peer_offline(node: VirtualNode) -> None:
    """One of many peers, with a twentieth of the balance, goes offline."""
    sends(node, 0, 32 * HOUR, _steady)
    away = 28 * HOUR
    balance(
        node,
        0,
        32 * HOUR,
        lambda at_min: MILLION * (38 if at_min >= away else 40),
        lambda at_min: MILLION * (2 if at_min >= away else 0),
    )
