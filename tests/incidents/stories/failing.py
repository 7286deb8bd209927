"""Incidents with payments that fail or are slow."""

from collections.abc import Callable

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenario_builder import random_amount_msat
from exporter.simulator.timeline import slowed
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.traffic import (
    FIRST_HOP,
    MINUTE,
    SELF,
    TEMPORARY,
    drained,
    offline,
    ordinary,
    over_peer,
    pays,
    strange,
)


@story(
    fires={
        "Outage": 10,
        "OwnChannel": 15,
        "NoActiveChannel": 17,
        "FailFast": 30,
        "FailSlowly": 60,
        "ErrorBudget": 60,
    }
)
def peers_offline(node: VirtualNode) -> None:
    """All peers are offline: lnd sends nothing at all."""
    offline(node, 60, 120)
    pays(node, 0, 60)
    pays(node, 60, 120, scenario=lambda node: node.scenarios.insufficient_balance(random_amount_msat(node.chance)))
    pays(node, 120, 180)


@story(fires={"NoActiveChannel": 17})
def peers_of_a_node_that_sends_keysends(node: VirtualNode) -> None:
    """All peers are offline; the node sends only keysends, which look like probes if they found no route."""
    offline(node, 60, 120)
    pays(node, 0, 60, 0.2, lambda node: node.scenarios.keysend())
    pays(node, 120, 180, 0.2, lambda node: node.scenarios.keysend())


@story(fires={"Outage": 10, "OwnLiquidity": 15, "FailFast": 30, "FailSlowly": 60, "ErrorBudget": 60})
def empty_channels(node: VirtualNode) -> None:
    """All channels are empty: lnd sends nothing at all."""
    pays(node, 0, 60)
    pays(node, 60, 120, scenario=lambda node: node.scenarios.insufficient_balance(random_amount_msat(node.chance)))
    pays(node, 120, 180)


@story(
    fires={"Outage": 10, "OwnLiquidity": 15, "FailFast": 30, "FailSlowly": 60, "ErrorBudget": 60, "PeerFails": 60},
    several=("PeerFails",),
)
def drained_channels(node: VirtualNode) -> None:
    """Channels are drained faster than lnd notices: every attempt fails for lack of own balance."""
    pays(node, 0, 60)
    pays(node, 60, 120, scenario=drained)
    pays(node, 120, 180)


@story(
    fires={"Outage": 10, "OwnChannel": 15, "FailFast": 30, "FailSlowly": 60, "ErrorBudget": 60, "PeerFails": 60},
    several=("PeerFails",),
)
def own_channels_refuse(node: VirtualNode) -> None:
    """Own channels refuse every HTLC: their peers have just gone offline."""

    def fails(node: VirtualNode) -> Scenario:
        return node.scenarios.route_fails(failures=((pb.Failure.UNKNOWN_NEXT_PEER, SELF),) * 2)

    pays(node, 0, 60)
    pays(node, 60, 120, scenario=fails)
    pays(node, 120, 180)


def _tried_again(node: VirtualNode) -> Scenario:
    """Return a payment that finds no route at first, and arrives when it is tried again within a minute."""
    return node.scenarios.retried_hash(pause_s=node.chance.uniform(5, 60))


def _second_try_arrives(node: VirtualNode) -> None:
    pays(node, 0, 60)
    pays(node, 60, 150, scenario=lambda node: _tried_again(node) if node.chance.random() < 0.5 else ordinary(node))


@story(fires={"FailFast": 60, "FailSlowly": 90, "ErrorBudget": 90})
def second_try_arrives(node: VirtualNode) -> None:
    """Every second payment arrives only when its invoice is paid again: each first try is a failure of the node."""
    _second_try_arrives(node)


@story(values={"success": "customer"})
def second_try_arrives_and_only_that_counts(node: VirtualNode) -> None:
    """The same, with `success: customer`: in the end everybody has paid."""
    _second_try_arrives(node)


def _fourth_try_arrives(node: VirtualNode) -> None:
    def at_last(node: VirtualNode) -> Scenario:
        return node.scenarios.retried_hash(pause_s=node.chance.uniform(2, 10), failures=3)

    pays(node, 0, 60)
    pays(node, 60, 150, scenario=at_last)
    pays(node, 150, 180)


@story(fires={"Outage": 15, "FailFast": 30, "FailSlowly": 60, "ErrorBudget": 60})
def fourth_try_arrives(node: VirtualNode) -> None:
    """Every payment fails three times, and arrives with the fourth try: a program tries again within seconds."""
    _fourth_try_arrives(node)


@story(fires={"Outage": 15}, values={"success": "customer"})
def fourth_try_arrives_and_only_that_counts(node: VirtualNode) -> None:
    """The same, with `success: customer`: most tries still fail, which is an outage, but the budget doesn't burn."""
    _fourth_try_arrives(node)


@story(fires={"FailFast": 45, "FailSlowly": 90, "ErrorBudget": 90}, values={"success": "customer"}, hours=4)
def customers_wait(node: VirtualNode) -> None:
    """With `success: customer`: half of the payments fail, and are paid an hour later. Until then they are failures."""

    def later(node: VirtualNode) -> Scenario:
        return node.scenarios.retried_hash(pause_s=60 * MINUTE)

    pays(node, 0, 240)
    pays(node, 60, 120, scenario=later)


@story(
    fires={"Outage": 15, "FailFast": 30, "FailSlowly": 60, "ErrorBudget": 60},
    values={"success": "customer"},
)
def nothing_arrives_for_the_customer(node: VirtualNode) -> None:
    """No payment finds a route, and nobody succeeds later: an outage also with `success: customer`."""
    pays(node, 0, 60)
    pays(node, 60, 120, scenario=lambda node: node.scenarios.no_route())
    pays(node, 120, 180)


def _over_first_peer(node: VirtualNode, scenario: Callable[[], Scenario]) -> Scenario:
    for _ in range(100):
        made = scenario()
        if over_peer(made) == node.world.peers[0].node.pubkey:
            return made
    raise AssertionError("none of a hundred lives began with that peer")


def _one_peer_fails(node: VirtualNode) -> None:
    def one(node: VirtualNode) -> Scenario:
        return _over_first_peer(node, lambda: node.scenarios.retry(failures=((TEMPORARY, FIRST_HOP),)))

    pays(node, 0, 180)
    pays(node, 60, 120, 2, one)


@story(fires={"PeerFails": 40}, ends={"PeerFails": 60 + 20})
def one_peer_fails(node: VirtualNode) -> None:
    """One of eight peers fails everything for an hour; lnd finds another route each time, and avoids the peer later."""
    _one_peer_fails(node)


@story(fires={"PeerFails": 40}, ends={"PeerFails": 60 + 17})
def one_peer_recovers(node: VirtualNode) -> None:
    """One of eight peers fails everything for an hour, and then nothing."""

    def one(node: VirtualNode) -> Scenario:
        return _over_first_peer(node, node.scenarios.success)

    _one_peer_fails(node)
    pays(node, 120, 180, 2, one)


@story(fires={"FailFast": 45, "FailSlowly": 90, "ErrorBudget": 60})
def fee_limits_too_low(node: VirtualNode) -> None:
    """A third of the payments finds no route within its fee limit."""
    pays(node, 0, 180)
    pays(node, 60, 120, 1.5, lambda node: node.scenarios.no_route(node.chance.randrange(1, 9) * 1_000_000))


@story(fires={"Outage": 12, "FailFast": 15, "QuietNodeFails": 5}, hours=8, begins_min=7 * 60)
def many_fail_at_home(node: VirtualNode) -> None:
    """A program at home pays thirty invoices in the morning, after a quiet night: none finds a route."""
    node.play(10 * MINUTE, node.scenarios.success(5_000_000))
    for number in range(30):
        node.play((7 * 60 + number / 3) * MINUTE, node.scenarios.no_route(5_000_000))


@story(fires={"QuietNodeFails": 130}, hours=9)
def quiet_node_fails(node: VirtualNode) -> None:
    """A node with few payments: three in a row fail in the evening."""
    for at_min in (60, 120, 180):
        node.play(at_min * MINUTE, node.scenarios.no_route(5_000_000))


@story(fires={"QuietNodeFails": 370}, hours=14, begins_min=240)
def few_payments_and_all_fail(node: VirtualNode) -> None:
    """A node with six payments an hour: from now on all of them fail."""
    pays(node, 0, 240, 0.1, lambda node: node.scenarios.success())
    pays(node, 240, 840, 0.1, lambda node: node.scenarios.no_route())


@story(fires={"RecipientsRefuse": 40})
def recipients_refuse(node: VirtualNode) -> None:
    """Recipients refuse half of the payments."""
    pays(node, 0, 180)
    pays(node, 60, 120, 3, lambda node: node.scenarios.refused())


@story(fires={"ProbeStorm": 30})
def probe_storm(node: VirtualNode) -> None:
    """A program probes through the node, once a second."""
    pays(node, 0, 180)
    pays(node, 60, 90, 20, lambda node: node.scenarios.probe())


@story(only={"home": {"RebalanceStorm": 30}, "service": {"RebalanceStorm": 30}})
def rebalance_storm(node: VirtualNode) -> None:
    """A tool rebalances without success, again and again."""
    pays(node, 0, 180)
    pays(node, 60, 90, 20, lambda node: node.scenarios.rebalance_without_route())


@story(fires={"UnknownReasons": 5})
def unknown_reason(node: VirtualNode) -> None:
    """A newer lnd gives a reason that the exporter doesn't know."""
    pays(node, 0, 180)
    pays(node, 60, 70, 1, strange)


@story(fires={"PathFindingSlow": 30})
def path_finding_slow(node: VirtualNode) -> None:
    """lnd's database is slow: path finding takes 5 s."""

    def slow(node: VirtualNode) -> Scenario:
        scenario = node.scenarios.success()
        first, second, *rest = scenario.steps
        return scenario._replace(steps=(first, second._replace(delay_s=5.0), *rest))

    pays(node, 0, 60, 8)
    pays(node, 60, 120, 8, slow)
    pays(node, 120, 180, 8)


@story(fires={"Slow": 60})
def slow_end_to_end(node: VirtualNode) -> None:
    """Payments succeed, but only after 90 s."""
    pays(node, 0, 60)
    pays(node, 60, 150, scenario=lambda node: slowed(40, node.scenarios.success(resolve_s=2.2)))
    pays(node, 150, 180)


@story(
    fires={"ErrorBudget": 24 * 60},
    hours=60,
    begins_min=12 * 60,
    metrics=("succeeded_total", "failed_total", "recovered_total", "node_up"),
)
def slow_burn(node: VirtualNode) -> None:
    """Day after day one and a half times as many payments fail as the targets allow."""
    pays(node, 0, 12 * 60, 0.4, lambda node: node.scenarios.success(20_000_000))
    for place, at_min in enumerate(range(12 * 60, 60 * 60, 2)):
        value = 20_000_000
        scenario = node.scenarios.no_route(value) if place % 13 == 0 else node.scenarios.success(value)
        node.play(at_min * MINUTE, scenario)
