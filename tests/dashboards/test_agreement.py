"""Dashboards and alerts agree: a panel that shows an alert's value has the same value, at every moment."""

import re
from pathlib import Path
from typing import Any

import pytest

from dashboards import query
from exporter.payments.labels import PURPOSE, AmountBand, BlocksLeft, Kind, Purpose, Reason
from exporter.rules.away import BLOCKS_LEFT
from exporter.rules.generate import groups
from exporter.rules.recording import MOST_BAD, WINDOWS, factors
from exporter.rules.rule import Alert, Recording, as_yaml
from exporter.rules.values import Values
from tests.dashboards.panels import dashboard, panel, panel_query
from tests.promtool import Expected, over, query_errors

pytestmark = pytest.mark.usefixtures("programs")

HOURS = 6
LEFT = "Until the first expiry"
TARGET = 'job="lnd-payments",instance="carol:10019",node="carol"'
FLIGHT, OVERVIEW, FAILURES = "lnd-payments-flight", "lnd-payments-overview", "lnd-payments-failures"
GROUPS = groups(query.VALUES)
NONE_HELD = {"{}": 1e9}
"""The answer that is mapped to `none held`: all nodes answer, and hold nothing."""


def recorded(values: Values = query.VALUES) -> dict[str, Any]:
    """Return the recording rules, by default those shipped."""
    rules: dict[str, Any] = as_yaml(groups(values), values)
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule]
    return {"groups": [group for group in rules["groups"] if group["rules"]]}


def carol() -> dict[str, str]:
    """Return six hours of a node, each with another situation.

    No HTLC is held; an HTLC is held; the node is down; its exporter is down, too; both are back, and no HTLC is held
    any more; the exporter is down again.
    """
    up: list[float | None] = []
    height: list[float | None] = []
    header: list[float | None] = []
    expiry: list[float | None] = []
    held: list[float | None] = []
    for minute in range(HOURS * 60):
        hour = minute // 60
        seen = 119 if hour == 2 else minute
        page = hour not in {3, 5}
        up.append((0 if hour == 2 else 1) if page else None)
        height.append(1000 + seen // 10 if page else None)
        header.append(seen // 10 * 600 if page else None)
        expiry.append(1030 if hour in {1, 2} else None)
        held.append((1 if hour in {1, 2} else 0) if page else None)
    bands = {
        f'lnd_payments_held_htlcs{{{TARGET},blocks_left="{left}"}}': over(*(0 if h == 0 else h for h in held))
        for left in BlocksLeft
    }
    return {
        'up{job="lnd-payments",instance="carol:10019"}': over(*(float(value is not None) for value in up)),
        f"lnd_payments_node_up{{{TARGET}}}": over(*up),
        f"lnd_payments_stream_up{{{TARGET}}}": over(*up),
        f"lnd_payments_node_block_height{{{TARGET}}}": over(*height),
        f"lnd_payments_node_best_header_timestamp_seconds{{{TARGET}}}": over(*header),
        f"lnd_payments_held_earliest_expiry_height{{{TARGET}}}": over(*expiry),
        **bands,
    }


def page(instance: str, held: bool | None, header_s: int, begin_min: int, end_min: int) -> dict[str, str]:  # noqa: FBT001
    """Return the series of `carol`'s exporter at an address for some minutes; `held` None: it doesn't have the node."""
    target = f'job="lnd-payments",instance="{instance}:10019"'
    node = f'{target},node="carol"'

    def then(value: float) -> str:
        return over(*[None] * begin_min, *[value] * (end_min - begin_min))

    said = {f"up{{{target}}}": then(1)}
    if held is not None:
        said |= {
            f"lnd_payments_node_up{{{node}}}": then(1),
            f"lnd_payments_stream_up{{{node}}}": then(1),
            f"lnd_payments_node_block_height{{{node}}}": then(1000 + header_s // 600),
            f"lnd_payments_node_best_header_timestamp_seconds{{{node}}}": then(header_s),
            f'lnd_payments_held_htlcs{{{node},blocks_left="under_36"}}': then(int(held)),
        }
    if held:
        said[f"lnd_payments_held_earliest_expiry_height{{{node}}}"] = then(1030)
    return said


def joined(*pages: dict[str, str]) -> dict[str, str]:
    """Return pages one after the other, as one set of series."""
    series: dict[str, list[str]] = {}
    for said in pages:
        for name, values in said.items():
            before = series.setdefault(name, [])
            before += values.split()[len(before) :]
    return {name: " ".join(values) for name, values in series.items()}


@pytest.mark.parametrize("is_away", [False, True])
def test_blocks_left_of_an_exporter_that_moved(is_away: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """The last page of its old address is dropped: on the new one nothing is held, also while that is down."""
    series = page("a", True, 0, 0, 60) | page("b", False, 3600, 60, 120)
    series['up{job="lnd-payments",instance="b:10019"}'] += " 0" * 60 if is_away else ""
    shown = panel_query(FLIGHT, LEFT)
    expected = [Expected(shown, 30, {"{}": 30}), Expected(f"min({BLOCKS_LEFT})", 30, {"{}": 30})]
    expected += [Expected(BLOCKS_LEFT, at_min, {}) for at_min in (70, 119, 130, 170)]
    expected += [Expected(shown, at_min, NONE_HELD if at_min < 120 else {}) for at_min in (70, 119, 130, 170)]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_blocks_left_of_a_removed_node(tmp_path: Path) -> None:
    """They end when its exporter is up without the node; while the exporter is down they and the HTLCs are kept."""
    series = joined(page("a", True, 0, 0, 60), page("a", None, 0, 120, 180))
    series['up{job="lnd-payments",instance="a:10019"}'] = "1x59 0x59 1x59"
    shown = panel_query(FLIGHT, LEFT)
    expected = [Expected(expr, 90, {"{}": 21}) for expr in (shown, f"min({BLOCKS_LEFT})")]
    expected += [Expected(expr, 150, {}) for expr in (shown, BLOCKS_LEFT)]
    unseen = panel_query(FLIGHT, "Held HTLCs, by blocks left", "E")
    expected += [Expected(unseen, 90, {"{}": 1}), Expected(unseen, 150, {})]
    assert not query_errors(tmp_path, series, expected, recorded())


@pytest.mark.parametrize("is_away", [False, True])
def test_blocks_left_of_a_node_that_another_exporter_had(is_away: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """The first exporter is up without the node; the last one is down, so the blocks left are kept."""
    series = joined(page("a", False, 0, 0, 60), page("a", None, 0, 60, 180)) | page("b", True, 3600, 60, 120)
    series['up{job="lnd-payments",instance="b:10019"}'] += " 0" * 60 if is_away else ""
    shown = panel_query(FLIGHT, LEFT)
    expected = [Expected(expr, 90, {"{}": 24}) for expr in (shown, f"min({BLOCKS_LEFT})")]
    expected += [Expected(expr, 150, {"{}": 15}) for expr in (shown, f"min({BLOCKS_LEFT})")]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_blocks_left(tmp_path: Path) -> None:
    """The panel equals the series of the alerts, also while the exporter is down: it counts down, and it ends."""
    shown = panel_query(FLIGHT, "Blocks until the first expiry, over time")
    apart = f"abs({shown} - {BLOCKS_LEFT}) > 0.11 or ({shown} unless {BLOCKS_LEFT}) or ({BLOCKS_LEFT} unless {shown})"
    never = [Expected(apart, minute, {}) for minute in range(7, HOURS * 60, 7)]
    first = panel_query(FLIGHT, LEFT)
    hours = panel_query(FLIGHT, LEFT, "B")
    known = [
        Expected(first, 59, NONE_HELD),
        Expected(first, 90, {"{}": 21}),
        Expected(first, 150, {"{}": 15}),
        Expected(first, 210, {"{}": 9}),
        Expected(hours, 210, {"{}": 1.5}),
        Expected(hours, 59, {}),
        Expected(first, 270, NONE_HELD),
        Expected(first, 330, {}),
    ]
    assert not query_errors(tmp_path, carol(), never + known, recorded())


def test_blocks_left_without_rules(tmp_path: Path) -> None:
    """The panel has the same number for a node that is followed, and none for others."""
    shown = panel_query(FLIGHT, LEFT)
    followed = [
        Expected(shown, 59, NONE_HELD),
        Expected(shown, 90, {"{}": 21}),
        Expected(shown, 119, {"{}": 19}),
    ]
    assert not query_errors(tmp_path, carol(), [*followed, Expected(shown, 210, {})])


def test_blocks_left_of_an_exporter_that_lost_its_state(tmp_path: Path) -> None:
    """It is back while lnd is down, without HTLCs and height: held HTLCs still count as held."""
    series = {name: values.split() for name, values in carol().items()}
    later = {f"lnd_payments_{name}{{{TARGET}}}": ["0"] * 60 for name in ("node_up", "stream_up")}
    story = {name: " ".join(values[60:120] + later.get(name, ["_"] * 60)) for name, values in series.items()}
    shown = panel_query(FLIGHT, LEFT)
    expected = [Expected(expr, 110, {"{}": 19}) for expr in (shown, f"min({BLOCKS_LEFT})")]
    assert not query_errors(tmp_path, story, expected, recorded())


def test_held_htlcs_of_a_node_that_is_away(tmp_path: Path) -> None:
    """Its bands are outdated while it is down: they are hidden, but the total of held HTLCs is shown."""
    title = "Held HTLCs, by blocks left"
    bands, unseen = [panel_query(FLIGHT, title, letter) for letter in "ABCD"], panel_query(FLIGHT, title, "E")
    expected = [Expected(band, 90, {"{}": 1}) for band in bands] + [Expected(band, 150, {"{}": 0}) for band in bands]
    expected += [Expected(band, 210, {}) for band in bands]
    expected += [
        Expected(unseen, minute, {"{}": value}) for minute, value in ((90, 0), (150, 4), (210, 4), (270, 0), (330, 0))
    ]
    assert not query_errors(tmp_path, carol(), expected, recorded())


def test_time_left_is_in_hours() -> None:
    """Grafana's units of time would round to days."""
    (unit,) = [
        one["value"]
        for override in panel(FLIGHT, LEFT)["fieldConfig"]["overrides"]
        for one in override["properties"]
        if override["matcher"]["options"] == "B" and one["id"] == "unit"
    ]
    assert unit == "suffix: hours"


@pytest.mark.parametrize("band", AmountBand)
def test_burn(band: AmountBand, tmp_path: Path) -> None:
    """Half of the payments of one band fail: the panel shows the recorded rate, whose budget is capped."""
    series = {f"lnd_payments_node_up{{{TARGET}}}": "1x420"}
    for each in AmountBand:
        labels = f'{TARGET},kind="{Kind.INVOICE}",amount_band="{each}"'
        rise = "0+1x420" if each is band else "0x420"
        series[f"lnd_payments_succeeded_total{{{labels}}}"] = rise
        series[f'lnd_payments_failed_total{{{labels},reason="{Reason.NO_ROUTE}"}}'] = rise
    shown = panel_query(OVERVIEW, "Success, against its target", "E")
    expected = [Expected(f"round({shown}, 0.001)", 400, {"{}": half_burnt(band, "1h")})]
    for letter, window in (("A", "1h"), ("B", "6h")):
        over_time = panel_query(OVERVIEW, "Error budget burn", letter)
        expected += [Expected(f"round({over_time}, 0.001)", 400, {"{}": half_burnt(band, window)})]
        expected += [Expected(over_time, 2, {"{}": 0})]
    assert not query_errors(tmp_path, series, expected, recorded())


def half_burnt(band: AmountBand, window: str) -> float:
    """Return the burn rate if half of the payments fail; a factor that the alert can't reach caps the budget."""
    most = MOST_BAD / factors(query.VALUES)[WINDOWS[window]]
    return round(0.5 / round(min(1 - query.TARGETS[band], most), 6), 3)


def test_a_peer_is_blamed_as_the_alert_blames_it(tmp_path: Path) -> None:
    """It covers the last 30 minutes, by node, and ignores few attempts."""

    def attempts(instance: str, peer: str, outcome: str, values: str) -> dict[str, str]:
        where = f'job="lnd-payments",instance="{instance}:10019",node="alice"'
        return {f'lnd_payments_peer_htlc_attempts_total{{{where},peer="{peer}",outcome="{outcome}"}}': values}

    series = {
        **attempts("a", "long ago", "failed_here", "0+1x120 120x120"),
        **attempts("a", "long ago", "settled", "0x120 0+1x120"),
        **attempts("a", "at one node", "failed_at_peer", "0+1x240"),
        **attempts("b", "at one node", "settled", "0+9x240"),
        **attempts("a", "few", "failed_here", "0x235 0+1x5"),
    }
    blamed = f"{panel_query(FAILURES, 'Direct peers', 'F', '4h')} >= 0"
    expected = [Expected(blamed, 240, {'{peer="long ago"}': 0, '{peer="at one node"}': 1})]
    assert not query_errors(tmp_path, series, expected, recorded())


def alert(name: str) -> str:
    """Return the expressions of all alerts with a name, and those of the recorded series of peers that they read."""
    rules = [rule for group in GROUPS for rule in group.rules]
    found = " ".join(rule.expr for rule in rules if isinstance(rule, Alert) and rule.name == name)
    for rule in reversed(rules):
        if isinstance(rule, Recording) and rule.record.startswith("instance_node_peer:") and rule.record in found:
            found += f" {rule.expr}"
    return " ".join(found.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Outage", [f"> {1 - query.OUTAGE:g}"]),
        ("FailFast", [f"> {query.BURNS['fast']:g}", f">= {query.BURN_LEAST['1h']}"]),
        ("FailSlowly", [f"> {query.BURNS['slow']:g}", f">= {query.BURN_LEAST['6h']}"]),
        ("PathFindingSlow", [f'le="{query.FIRST_HTLC_S:.1f}"']),
        ("Slow", [f'le="{query.QUICK_S:.1f}"']),
        (
            "PeerFails",
            [f"> {query.BLAMED}", f">= {query.BLAMED_LEAST}", f"[{query.BLAMED_WINDOW}]", 'peer!~"other|former"'],
        ),
        ("HtlcNearExpiry", [f"< {query.FAR}", f"< {query.NEAR}"]),
        ("ChainStalls", [f"> {query.HEADER_S:g}"]),
        ("UpdatesDelayed", [f'le="{query.DELAY_S:.1f}"']),
        ("CertificateExpires", [f"< {limit // query.DAY_S} * 86400" for limit in query.CERTIFICATE_S]),
    ],
)
def test_threshold_of_a_panel_is_the_alerts(name: str, words: list[str]) -> None:
    """The threshold in a panel is the alert's."""
    assert [word for word in words if word not in alert(name)] == []


def test_one_variable_selects_purpose_and_kinds() -> None:
    """Each value matches a purpose and exactly its kinds; all values together match everything."""
    (variable,) = [v for v in dashboard(FAILURES)["templating"]["list"] if v["name"] == "purpose"]
    values = dict(option.split(" : ") for option in variable["query"].split(","))
    for name, value in values.items():
        assert [purpose for purpose in Purpose if re.fullmatch(value, purpose)] == [name]
        assert [kind for kind in Kind if re.fullmatch(value, kind)] == [
            k for k, purpose in PURPOSE.items() if purpose == name
        ]
    assert variable["current"]["value"] == values["payment"]
    assert re.fullmatch(variable["allValue"], "probe")
    assert "kind" not in [v["name"] for v in dashboard(FAILURES)["templating"]["list"]]


def test_panels_without_purpose_are_below_a_heading_that_says_so() -> None:
    """Panels without a purpose are below a heading that names this."""
    heading = ""
    for shown in dashboard(FAILURES)["panels"]:
        if shown["type"] == "row":
            heading = heading if shown["collapsed"] else shown["title"]  # a folded row has its panels inside
        elif "All purposes" in heading:
            assert not any("$" + "{purpose" in target["expr"] for target in shown["targets"]), shown["title"]
        else:
            assert all("$" + "{purpose:pipe}" in target["expr"] for target in shown["targets"]), shown["title"]
    assert "All purposes" in heading
