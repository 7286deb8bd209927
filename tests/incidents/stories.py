"""The incidents and the quiet times: what happens, which alerts must fire within how many minutes, in which profile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from deploy.prometheus.values import Values
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import Interruption, NodeState, Purpose
from exporter.simulator.mutation import Life, Register
from exporter.simulator.timeline import stretched
from tests.incidents.node import VirtualNode
from tests.incidents.traffic import (
    FIRST_HOP,
    MINUTE,
    OTHER_REASON,
    SELF,
    TEMPORARY,
    ordinary,
    over_peer,
    pays,
)

BEGINS_MIN = 60
"""When it happens, unless a story says otherwise; until then the node is healthy."""

Fires = Mapping[str, float]
"""By `Name severity` the minutes within which an alert fires after the incident began."""


@dataclass(frozen=True)
class Story:
    """One of them."""

    name: str
    says: str
    """What happens, in a sentence."""
    tell: Callable[[VirtualNode], None]
    fires: Fires = field(default_factory=dict)
    """In every profile."""
    only: Mapping[str, Fires] = field(default_factory=dict)
    """In one profile besides."""
    hours: float = 3
    begins_min: float = BEGINS_MIN
    values: Mapping[str, object] = field(default_factory=dict)
    """Settings that it needs."""

    def expected(self, profile: str) -> Fires:
        """The alerts that must fire, and no other."""
        return {**self.fires, **self.only.get(profile, {})}

    def with_settings(self, values: Values) -> Values:
        """A profile with what this story needs."""
        return msgspec.structs.replace(values, **self.values)


STORIES: list[Story] = []


def story(says: str, **about: object) -> Callable[[Callable[[VirtualNode], None]], Callable[[VirtualNode], None]]:
    """Put a function into the list; its name is the story's."""

    def add(tell: Callable[[VirtualNode], None]) -> Callable[[VirtualNode], None]:
        name = tell.__name__.replace("_", " ")
        STORIES.append(Story(name, says, tell, **about))  # type: ignore[arg-type]
        return tell

    return add


# Payments that fail.


@story(
    "All channels are drained: every attempt fails for lack of own balance.",
    fires={"Outage": 10, "OwnLiquidity": 15, "FailFast": 20, "FailSlowly": 60, "ErrorBudget": 60, "PeerFails": 60},
)
def drained_channels(node: VirtualNode) -> None:
    def fails(node: VirtualNode) -> Life:
        return node.lives.route_fails(failures=((TEMPORARY, SELF),) * 2)

    pays(node, 0, 60)
    pays(node, 60, 120, life=fails)
    pays(node, 120, 180)


@story(
    "The peer with all the channels goes offline: lnd can't use any of them.",
    fires={"Outage": 10, "OwnChannel": 15, "FailFast": 20, "FailSlowly": 60, "ErrorBudget": 60, "PeerFails": 60},
)
def peer_offline(node: VirtualNode) -> None:
    def fails(node: VirtualNode) -> Life:
        return node.lives.route_fails(failures=((pb.Failure.UNKNOWN_NEXT_PEER, SELF),) * 2)

    pays(node, 0, 60)
    pays(node, 60, 120, life=fails)
    pays(node, 120, 180)


@story(
    "One of eight peers fails everything; lnd finds another way each time.",
    fires={"PeerFails": 40},
)
def one_peer_fails(node: VirtualNode) -> None:
    peer = node.world.peers[0].node.pubkey

    def one(node: VirtualNode) -> Life:
        for _ in range(100):
            life = node.lives.retry(failures=((TEMPORARY, FIRST_HOP),))
            if over_peer(life) == peer:
                return life
        raise AssertionError("none of a hundred lives began with that peer")

    pays(node, 0, 180)
    pays(node, 60, 120, 2, one)


@story(
    "A third of the payments finds no route within its fee limit.",
    fires={"FailFast": 30, "FailSlowly": 90, "ErrorBudget": 60},
)
def fee_limits_too_low(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 120, 1.5, lambda node: node.lives.no_route(node.chance.randrange(1, 9) * 1_000_000))


@story("A node with few payments: three in a row fail in the evening.", fires={"QuietNodeFails": 130}, hours=9)
def quiet_node_fails(node: VirtualNode) -> None:
    for at_min in (60, 120, 180):
        node.play(at_min * MINUTE, node.lives.no_route(5_000_000))


@story("Recipients refuse half of the payments.", fires={"RecipientsRefuse": 40})
def recipients_refuse(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 120, 3, lambda node: node.lives.refused())


@story("Somebody probes through the node, once a second.", fires={"ProbeStorm": 30})
def probe_storm(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 90, 20, lambda node: node.lives.probe())


@story(
    "A tool rebalances without success, again and again.",
    only={"home": {"RebalanceStorm": 30}, "service": {"RebalanceStorm": 30}},
)
def rebalance_storm(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 90, 20, lambda node: node.lives.rebalance_without_route())


@story("A newer lnd gives a reason that nobody knows.", fires={"UnknownReasons": 5})
def unknown_reason(node: VirtualNode) -> None:
    def strange(node: VirtualNode) -> Life:
        life = node.lives.no_route()
        steps = tuple(
            step._replace(mutation=step.mutation._replace(reason=OTHER_REASON)) if hasattr(step.mutation, "reason") else step
            for step in life.steps
        )
        return life._replace(steps=steps)

    pays(node, 0, 180)
    pays(node, 60, 70, 1, strange)


# Slow.


@story("lnd's database is slow: path finding takes 5 s.", fires={"PathFindingSlow": 30})
def path_finding_slow(node: VirtualNode) -> None:
    def slow(node: VirtualNode) -> Life:
        life = node.lives.success()
        first, second, *rest = life.steps
        return life._replace(steps=(first, second._replace(delay_s=5.0), *rest))

    pays(node, 0, 60, 8)
    pays(node, 60, 120, 8, slow)
    pays(node, 120, 180, 8)


@story("Payments arrive, but only after 90 s.", fires={"Slow": 60})
def slow_end_to_end(node: VirtualNode) -> None:
    pays(node, 0, 60)
    pays(node, 60, 150, life=lambda node: stretched(40, node.lives.success(resolve_s=2.2)))
    pays(node, 150, 180)


# In flight.


def _held(node: VirtualNode, blocks: int, at_min: float = 60, held_min: float = 10_000) -> None:
    """An HTLC that is held from then on, with so many blocks to live."""
    life = node.lives.held_then_settled(held_min * MINUTE)
    height = node.world.height + int(at_min / 10)

    def cut(mutation: object) -> object:
        if isinstance(mutation, Register):
            mutation.route.total_time_lock = height + blocks
        return mutation

    for step in life.steps:
        cut(step.mutation)
    node.play(at_min * MINUTE, life)


@story(
    "An HTLC is held, and expires within a day.",
    fires={"HtlcNearExpiry warning": 45},
    only={"service": {"Stuck": 70}},
)
def htlc_near_expiry(node: VirtualNode) -> None:
    pays(node, 0, 180)
    _held(node, 100)


@story(
    "An HTLC is held that expires within hours, and lnd is stopped: nobody will settle it in time.",
    fires={"HtlcNearExpiry warning": 45, "HtlcNearExpiry critical": 60},
    only={
        "home": {"NodeUnreachable": 110},
        "routing": {"NodeUnreachable": 110},
        "service": {"NodeUnreachable": 95, "Stuck": 70},
    },
    hours=4,
)
def htlc_expires_while_lnd_is_down(node: VirtualNode) -> None:
    pays(node, 0, 150)
    _held(node, 40)
    node.chain_stops(150)
    _down(node, 150, NodeState.UNREACHABLE)


@story(
    "An HTLC is held until after its expiry.",
    fires={"HtlcNearExpiry warning": 45, "HtlcNearExpiry critical": 45, "HtlcExpired": 120},
    only={"service": {"Stuck": 70}},
    hours=4,
)
def htlc_expired(node: VirtualNode) -> None:
    pays(node, 0, 240)
    _held(node, 8)


@story("A hold invoice is held for hours, with a thousand blocks to go.", only={"service": {"Stuck": 70}})
def held_for_hours(node: VirtualNode) -> None:
    pays(node, 0, 180)
    _held(node, 1000)


@story("A payment of more than a day.", fires={"Stuck": 1450}, only={"service": {"Stuck": 70}}, hours=27)
def held_for_a_day(node: VirtualNode) -> None:
    _held(node, 1000)


@story("SendToRoute leaves a payment in flight without any HTLC.", fires={"Stalled": 45}, hours=1.9)
def stalled(node: VirtualNode) -> None:
    pays(node, 0, 114)
    node.play(60 * MINUTE, node.lives.stuck())


@story("A node on the way takes HTLCs and keeps them for 40 minutes.", fires={"ManyPending": 35})
def many_pending(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 90, 1, lambda node: node.lives.success(resolve_s=40 * MINUTE))


@story("A held HTLC is settled after its payment was given up.", fires={"LateSuccess": 12})
def late_success(node: VirtualNode) -> None:
    pays(node, 0, 180)
    node.play(60 * MINUTE, node.lives.held_then_settled(240))


# The node.


def _down(node: VirtualNode, at_min: float, state: NodeState, until_min: float = 10_000) -> None:
    """The node is in another state, and nothing is heard of it."""

    def fall() -> None:
        node.hears = False
        node.tracker.stream_lost()
        node.ledger.apply([StreamInterrupted(Interruption.UNREACHABLE)])
        node.set(state=state, stream_up=False)

    def rise() -> None:
        node.hears = True
        node.tracker.stream_started()
        node.set(state=NodeState.READY, stream_up=True)
        node.ask()

    node.at(at_min * MINUTE, fall)
    node.at(until_min * MINUTE, rise)


@story("lnd was restarted and waits for its password.", fires={"WalletLocked": 6})
def wallet_locked(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.LOCKED, 120)
    pays(node, 121, 180)


@story("The exporter's macaroon is revoked.", fires={"AccessDenied": 6})
def macaroon_revoked(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.DENIED, 120)
    pays(node, 121, 180)


@story("Another node answers at the address.", fires={"WrongNode": 6})
def wrong_node(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.WRONG_NODE, 120)
    pays(node, 121, 180)


@story("lnd is down for an hour.", fires={"NodeUnreachable": 16}, only={"service": {"NodeUnreachable": 4}})
def node_down(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.UNREACHABLE, 120)
    pays(node, 121, 180)


@story("lnd waits for its chain backend for two hours.", fires={"StartingForLong": 61}, hours=4)
def starting(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.STARTING, 180)
    pays(node, 181, 240)


@story("The chain backend stops: no new block.", fires={"ChainStalls warning": 150}, hours=5)
def chain_stalls(node: VirtualNode) -> None:
    pays(node, 0, 300, 1)
    node.chain_stops(60)


@story(
    "lnd loses sync while an HTLC is held that expires within a day.",
    fires={"ChainStalls warning": 80, "ChainStalls critical": 80, "HtlcNearExpiry warning": 45},
    only={"service": {"Stuck": 70}},
)
def chain_stalls_with_held_htlc(node: VirtualNode) -> None:
    pays(node, 0, 180, 1)
    _held(node, 120)

    def unsynced() -> None:
        assert node.status.info is not None
        node.set(info=replace(node.status.info, synced_to_chain=False))

    node.at(110 * MINUTE, unsynced)


@story(
    "lnd's certificate expires in two days.",
    fires={"CertificateExpires warning": 6, "CertificateExpires critical": 6},
)
def certificate_expires(node: VirtualNode) -> None:
    pays(node, 0, 180, 1)
    node.at(60 * MINUTE, lambda: node.certificate_for(2))


@story("lnd's certificate expires in two weeks.", fires={"CertificateExpires warning": 6})
def certificate_nears_its_end(node: VirtualNode) -> None:
    pays(node, 0, 180, 1)
    node.at(60 * MINUTE, lambda: node.certificate_for(14))


# Money.


@story(
    "Somebody empties the node: forty times the usual volume.",
    fires={"Outflow": 30},
    hours=28,
    begins_min=26 * 60,
)
def outflow(node: VirtualNode) -> None:
    pays(node, 0, 28 * 60, 0.2, lambda node: node.lives.success(20_000_000))
    pays(node, 26 * 60, 27 * 60, 1, lambda node: node.lives.success(400_000_000))


@story(
    "A tool rebalances in a circle, at any price.",
    fires={"FeeBudget": 60},
    values={"fee_budget_sat": {Purpose.REBALANCE: 1000}},
)
def fee_loop(node: VirtualNode) -> None:
    pays(node, 0, 180)
    pays(node, 60, 120, 1, lambda node: node.lives.rebalance(900_000_000))


# The exporter.


@story("The exporter is killed and stays away.", fires={"ExporterDown warning": 6}, only={"service": {"ExporterDown critical": 16}})
def exporter_down(node: VirtualNode) -> None:
    pays(node, 0, 180)

    def page(answers: bool) -> None:  # noqa: FBT001 - two lines further down
        node.page = answers

    node.at(60 * MINUTE, lambda: page(False))
    node.at(120 * MINUTE, lambda: page(True))


@story("lnd's stream keeps quiet about a payment that ended.", fires={"StreamLies": 20})
def stream_lies(node: VirtualNode) -> None:
    pays(node, 0, 60)
    pays(node, 62, 180)

    def deaf() -> None:
        node.hears = False

    def asks() -> None:
        node.hears = True
        node.ask()

    node.at(60 * MINUTE, deaf)
    node.play(60.5 * MINUTE, node.lives.success())
    node.at(61 * MINUTE, asks)


@story("lnd's updates come 8 s late.", fires={"UpdatesDelayed": 15})
def updates_delayed(node: VirtualNode) -> None:
    pays(node, 0, 180)

    def late(seconds: float) -> None:
        node.delay_s = seconds

    node.at(60 * MINUTE, lambda: late(8))
    node.at(120 * MINUTE, lambda: late(0.02))


@story("The disk is full.", fires={"CheckpointFails": 6})
def disk_full(node: VirtualNode) -> None:
    pays(node, 0, 180)
    for scrape in range(40):
        node.at((60 + scrape / 2) * MINUTE, lambda failures=scrape + 1: node.failed_checkpoints(failures))  # type: ignore[misc]


@story("The state file is damaged; counting begins at zero.", fires={"StateReset": 1})
def state_reset(node: VirtualNode) -> None:
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.resets(1))


@story("The audit finds payments that no counter knows.", fires={"AuditUnaccounted": 31})
def audit_finds(node: VirtualNode) -> None:
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.set(unaccounted=3))
    node.at(120 * MINUTE, lambda: node.set(unaccounted=0))


@story("After a long absence the exporter catches up for half an hour.", fires={"CatchUpLong": 16})
def catching_up(node: VirtualNode) -> None:
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.set(catching_up=True))
    node.at(90 * MINUTE, lambda: node.set(catching_up=False))


# Quiet times: nobody is called.


@story("A node that makes no payments.", hours=12)
def idle_node(node: VirtualNode) -> None:
    del node


@story("A healthy busy node, through day and night.", hours=12)
def busy_node(node: VirtualNode) -> None:
    pays(node, 0, 720, 2, rhythm=True)


@story("A node at home, five payments a day.", hours=30)
def home_node(node: VirtualNode) -> None:
    for day in range(2):
        for hour in (8, 12, 13, 18, 21):
            node.play((day * 24 + hour) * 60 * MINUTE, node.lives.success(node.chance.randrange(1, 90) * 1_000_000))


@story("A healthy node that also probes and rebalances.", hours=6)
def probes_and_rebalances(node: VirtualNode) -> None:
    pays(node, 0, 360, 2)
    pays(node, 0, 360, 0.3, lambda node: node.lives.probe())
    pays(node, 0, 360, 0.3, lambda node: node.lives.rebalance_without_route())
    pays(node, 0, 360, 0.3, lambda node: node.lives.rebalance())


@story("One payment fails in a quiet night.", hours=12)
def one_failure_at_night(node: VirtualNode) -> None:
    node.play(60 * MINUTE, node.lives.success())
    node.play(240 * MINUTE, node.lives.route_fails())


@story("lnd is restarted, away for two minutes.")
def short_restart(node: VirtualNode) -> None:
    pays(node, 0, 60)
    _down(node, 60, NodeState.UNREACHABLE, 62)
    pays(node, 62.5, 180)


@story("Hold invoices, held for twenty minutes and settled.", hours=4)
def hold_invoices(node: VirtualNode) -> None:
    pays(node, 0, 240)
    pays(node, 60, 180, 0.1, lambda node: node.lives.success(resolve_s=20 * MINUTE))


@story("Amounts grow: from now on mostly above 1M sat, of which more fail.", hours=4)
def larger_amounts(node: VirtualNode) -> None:
    def large(node: VirtualNode) -> Life:
        value = node.chance.randrange(1_000, 4_000) * 1_000_000
        return node.lives.route_fails(value) if node.chance.random() < 0.15 else node.lives.success(value)

    pays(node, 0, 60, 1)
    pays(node, 60, 240, 1, large)
