"""The committed rules are what the values make; Prometheus and Alertmanager take them; wrong values are told."""

import os
import re
import subprocess
from pathlib import Path

import msgspec
import promql_parser
import pytest
import yaml

from deploy.prometheus.generate import generated, groups
from deploy.prometheus.rule import PREFIX, Alert, Recording
from deploy.prometheus.values import VALUES, Values, WrongValues, read
from exporter.payments.labels import AmountBand, Purpose
from tests.dashboards.panels import FILES, dashboard, panels
from tests.dashboards.test_dashboards import known
from tests.deploy.documented import SECTIONS
from tests.network.build import binaries

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
ALERTS = ROOT / "docs" / "alerts.md"
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["What it means", "Look at", "Usual causes", "What to do", "When it is harmless"]
ARROW = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
PROFILES = read()


def tool(name: str, *arguments: str | Path) -> str:
    """What a program says; it must be content."""
    done = subprocess.run([binaries() / name, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts(values: Values) -> list[Alert]:
    """Those of a profile."""
    return [rule for group in groups(values) for rule in group.rules if isinstance(rule, Alert)]


def test_the_rules_are_what_the_values_make() -> None:
    """`make rules` has been run, and no file is left of a profile that is gone."""
    files = {RULES / f"{profile}.rules.yml": generated(profile, values) for profile, values in PROFILES.items()}
    assert {path: path.read_text() for path in RULES.glob("*.rules.yml")} == files, "run make rules"


@pytest.mark.parametrize("profile", PROFILES)
def test_prometheus_takes_them(profile: str) -> None:
    """Nothing is wrong, nothing is there twice."""
    tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES / f"{profile}.rules.yml")


@pytest.mark.parametrize("profile", PROFILES)
def test_each_alert_helps(profile: str) -> None:
    """It names a node or an instance in its first line, says what to do, and has a runbook."""
    for alert in alerts(PROFILES[profile]):
        if alert.name != "Watchdog":
            assert "$labels." in alert.summary, alert.name
        assert len(alert.description) > len(alert.summary), alert.name
        page = (RUNBOOKS / f"{PREFIX}{alert.name}.md").read_text()
        assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == HEADINGS, alert.name


def test_every_runbook_is_of_an_alert() -> None:
    """None is left of one that is gone."""
    everything = [msgspec.structs.replace(values, fee_budget_sat={Purpose.PAYMENT: 1}) for values in PROFILES.values()]
    names = {f"{PREFIX}{alert.name}.md" for values in everything for alert in alerts(values)}
    assert {page.name for page in RUNBOOKS.glob("*.md")} == names | {"README.md"}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("Lnd*.md")), ids=lambda page: str(page.stem))
def test_what_a_runbook_names(page: Path) -> None:
    """Every panel is on its dashboard, every query parses and names what there is."""
    text = page.read_text()
    titles = {f"{dashboard(uid)['title']} {ARROW} {panel['title']}" for uid in FILES for panel in panels(uid)}
    named = set(re.findall(rf"\*\*([^*]+ {ARROW} [^*]+)\*\*", text.replace("\n   ", " ")))
    assert named - titles == set()
    recorded = {
        rule.record for group in groups(PROFILES["home"]) for rule in group.rules if isinstance(rule, Recording)
    }
    for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        expr = promql_parser.parse(query).prettify()
        assert set(re.findall(r"\b(?:node\w*:)?lnd_payments_\w+(?::\w+)?", expr)) <= known() | recorded


def test_recorded_names() -> None:
    """`level:metric:operation`, as Prometheus' documentation asks for."""
    for values in PROFILES.values():
        for group in groups(values):
            for rule in group.rules:
                if isinstance(rule, Recording):
                    level, metric, operation = rule.record.split(":")
                    assert (level in {"node", "node_band"}, metric.startswith("lnd_payments_")) == (True, True)
                    assert operation


def test_alertmanager_takes_the_example() -> None:
    """And its secrets are in files."""
    tool("amtool", "check-config", ALERTMANAGER)
    for receiver in yaml.safe_load(ALERTMANAGER.read_text())["receivers"]:
        for settings in receiver.get("webhook_configs", []) + receiver.get("email_configs", []):
            assert not {"url", "auth_password"} & settings.keys()


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "LndPaymentsOutage", "severity": "critical", "node": "alice"}, "pager"),
        ({"alertname": "LndPaymentsStuck", "severity": "warning", "node": "alice"}, "mail"),
        ({"alertname": "LndPaymentsProbeStorm", "severity": "info", "node": "alice"}, "digest"),
        ({"alertname": "LndPaymentsWatchdog", "severity": "info"}, "dead-mans-switch"),
        ({"alertname": "LndPaymentsExporterDown", "severity": "critical"}, "pager"),
    ],
)
def test_who_is_called(labels: dict[str, str], receiver: str) -> None:
    """By how urgent it is."""
    words = [f"{label}={word}" for label, word in labels.items()]
    said = tool("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *words)
    assert said.split() == [receiver]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("slow_after_seconds: 10", "slow_after_seconds: 12", "slow_after_seconds: 12 is none of"),
        ("outage_severity: critical", "outage_severity: loud", "Invalid enum value 'loud'"),
        ("outage_severity: critical", 'outage_severity: "off"', "outage_severity: this alert can't be off"),
        ("    under_1k_sat: 98\n", "", "target_percent: no target for under_1k_sat"),
        ("under_1k_sat: 98", "under_1k_sat: 100", "Expected `float` < 100"),
        ('nodes: ".*"', 'nodes: "("', "is no regular expression"),
        ("unreachable_minutes: 3", "unreachable_hours: 3", "unknown field `unreachable_hours`"),
        ("stuck_after_seconds: 3600", "stuck_after_seconds: 60", "stuck_after_seconds: 60 is none of"),
        ("profiles:", "profile:", "not a file with `defaults` and `profiles`"),
        ("defaults:", "defaults: [", "not a file with `defaults` and `profiles`"),
    ],
)
def test_wrong_values(before: str, after: str, problem: str, tmp_path: Path) -> None:
    """What is wrong, and where."""
    text = VALUES.read_text()
    assert before in text
    path = tmp_path / "values.yml"
    path.write_text(text.replace(before, after))
    with pytest.raises(WrongValues) as found:
        read(path)
    assert str(found.value).startswith(str(path))
    assert problem in str(found.value)


def test_profiles_side_by_side() -> None:
    """Each for nodes of its own: no selector is without them."""
    values = Values(**{name: getattr(PROFILES["home"], name) for name in Values.__struct_fields__} | {"nodes": "al.+"})
    for group in groups(values):
        for rule in group.rules:
            ours = rule.expr.count("lnd_payments_") - rule.expr.count("lnd_payments_exporter_")
            assert rule.expr.count('{node=~"al.+"') == ours, rule


def test_a_total_outage_reaches_every_factor() -> None:
    """A factor times a budget stays below 1, whatever the amounts are."""
    for values in PROFILES.values():
        by_name = {rule.record: rule.expr for rule in groups(values)[0].rules if isinstance(rule, Recording)}
        for factor in (3, 6):
            allowed = by_name[f"node:lnd_payments_allowed_bad:sum{factor}x"]
            budgets = [float(line.lstrip("+ ").split(" * ")[0]) for line in allowed.splitlines()]
            assert factor * max(budgets) <= 0.9
            assert allowed.count("_sat") == len(AmountBand)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_tables_of_the_documentation(name: str) -> None:
    """`UPDATE_GOLDEN=1 pytest tests/deploy` writes them anew."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = ALERTS.read_text().partition(begin)
    table, _, tail = rest.partition(end)
    wanted = "\n" + "\n".join(SECTIONS[name]()) + "\n\n"
    if os.environ.get("UPDATE_GOLDEN"):
        ALERTS.write_text(head + begin + wanted + end + tail)
        return
    assert table == wanted
