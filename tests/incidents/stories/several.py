"""Incidents of exporters with several nodes, and of nodes that have a page and a target of their own."""

from tests.incidents.node import START_S, VirtualNode
from tests.incidents.story import story
from tests.incidents.targets import BOTH, Layout
from tests.incidents.traffic import MINUTE, away, held, pays

ELSEWHERE = "elsewhere:10019"


@story(
    fires={"ExporterDown warning": 6, "ExporterDown critical": 16},
    layouts=BOTH,
)
def exporter_of_several_nodes_is_away(node: VirtualNode) -> None:
    """An exporter of three nodes is killed and stays away: that is one alert."""
    node.other_nodes = {"bob": node.address, "carol": node.address, "dave": ELSEWHERE}
    pays(node, 0, 180)
    away(node, 60, 120)


@story(
    fires={"ExporterDown warning": 6, "ExporterDown critical": 16},
    layouts=(Layout.PAGE_A_NODE,),
)
def own_page_times_out(node: VirtualNode) -> None:
    """Each node has a page of its own, and one of them is not answered in time any more."""
    node.other_nodes = {"bob": node.address}
    pays(node, 0, 180)
    node.at(60 * MINUTE, lambda: node.answer_in_time(False))
    node.at(120 * MINUTE, lambda: node.answer_in_time(True))


@story(hours=12, begins_min=0, layouts=BOTH)
def removed_from_several(node: VirtualNode) -> None:
    """One of two nodes is removed while an HTLC is held, and hours later the exporter is restarted."""
    node.other_nodes = {"bob": node.address}
    held(node, 200, at_min=10)
    node.at(55 * MINUTE, node.remove_from_configuration)
    away(node, 600, 604)


@story(
    fires={"HtlcNearExpiry warning": 200},
    only={"service": {"Stuck": 80}},
    hours=5,
    begins_min=0,
    layouts=BOTH,
)
def moved_to_another_exporter(node: VirtualNode) -> None:
    """A node moves to another of two exporters while an HTLC is held, and nobody settles it."""
    node.other_nodes = {"bob": node.address, "dave": ELSEWHERE}
    held(node, 160, at_min=10)
    away(node, 50, 52)
    node.at(51.9 * MINUTE, lambda: node.move(ELSEWHERE))


@story(layouts=BOTH)
def stream_lies_right_after_a_start(node: VirtualNode) -> None:
    """The exporter is restarted within seconds, and learns of a payment by asking that ended meanwhile."""
    pays(node, 0, 59)
    pays(node, 62, 180)

    def stop() -> None:
        node.stream_works = False

    def start() -> None:
        node.started_s = START_S + 61 * MINUTE
        node.stream_works = True
        node.list_all()

    node.at(60 * MINUTE, stop)
    node.play(60.5 * MINUTE, node.scenarios.success())
    node.at(61 * MINUTE, start)
    node.at(63 * MINUTE, node.list_all)  # once more, as the follower does: lnd may have overwritten the reason
