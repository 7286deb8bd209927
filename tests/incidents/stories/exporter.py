"""Incidents of the exporter itself, and of the updates that lnd sends."""

from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import Interruption
from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.targets import BOTH
from tests.incidents.traffic import MINUTE, away, drained, held, pays, strange


@story(fires={"ExporterDown warning": 6, "ExporterDown critical": 16}, layouts=BOTH)
def exporterdown(node: VirtualNode) -> None:
    """The exporter is killed and stays away."""
    pays(node, 0, 180)
    away(node, 60, 120)


@story(fires={"StreamLies": 20}, layouts=BOTH)
def stream_lies(node: VirtualNode) -> None:
    """lnd's stream doesn't send a payment that ended."""
    pays(node, 0, 60)
    pays(node, 62, 180)

    def deaf() -> None:
        node.stream_works = False

    def asks() -> None:
        node.stream_works = True
        node.list_all()

    node.at(60 * MINUTE, deaf)
    node.play(60.5 * MINUTE, node.scenarios.success())
    node.at(61 * MINUTE, asks)
    node.at(63 * MINUTE, node.list_all)  # once more, as the follower does: lnd may have overwritten the reason


@story()
def reloaded(node: VirtualNode) -> None:
    """A reload changes how the node is followed, and a payment ends meanwhile: no page shows the stream down."""
    pays(node, 0, 60)
    pays(node, 62, 180)

    def stop() -> None:
        node.stream_works = False
        node.tracker.stream_lost()
        node.ledger.apply([StreamInterrupted(Interruption.RELOAD)])

    def start() -> None:
        node.stream_works = True
        node.tracker.stream_started()
        node.list_all()

    node.at(60 * MINUTE, stop)
    node.play(60.5 * MINUTE, node.scenarios.success())
    node.at(61 * MINUTE, start)
    node.at(63 * MINUTE, node.list_all)


@story(fires={"UpdatesDelayed": 15})
def updates_delayed(node: VirtualNode) -> None:
    """lnd's updates come 8 s late."""
    pays(node, 0, 180)

    def late(seconds: float) -> None:
        node.delay_s = seconds

    node.at(60 * MINUTE, lambda: late(8))
    node.at(120 * MINUTE, lambda: late(0.02))


@story(fires={"CheckpointFails": 6}, layouts=BOTH)
def disk_full(node: VirtualNode) -> None:
    """The disk is full."""
    pays(node, 0, 180)
    for scrape in range(40):
        node.at((60 + scrape / 2) * MINUTE, lambda failures=scrape + 1: node.failed_checkpoints(failures))  # type: ignore[misc]


@story(fires={"StateReset": 1}, layouts=BOTH)
def state_reset(node: VirtualNode) -> None:
    """The state file is damaged; counting begins at zero."""
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.resets(1))


@story(fires={"ReloadFailed": 6}, layouts=BOTH)
def reload_refused(node: VirtualNode) -> None:
    """The configuration is wrong at a reload, and mended an hour later."""
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.reload_refused(True))
    node.at(120 * MINUTE, lambda: node.reload_refused(False))


@story(fires={"AuditUnaccounted": 31})
def audit_finds(node: VirtualNode) -> None:
    """The audit finds payments that are in no counter."""
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.set(unaccounted=3))
    node.at(120 * MINUTE, lambda: node.set(unaccounted=0))


@story(fires={"CatchUpLong": 16})
def catching_up(node: VirtualNode) -> None:
    """After a long absence the exporter catches up for half an hour."""
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.set(catching_up=True, stream_up=False))
    node.at(90 * MINUTE, lambda: node.set(catching_up=False, stream_up=True))


@story(fires={"CatchUpLong": 20})
def catching_up_breaks_off(node: VirtualNode) -> None:
    """Each catch-up breaks off after some minutes, and begins again a minute later."""
    pays(node, 0, 180)
    for minute in range(60, 120, 5):
        node.at(minute * MINUTE, lambda: node.set(catching_up=True, stream_up=False))
        node.at((minute + 4) * MINUTE, lambda: node.set(catching_up=False))
    node.at(120 * MINUTE, lambda: node.set(catching_up=False, stream_up=True))


@story(fires={"NotFollowing": 16})
def not_followed(node: VirtualNode) -> None:
    """lnd answers, but doesn't send its payments."""
    pays(node, 0, 60)
    node.at(60 * MINUTE, lambda: node.set(stream_up=False))
    node.at(120 * MINUTE, lambda: node.set(stream_up=True))


@story(fires={"ExporterDown warning": 6, "ExporterDown critical": 16}, layouts=BOTH)
def target_is_gone(node: VirtualNode) -> None:
    """One of several exporters vanishes from Prometheus' service discovery."""
    node.other_nodes = {"bob": "bob:10019", "carol": "carol:10019"}
    pays(node, 0, 180)

    def vanish() -> None:
        node.discovered = False

    node.at(60 * MINUTE, vanish)


@story(
    fires={
        "ExporterDown warning": 6,
        "ExporterDown critical": 16,
        "LateSuccess": 185,
        "UnknownReasons": 185,
        "ErrorBudget": 250,
    },
    hours=5,
)
def failures_while_the_exporter_is_away(node: VirtualNode) -> None:
    """The exporter is away for three hours; payments fail meanwhile, one without a known reason, one succeeds late."""
    pays(node, 0, 60)
    pays(node, 60, 230, scenario=lambda node: node.scenarios.no_route())
    pays(node, 230, 300)
    node.play(70 * MINUTE, node.scenarios.held_then_settled(240))
    node.play(80 * MINUTE, strange(node))
    away(node, 60, 240)


@story(
    fires={"ExporterDown warning": 6, "ExporterDown critical": 16, "ErrorBudget": 190},
    hours=6,
)
def one_failure_after_an_absence(node: VirtualNode) -> None:
    """The exporter is away for half an hour: payments lack balance or are refused; after that a single one fails."""
    pays(node, 0, 60, 1)
    pays(node, 60, 88, 1, lambda node: node.scenarios.insufficient_balance(20_000_000))
    pays(node, 60, 88, 1, lambda node: node.scenarios.refused())
    away(node, 60, 90)
    pays(node, 95, 160, 0.5, lambda node: node.scenarios.success())
    node.play(160 * MINUTE, node.scenarios.no_route())
    pays(node, 165, 360, 0.5, lambda node: node.scenarios.success())


@story(fires={"Outage": 15, "FailFast": 25, "FailSlowly": 40, "ErrorBudget": 15})
def stream_that_is_cut_every_minute(node: VirtualNode) -> None:
    """A proxy cuts the stream every minute, so most ends are learnt by asking; payments fail with unknown causes."""
    pays(node, 0, 60)
    pays(node, 60, 180, scenario=drained)

    def cut() -> None:
        node.stream_works = False
        node.tracker.stream_lost()
        node.ledger.apply([StreamInterrupted(Interruption.ENDED)])

    def again() -> None:
        node.tracker.stream_started()
        node.list_all()

    for minute in range(40, 180):
        node.at(minute * MINUTE, cut)
        node.at((minute + 0.9) * MINUTE, again)


@story(fires={"LateSuccess": 12, "UnknownReasons": 12}, layouts=BOTH)
def late_success_while_the_exporter_moves(node: VirtualNode) -> None:
    """The exporter is started elsewhere; meanwhile a payment succeeds late, and one fails without a known reason."""
    pays(node, 0, 180)
    node.play(57 * MINUTE, node.scenarios.held_then_settled(240))
    node.play(61 * MINUTE, strange(node))
    away(node, 60, 61.6, 0.1)  # its first page at the new address has both
    node.at(61.6 * MINUTE, lambda: node.move("elsewhere:10019"))


@story(
    fires={"ExporterDown warning": 130, "ExporterDown critical": 140},
    hours=10,
    layouts=BOTH,
)
def moved_and_away(node: VirtualNode) -> None:
    """An HTLC is held, the exporter is started elsewhere, the HTLC is settled; hours later the exporter is away."""
    held(node, 160, at_min=10, scenario=node.scenarios.success(resolve_s=60 * MINUTE))
    pays(node, 0, 600, 0.3)
    node.at(50 * MINUTE, lambda: node.move("elsewhere:10019"))
    away(node, 180, 500)


@story(hours=12, begins_min=0, layouts=BOTH)
def taken_out_with_a_held_htlc(node: VirtualNode) -> None:
    """A node with a held HTLC is taken out of its exporter's configuration: no alert fires for it any more."""
    held(node, 200, at_min=10)
    node.at(55 * MINUTE, node.remove_from_configuration)
