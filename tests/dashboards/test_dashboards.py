"""Static checks of the dashboards' JSON."""

import re
from itertools import combinations

import promql_parser
import pytest

from dashboards.board import TAG, written
from dashboards.boards import BOARDS
from dashboards.panel import NEEDS_RULES
from dashboards.query import NO_RULES, NO_RULES_HERE
from exporter.metrics.names import ROWS
from exporter.metrics.row import HistogramRow
from exporter.rules.generate import groups
from exporter.rules.last_page import SEEN
from exporter.rules.recording import FINISHED
from exporter.rules.rule import Alert, Recording
from exporter.rules.values import read
from tests.dashboards.panels import FILES, HERE, dashboard, panels, queries, with_variables
from tests.rulecost.history import read_by

COLUMNS = 24
CHEAP = {SEEN, FINISHED}
"""Recorded series, one of each node."""
FOREIGN = {
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "scrape_duration_seconds",
}
"""Series of Prometheus and its client library."""
LONGEST = 340
"""Characters that fit into a panel's tooltip."""


def known() -> set[str]:
    """Return every series name of a page."""
    names = {row.name for row in ROWS}
    for row in ROWS:
        if isinstance(row, HistogramRow):
            names |= {f"{row.name}_{end}" for end in ("bucket", "count", "sum")}
    return names | FOREIGN


def test_json_is_up_to_date() -> None:
    """`make dashboards` has been run, and there is no file of a removed dashboard."""
    for make in BOARDS:
        board = make()
        assert FILES[f"{TAG}-{board.uid}"].read_text() == written(board), "run make dashboards"
    assert sorted(HERE.glob("*.json")) == sorted(FILES.values())


def recorded() -> set[str]:
    """Return the recorded series that every profile has."""
    profiles = (
        {rule.record for group in groups(values) for rule in group.rules if isinstance(rule, Recording)}
        for values in read().values()
    )
    return set.intersection(*profiles)


def test_every_query_parses_and_names_existing_metrics() -> None:
    """Each query parses and names only metrics of the exporter, recorded series, and alerts."""
    names = known() | recorded() | {"ALERTS"}
    for asked in queries():
        used = set(_names(promql_parser.parse(asked.expr)))
        assert used - names == set(), asked


def _names(node: promql_parser.Expr) -> set[str]:
    return set(re.findall(r"[\w:]+(?=\{)", node.prettify()))


def test_panels_that_need_the_rules_say_so() -> None:
    """In the description, and in the text of a panel that is empty without them."""
    silent = []
    for uid in FILES:
        for panel in panels(uid):
            named = [set(_names(promql_parser.parse(with_variables(target["expr"])))) for target in panel["targets"]]
            says = NEEDS_RULES in panel["description"]
            if says is not any(names & recorded() for names in named):
                silent.append(f"{uid}: {panel['title']}: description")
            text = panel["fieldConfig"]["defaults"].get("noValue", "")
            is_empty = all(names & recorded() and not names - recorded() - {"ALERTS"} for names in named)
            if is_empty and not text.endswith((NO_RULES, NO_RULES_HERE)):
                silent.append(f"{uid}: {panel['title']}: empty")
    assert silent == []


def test_no_query_reads_days() -> None:
    """It would be costly at each refresh: what needs more than a day is recorded, or a single recorded series."""
    for asked in queries():
        for name, seconds in read_by([asked.expr]).items():
            assert seconds <= 86_400 or name in CHEAP, asked


@pytest.mark.parametrize("uid", FILES)
def test_every_panel_is_complete(uid: str) -> None:
    """It has title, description, unit and data source; ids and titles are unique, and so are the targets' letters."""
    shown = panels(uid)
    everything = dashboard(uid)["panels"]
    ids = [panel["id"] for panel in everything]
    assert ids == sorted(set(ids))
    assert len({panel["title"] for panel in shown if panel["type"] != "stat"}) == sum(
        p["type"] != "stat" for p in shown
    )
    for panel in shown:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert len(panel["description"]) < LONGEST, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), panel["title"]


@pytest.mark.parametrize("uid", FILES)
def test_nothing_overlaps(uid: str) -> None:
    """Every panel is within the columns, none overlaps another, and there is no gap above one."""
    places = [panel["gridPos"] for panel in dashboard(uid)["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    ends = {place["y"] + place["h"] for place in places} | {0}
    assert all(place["y"] in ends for place in places)


@pytest.mark.parametrize("uid", FILES)
def test_dashboards_link_to_each_other(uid: str) -> None:
    """Links keep variables and time; firing alerts are marked on every graph."""
    made = dashboard(uid)
    assert made["uid"] == uid
    (link,) = made["links"]
    assert (link["tags"], link["keepTime"], link["includeVars"]) == ([TAG], True, True)
    assert "placement" not in link, "in the bar, where everybody sees it"
    assert TAG in made["tags"]
    assert [variable["name"] for variable in made["templating"]["list"]][:3] == ["datasource", "job", "node"]
    assert all("ALERTS" in marks["expr"] for marks in made["annotations"]["list"])


def test_every_alert_links_to_a_dashboard() -> None:
    """The dashboard that an alert names exists."""
    for values in read().values():
        for group in groups(values):
            for rule in group.rules:
                if isinstance(rule, Alert):
                    assert f"{TAG}-{rule.board}" in FILES, rule.name
