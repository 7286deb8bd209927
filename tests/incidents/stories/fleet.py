"""Incidents of many nodes at once, and of exporters that Prometheus has in another job, or not at all."""

from tests.incidents.node import VirtualNode
from tests.incidents.story import story
from tests.incidents.targets import BOTH
from tests.incidents.traffic import MINUTE, away, held, pays

DOWN = {"ExporterDown warning": 6, "ExporterDown critical": 16}


@story(fires=DOWN, layouts=BOTH)
def exporter_of_24_nodes_is_away(node: VirtualNode) -> None:
    """An exporter of 24 nodes is killed and stays away: that is one alert, too."""
    node.other_nodes = {f"node-{number}": node.address for number in range(23)}
    pays(node, 0, 180)
    away(node, 60, 120)


@story(
    fires={
        "ManyNodesDown warning": 4,
        "ManyNodesDown critical": 14,
        "ExporterDown warning": 5,
        "ExporterDown critical": 15,
        "HtlcNearExpiry warning": 15,
    },
    only={"service": {"Stuck": 100}},
    several=tuple(DOWN),
    of_job=("ManyNodesDown warning", "ManyNodesDown critical"),
    layouts=BOTH,
)
def network_is_gone(node: VirtualNode) -> None:
    """Prometheus can't reach any of five exporters, of a node each; an HTLC is held that expires within a day."""
    node.other_nodes = {name: f"{name}:10019" for name in ("bob", "carol", "dave", "erin")}
    held(node, 150, at_min=10)

    def reached(yes: bool) -> None:  # noqa: FBT001 - the only argument
        node.network = yes

    node.at(60 * MINUTE, lambda: reached(False))
    node.at(150 * MINUTE, lambda: reached(True))


@story(layouts=BOTH)
def another_job(node: VirtualNode) -> None:
    """The job of the exporters has another name than in the values; all is well."""
    node.job = "lightning"
    node.other_nodes = {"bob": "bob:10019"}
    pays(node, 0, 180)


@story(fires=DOWN, layouts=BOTH)
def exporter_of_another_job_is_away(node: VirtualNode) -> None:
    """The job of the exporters has another name than in the values, and one of them is killed."""
    node.job = "lightning"
    node.other_nodes = {"bob": "bob:10019"}
    pays(node, 0, 180)
    away(node, 60, 120)


@story(fires=DOWN, begins_min=0, layouts=BOTH)
def never_scraped(node: VirtualNode) -> None:
    """The exporter has never answered: its address is wrong, or it was never started."""
    node.page = False


@story(fires={"NothingScraped": 6}, begins_min=0, of_job=("NothingScraped",), layouts=BOTH)
def nothing_scraped(node: VirtualNode) -> None:
    """Prometheus has the rules, but no exporter in its scrape configuration."""
    node.discovered = False
