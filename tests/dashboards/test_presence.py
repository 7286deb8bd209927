"""Nodes and exporters that are down, two nodes of the same name, a node without payments."""

from pathlib import Path

import pytest

from dashboards.presence import STATES
from exporter.payments.labels import NodeState
from tests.dashboards.panels import dashboard, panel, panel_query
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FLEET, NODE, FLIGHT = "lnd-payments-fleet", "lnd-payments-node", "lnd-payments-flight"
CODES = {word: float(code) for code, (word, _) in STATES.items()}
TABLE = "Nodes, the most urgent first; a click leads to the payments of one"
ALICE, BOB, OTHER = (
    f'instance="{instance}:10019", job="lnd-payments", node="{node}"'
    for instance, node in (("a", "alice"), ("b", "bob"), ("c", "alice"))
)
HEARD = "Stream of updates, chain, graph"
NODES = "Nodes, and what they pay"
SUCCESS = ("lnd-payments-overview", "Success, against its target")


def page(node: str, state: NodeState, minutes: str) -> dict[str, str]:
    """Return the series of a quiet node for some minutes."""
    states = {
        f'lnd_payments_node_state{{{node},state="{word}"}}': f"{int(word is state)}{minutes}" for word in NodeState
    }
    up = int(state is NodeState.READY)
    return {
        **states,
        f"lnd_payments_node_up{{{node}}}": f"{up}{minutes}",
        f"lnd_payments_stream_up{{{node}}}": f"{up}{minutes}",
        f"lnd_payments_node_synced_to_chain{{{node}}}": f"1{minutes}",
        f"lnd_payments_node_synced_to_graph{{{node}}}": f"1{minutes}",
        f'lnd_payments_node_channels{{{node},state="active"}}': f"8{minutes}",
        f"lnd_payments_node_spendable_msat{{{node}}}": f"5000{minutes}",
        f"lnd_payments_node_best_header_timestamp_seconds{{{node}}}": f"3600{minutes}",
        f"lnd_payments_started_total{{{node}}}": f"0{minutes}",
        f'lnd_payments_in_flight{{{node},purpose="payment",age="under_1m"}}': f"0{minutes}",
    }


def test_states_of_two_nodes_with_one_name(tmp_path: Path) -> None:
    """Their states are not mixed, in any panel that shows a state."""
    series = page(ALICE, NodeState.READY, "x100") | page(OTHER, NodeState.LOCKED, "x100")
    states = {f"{{{ALICE}}}": CODES["ready"], f"{{{OTHER}}}": CODES["locked"]}
    titles = ((NODE, "State of the node"), (FLIGHT, "State of the node"), (FLEET, TABLE))
    expected = [Expected(panel_query(uid, title), 60, states) for uid, title in titles]
    expected += [Expected(panel_query(NODE, HEARD), 60, {"{}": 0})]  # the worst of all
    expected += [
        Expected(panel_query(FLEET, NODES, "A"), 60, {"{}": 2}),
        Expected(panel_query(FLEET, NODES, "B"), 60, {"{}": 1}),
    ]
    assert not query_errors(tmp_path, series, expected)


def test_instance_distinguishes_two_nodes_with_one_name() -> None:
    """The exporter distinguishes them: in each legend that names a node, and in the table."""
    for uid in (NODE, FLIGHT, FLEET):
        for shown in dashboard(uid)["panels"]:
            for target in shown.get("targets", []):
                legend = target.get("legendFormat", "")
                assert ("{{node}}" in legend) == ("{{instance}}" in legend and "{{node}}" in legend), shown["title"]
    renamed = panel(FLEET, TABLE)["transformations"][-1]["options"]["renameByName"]
    assert {"node", "instance", "job"} <= renamed.keys()


def test_nodes_of_an_exporter_that_is_down(tmp_path: Path) -> None:
    """Its nodes are still shown, as away."""
    series = page(ALICE, NodeState.READY, "x200") | page(BOB, NodeState.READY, "x60")
    states = {f"{{{ALICE}}}": CODES["ready"], f"{{{BOB}}}": CODES["exporter away"]}
    expected = [
        *(
            Expected(panel_query(uid, title, span="3h"), 120, states)
            for uid, title in ((NODE, "State of the node"), (FLIGHT, "State of the node"), (FLEET, TABLE))
        ),
        Expected(panel_query(FLEET, NODES, "A", span="3h"), 120, {"{}": 2}),
        Expected(panel_query(FLEET, NODES, "B", span="3h"), 120, {"{}": 1}),
        Expected(panel_query("lnd-payments-overview", "Away", span="3h"), 120, {"{}": 1}),
        *(Expected(panel_query(NODE, HEARD, letter, span="3h"), 60, {"{}": 2}) for letter in "ABC"),
        *(Expected(panel_query(NODE, HEARD, letter, span="3h"), 120, {"{}": 1}) for letter in "ABC"),
        Expected(panel_query(*SUCCESS, "D", span="3h"), 120, {}),
    ]
    assert not query_errors(tmp_path, series, expected)


def test_last_answers_of_a_node_that_is_down_are_hidden(tmp_path: Path) -> None:
    """Its last answers, which look healthy, are hidden; whether the chain is in sync is unknown."""
    series = page(BOB, NodeState.UNREACHABLE, "x200")
    expected = [
        Expected(panel_query(NODE, title), 120, {})
        for title in ("Age of the newest block", "Channels", "Spendable, sat")
    ]
    expected += [Expected(panel_query(NODE, HEARD, letter), 120, {"{}": 1}) for letter in "BC"]
    expected += [Expected(panel_query(*SUCCESS, "D"), 120, {"{}": 1})]
    expected += [Expected(panel_query(FLEET, NODES, "D"), 120, {"{}": 2})]
    expected += [Expected(panel_query(NODE, "Audit, state file, certificate", "D"), 120, {"{}": 1e9})]  # memory only
    assert not query_errors(tmp_path, series, expected)
    healthy = [
        Expected(panel_query(NODE, "Age of the newest block"), 120, {f"{{{ALICE}}}": 3600}),
        Expected(panel_query(NODE, "Channels"), 120, {'{state="active"}': 8}),
        Expected(panel_query(NODE, "Spendable, sat"), 120, {f"{{{ALICE}}}": 5}),
    ]
    assert not query_errors(tmp_path, page(ALICE, NodeState.READY, "x200"), healthy)


def test_table_of_a_quiet_node_has_every_column(tmp_path: Path) -> None:
    """Zeros are shown as zeros; a missing value has a text, and the column stays."""
    labels = f"{{{ALICE}}}"
    letters = {letter: panel_query(FLEET, TABLE, letter, "3h") for letter in "BCDEFGHIJ"}
    expected = [Expected(letters[letter], 120, {labels: value}) for letter, value in (("D", 0), ("E", 5))]
    expected += [Expected(letters["J"], 120, {f'{{{ALICE}, alert="-"}}': 0})]
    expected += [Expected(f"count by (version) ({letters['I']})", 120, {'{version="-"}': 1})]
    expected += [Expected(f"count({letters[letter]})", 120, {"{}": 1}) for letter in "BCFGHI"]
    assert not query_errors(tmp_path, page(ALICE, NodeState.READY, "x200"), expected, recorded())
    words = {
        override["matcher"]["options"]: mapping["options"]["result"]["text"]
        for override in panel(FLEET, TABLE)["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "mappings"
        for mapping in one["value"]
        if mapping["type"] == "special"
    }
    numbers = {"Burn", "Success", "Payments", "Spendable", "Lasts", "Inactive", "Blocks left"}
    assert {words[name] for name in numbers} == {"-"}


@pytest.mark.parametrize("ends", [NodeState.READY, NodeState.UNREACHABLE], ids=["exporter away", "node away"])
def test_old_numbers_of_a_node_that_is_away_are_hidden(ends: NodeState, tmp_path: Path) -> None:
    """Its last hour, before it went away, was good: that says nothing of now."""
    is_page, paid = ends is NodeState.UNREACHABLE, 'kind="invoice", amount_band="under_1k_sat"'
    rises = "0+2x60 120x40" if is_page else "0+2x60"
    series = page(ALICE, NodeState.READY, "x100" if is_page else "x60") | {
        f"lnd_payments_succeeded_total{{{ALICE}, {paid}}}": rises,
        f'lnd_payments_failed_total{{{ALICE}, {paid}, reason="no_route"}}': "0x100" if is_page else "0x60",
        f"lnd_payments_started_total{{{ALICE}}}": rises,
    }
    if is_page:
        series[f"lnd_payments_node_up{{{ALICE}}}"] = "1x60 0x40"
    good = [("B", "0"), ("C", "1"), ("D", "120")]
    shown = {letter: panel_query(FLEET, TABLE, letter, "3h") for letter in "BCDEFG"}
    expected = [Expected(f"round({shown[letter]})", 60, {f"{{{ALICE}}}": float(value)}) for letter, value in good]
    expected += [Expected(f"{expr} >= 0", 75, {}) for expr in shown.values()]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_every_state_has_text_and_colour() -> None:
    """Every state has a text and a colour, in the table and in the timeline."""
    words = {word for word, _ in STATES.values()}
    assert words == {*NodeState, "exporter away"}
    (mapped,) = [
        one["value"][0]["options"]
        for override in panel(FLEET, TABLE)["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "State"
        for one in override["properties"]
        if one["id"] == "mappings"
    ]
    assert {option["text"] for option in mapped.values()} == words
    over_time = panel(NODE, "State of the node")["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {(option["text"], option["color"]) for option in over_time.values()} == set(STATES.values())


def test_link_to_a_node() -> None:
    """The link keeps the data source and the time, and selects exactly this node."""
    (link,) = [
        one["value"][0]["url"]
        for override in panel(FLEET, TABLE)["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
    ]
    assert link.startswith("/d/lnd-payments-overview?${__url_time_range}&")
    assert {word.partition("=")[0] for word in link.split("&")[1:]} == {
        "var-datasource",
        "var-job",
        "var-instance",
        "var-node",
    }
