"""Recorded series have exactly the labels that the level in their name says, in both ways of scraping."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter.metrics.names import NODE_ROWS
from exporter.rules.boards import DESTINATIONS
from exporter.rules.generate import groups
from exporter.rules.rule import Group, Recording, as_yaml
from exporter.rules.values import Success, read
from tests.incidents.node import VirtualNode
from tests.incidents.targets import Layout
from tests.incidents.traffic import MINUTE, drained, held, pays
from tests.promtool import promtool_errors

pytestmark = pytest.mark.usefixtures("programs")

LABELS = frozenset(label for row in NODE_ROWS for label in row.labels) | {"instance", "node", "le", "amount_band"}
DAYS = (
    "in_flight",
    "sent_msat_total",
    "succeeded_total",
    "failed_total",
    "node_spendable_msat",
    "node_inactive_msat",
    "node_up",
    "stream_up",
)
"""Metrics of which series are recorded only after a day or a week."""
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
    """Return a node with payments for more than a week, of which few metrics are scraped."""
    node = VirtualNode("levels", DAYS, layout=layout)
    hours = 8 * 24
    pays(node, 0, hours * 60, 0.05)
    node.run(hours * 60 * MINUTE)
    return node


def labels_of(level: str) -> set[str]:
    """Return the labels that a level names, beside `job`; labels have underscores, too."""
    labels = set()
    while level:
        label = max((label for label in LABELS if f"{level}_".startswith(f"{label}_")), key=len)
        labels.add(label)
        level = level[len(label) + 1 :]
    return labels


def recorded(node: VirtualNode, rules: Sequence[Group], home: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield name and labels of each series that is recorded while a node runs."""
    home.mkdir()
    step_s = max(60, node.series.step_s)
    end_s = (len(node.series) - 1) * node.series.step_s
    test = {
        "interval": f"{node.series.step_s}s",
        "input_series": node.series.written(),
        "promql_expr_test": [
            {"expr": '{__name__=~".+:.+:.+"}', "eval_time": f"{at_s}s", "exp_samples": []}
            for at_s in range(0, end_s + 1, max(600, end_s // 100))
        ],
    }
    for found in _GOT.finditer(promtool_errors(home, as_yaml(rules, VALUES), test, step_s)):
        yield found["name"], frozenset(re.findall(r"(\w+)=", found["labels"]))


@pytest.mark.parametrize("layout", Layout)
def test_labels_of_recorded_series(layout: Layout, tmp_path: Path) -> None:
    """All have `job`, and with a page a node they may have `exporter`; no recording is without series here."""
    found: dict[str, set[frozenset[str]]] = {}
    every = groups(VALUES)
    played = ((busy(layout), every), (long(layout), [group for group in every if group.name in ("recordings", "days")]))
    for place, (node, rules) in enumerate(played):
        for name, labels in recorded(node, rules, tmp_path / str(place)):
            found.setdefault(name, set()).add(labels)
    records = {rule.record for group in every for rule in group.rules if isinstance(rule, Recording)}
    assert records - found.keys() == {DESTINATIONS.record}, "the exporter has no series of it until one is named"
    more = {"exporter"} if layout is Layout.PAGE_A_NODE else set()
    wrong = {
        name: labels
        for name, sets in found.items()
        for labels in sets
        if labels - more != labels_of(name.split(":")[0]) | {"job"}
    }
    assert wrong == {}
