"""Every expression of the rules and the dashboards has the same answer in VictoriaMetrics as in Prometheus.

Both have the same samples: two hours of a node, and what vmalert's code has recorded of it. Only `increase` and `rate`
may differ: VictoriaMetrics doesn't extrapolate, and begins with the last sample before the window.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.metrics.names import ROWS
from exporter.rules.generate import groups
from exporter.rules.recording import recorded_burn
from exporter.rules.rule import Recording, Selector
from exporter.rules.values import SHOWN, Success, read
from tests.dashboards.panels import FILES, panels, with_variables
from tests.incidents.named import EVERYTHING
from tests.incidents.node import VirtualNode
from tests.incidents.traffic import MINUTE, drained, held, pays
from tests.victoria.play import BEGIN_S, play
from tests.victoria.server import Answer, Server, prometheus, victoria_metrics

pytestmark = [pytest.mark.usefixtures("victoria"), pytest.mark.xdist_group("queries in VictoriaMetrics")]

AT_MIN = (4, 29, 46, 60, 73, 79, 82, 90)
"""When everything is asked: early, in the incident, while the exporter is away (75 to 80), and afterwards."""
ESTIMATED = re.compile(r"\b(increase|rate)\(")
WINDOW = "2m"
"""`$__rate_interval` of Grafana for scrapes every 30 seconds."""
MOST_APART = {"1h": 0.05}
"""How far the recorded burn rate of a window may be apart, as a share: measured 0.02."""


class Both(NamedTuple):
    """Two servers with the same samples."""

    prometheus: Server
    victoria: Server


def node() -> VirtualNode:
    """Return a node with payments of every kind, an incident, and an exporter that is away for five minutes."""
    node = VirtualNode("compared", name="alice", rows=ROWS, begins_s=BEGIN_S)
    node.tracker.recipients.groups = {far.pubkey: "exchange" for far in node.world.far[:4]}
    node.ledger.destinations.use({"exchange"})
    pays(node, 0, 90, 2)
    pays(node, 40, 70, 2, drained)
    pays(node, 0, 90, 0.3, lambda node: node.scenarios.probe())
    pays(node, 0, 90, 0.3, lambda node: node.scenarios.rebalance_without_route())
    pays(node, 0, 90, 0.1, lambda node: node.scenarios.rebalance())
    pays(node, 0, 90, 0.1, lambda node: node.scenarios.multi_part())
    held(node, 150, at_min=5)
    node.at(75 * MINUTE, lambda: node.answer_scrapes(False))
    node.at(80 * MINUTE, lambda: node.answer_scrapes(True))
    node.run(90 * MINUTE)
    return node


@pytest.fixture(scope="module")
def both(victoria: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Return a Prometheus and a VictoriaMetrics with the samples of the node."""
    del victoria
    played, copied, other = (tmp_path_factory.mktemp(name) for name in ("played", "copied", "prometheus"))
    with victoria_metrics(played) as server:
        play(SHOWN, read(more={"success": Success.CUSTOMER.value})[SHOWN], node().series, server, played)
        text = exported(server)
    with prometheus(other, text) as here, victoria_metrics(copied) as there:
        there.write(text)
        yield Both(here, there)


def exported(server: Server) -> str:
    """Return all samples of a VictoriaMetrics as OpenMetrics, without marks of the end of a series."""
    lines: dict[str, list[str]] = {}
    for line in server.get("/api/v1/export", **{"match[]": '{__name__!=""}'}).splitlines():
        series = json.loads(line)
        name = series["metric"].pop("__name__")
        labels = ",".join(f"{label}={json.dumps(word, ensure_ascii=False)}" for label, word in series["metric"].items())
        lines.setdefault(name, []).extend(
            f"{name}{{{labels}}} {value} {at_ms / 1000}\n"
            for value, at_ms in zip(series["values"], series["timestamps"], strict=True)
            if value is not None
        )
    return "".join(line for name in sorted(lines) for line in lines[name]) + "# EOF\n"


def expressions() -> Mapping[str, str]:
    """Return every expression once, with the place where it is used."""
    found: dict[str, str] = {}
    for success in Success:
        for profile, values in read(more=EVERYTHING | {"success": success.value}).items():
            for group in groups(values):
                for rule in group.rules:
                    found.setdefault(
                        rule.expr, f"{profile}: {rule.record if isinstance(rule, Recording) else rule.name}"
                    )
    for uid in FILES:
        for panel in panels(uid):
            for target in panel["targets"]:
                expr = with_variables(target["expr"].replace("$__rate_interval", WINDOW), "1h")
                found.setdefault(expr, f"{uid}: {panel['title']}")
    return found


def numbers(answer: Answer) -> Answer:
    """Return what is a number: VictoriaMetrics leaves out the rest, and no comparison holds for it."""
    return {series: value for series, value in answer.items() if not math.isnan(value)}


def test_all_expressions_have_the_same_answer(both: Both) -> None:
    """None is an error in VictoriaMetrics; without `increase` and `rate` all values are equal."""
    wrong = []
    answered = set()
    for expr, where in expressions().items():
        for at_min in AT_MIN:
            here, there = (numbers(server.query(expr, BEGIN_S + at_min * 60)) for server in both)
            answered |= {expr} if here else set()
            if not ESTIMATED.search(expr) and not same(here, there):
                wrong.append(f"{where} after {at_min} min: {here} {there}")
    assert wrong == []
    assert len(answered) > 0.7 * len(expressions())


def same(here: Answer, there: Answer) -> bool:
    """Return whether answers are equal, except for rounding."""
    return here.keys() == there.keys() and all(math.isclose(here[one], there[one], rel_tol=1e-9) for one in here)


@pytest.mark.parametrize("window", MOST_APART)
def test_burn_rates_are_close(both: Both, window: str) -> None:
    """They are ratios of two increases over the same window, so most of the difference cancels out."""
    values = read()[SHOWN]
    expr = recorded_burn(Selector(values), values, window)
    for at_min in AT_MIN:
        here, there = (numbers(server.query(expr, BEGIN_S + at_min * 60)) for server in both)
        assert here.keys() == there.keys()
        assert all(math.isclose(here[one], there[one], rel_tol=MOST_APART[window]) for one in here), at_min
