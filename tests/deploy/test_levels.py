"""Recorded series have exactly the labels that the level in their name says, in both ways of scraping."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.prometheus.generate import groups
from deploy.prometheus.rule import Recording, as_yaml
from deploy.prometheus.values import Success, Values, read
from tests.incidents.node import VirtualNode
from tests.incidents.targets import Layout
from tests.incidents.traffic import MINUTE, drained, held, pays
from tests.promtool import promtool_errors

pytestmark = pytest.mark.usefixtures("programs")

LEVELS = {
    "node": {"node"},
    "instance_node": {"instance", "node"},
    **{f"instance_node_{label}": {"instance", "node", label} for label in ("amount_band", "cause", "peer")},
}
"""The labels of each level, beside `job`."""
DAYS = ("in_flight", "sent_msat_total", "node_up", "stream_up")
"""Metrics of which series are recorded only after a day."""
VALUES = read(more={"success": Success.CUSTOMER.value})["service"]
"""With them there are all recorded series."""
_GOT = re.compile(r"{__name__=\\?\"(?P<name>[^\"\\]+)\\?\"(?P<labels>[^}]*)}")


def busy(layout: Layout) -> VirtualNode:
    """Return a node with payments of every outcome, which moves to another exporter in the end."""
    node = VirtualNode("levels", layout=layout)
    pays(node, 0, 90)
    pays(node, 30, 90, scenario=drained)
    held(node, 200, at_min=10)
    node.at(70 * MINUTE, lambda: node.move("elsewhere:10019"))
    node.at(80 * MINUTE, lambda: node.answer_scrapes(False))
    node.run(90 * MINUTE)
    return node


def long(layout: Layout) -> VirtualNode:
    """Return a node with payments for more than a day, of which few metrics are scraped."""
    node = VirtualNode("levels", DAYS, layout=layout)
    pays(node, 0, 27 * 60, 0.2)
    node.run(27 * 60 * MINUTE)
    return node


def recorded(node: VirtualNode, values: Values, home: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield name and labels of each series that is recorded while a node runs."""
    home.mkdir()
    step_s = max(60, node.series.step_s)
    end_s = (len(node.series) - 1) * node.series.step_s
    test = {
        "interval": f"{node.series.step_s}s",
        "input_series": node.series.written(),
        "promql_expr_test": [
            {"expr": '{__name__=~".+:.+:.+"}', "eval_time": f"{at_s}s", "exp_samples": []}
            for at_s in range(0, end_s + 1, 600)
        ],
    }
    for found in _GOT.finditer(promtool_errors(home, as_yaml(groups(values), values), test, step_s)):
        yield found["name"], frozenset(re.findall(r"(\w+)=", found["labels"]))


@pytest.mark.parametrize("layout", Layout)
def test_labels_of_recorded_series(layout: Layout, tmp_path: Path) -> None:
    """All have `job`, and with a page a node they may have `exporter`; no recording is without series here."""
    found: dict[str, set[frozenset[str]]] = {}
    for make in (busy, long):
        for name, labels in recorded(make(layout), VALUES, tmp_path / make.__name__):
            found.setdefault(name, set()).add(labels)
    records = {rule.record for group in groups(VALUES) for rule in group.rules if isinstance(rule, Recording)}
    assert records - found.keys() == set()
    more = {"exporter"} if layout is Layout.PAGE_A_NODE else set()
    wrong = {
        name: labels
        for name, sets in found.items()
        for labels in sets
        if labels - more != LEVELS[name.split(":")[0]] | {"job"}
    }
    assert wrong == {}
