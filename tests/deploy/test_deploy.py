"""The committed rules match the values; Prometheus and Alertmanager accept them; wrong values are reported."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import promql_parser
import pytest
import yaml

from exporter.config import ConfigError
from exporter.config.webfile import read_web_file
from exporter.payments.labels import AmountBand
from exporter.rules.generate import generated, groups
from exporter.rules.recording import factors
from exporter.rules.rule import PREFIX, Alert, Recording, as_yaml
from exporter.rules.thresholds import Severity
from exporter.rules.values import VALUES, Success, Values, WrongValues, read
from exporter.web.pages import SERVICE_DISCOVERY
from tests.dashboards.panels import FILES, dashboard, panels
from tests.dashboards.test_dashboards import known
from tests.deploy.documented import SECTIONS, check
from tests.incidents.named import EVERYTHING
from tests.network.build import binaries
from tests.web import certificates

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
ALERTS = ROOT / "docs" / "alerts.md"
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["What it means", "Look at", "Usual causes", "What to do", "When it is harmless"]
ARROW = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
PROFILES = read()


def run_program(name: str, *arguments: str | Path) -> str:
    """Return the output of a program, which must succeed."""
    done = subprocess.run([binaries() / name, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts(values: Values) -> list[Alert]:
    """Return the alerts of a profile."""
    return [rule for group in groups(values) for rule in group.rules if isinstance(rule, Alert)]


def test_rules_are_up_to_date() -> None:
    """`make rules` has been run, and there is no file of a removed profile."""
    files = {RULES / f"{profile}.rules.yml": generated(profile, values) for profile, values in PROFILES.items()}
    assert {path: path.read_text() for path in RULES.glob("*.rules.yml")} == files, "run make rules"


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("success", Success)
@pytest.mark.parametrize("profile", PROFILES)
def test_prometheus_accepts_the_rules(profile: str, success: Success, tmp_path: Path) -> None:
    """promtool finds no errors and no duplicates, whoever's success burns the budget; alerts say whose it is."""
    values = read(more={"success": success.value})[profile]
    path = tmp_path / "rules.yml"
    path.write_text(generated(profile, values))
    run_program("promtool", "check", "rules", "--lint=all", "--lint-fatal", path)
    saying = {alert.name for alert in alerts(values) if f"`success: {success}`" in alert.description}
    assert saying == {"FailFast", "FailSlowly", "ErrorBudget"}


def example_web_file(home: Path, password: str | None = None) -> Path:
    """Return a copy of the example of a web file, with its certificate, and with the hash of a password."""
    text = (ROOT / "deploy" / "exporter" / "web.yml").read_text()
    if password is not None:
        text = text.replace("PUT-THE-HASH-HERE", bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())
    made = certificates.make("exporter.example")
    for name, content in {"web.yml": text.encode(), "server.pem": made.pem, "server.key": made.key}.items():
        (home / name).write_bytes(content)
    return home / "web.yml"


def test_example_of_a_web_file(tmp_path: Path) -> None:
    """It has TLS and a user; as it stands it is refused, because everybody would know its password."""
    file = read_web_file(example_web_file(tmp_path, "secret"))
    assert file.summary == "TLS, no client certificates, 1 user"
    with pytest.raises(ConfigError) as refused:
        read_web_file(example_web_file(tmp_path))
    (problem,) = refused.value.problems
    assert problem.where.startswith(f"{tmp_path / 'web.yml'}:")
    assert "PUT-THE" not in str(problem)


@pytest.mark.usefixtures("programs")
def test_promtool_accepts_the_example_of_a_web_file(tmp_path: Path) -> None:
    """So do all exporters of the family."""
    run_program("promtool", "check", "web-config", example_web_file(tmp_path, "secret"))


@pytest.mark.usefixtures("programs")
def test_prometheus_accepts_the_example() -> None:
    """The example configuration, with its rules; its job is the one that the rules expect."""
    example = RULES / "prometheus.yml"
    assert "SUCCESS" in run_program("promtool", "check", "config", "--lint=all", "--lint-fatal", example)
    (job,) = yaml.safe_load(example.read_text())["scrape_configs"]
    assert {values.job for values in PROFILES.values()} == {job["job_name"]}
    (discovery,) = job["http_sd_configs"]
    assert discovery["url"].endswith(SERVICE_DISCOVERY)


@pytest.mark.parametrize("profile", PROFILES)
def test_locked_wallet_behind_a_temporary_certificate(profile: str) -> None:
    """With `tlsencryptkey` only `NodeUnreachable` can fire: it and its runbook mention the wallet, too."""
    (alert,) = (alert for alert in alerts(PROFILES[profile]) if alert.name == "NodeUnreachable")
    assert "tlsencryptkey" in alert.description
    assert "lncli state" in alert.description
    runbook = (RUNBOOKS / "LndPaymentsNodeUnreachable.md").read_text()
    assert "tls.cert.tmp" in runbook
    assert "LndPaymentsWalletLocked.md" in runbook


@pytest.mark.parametrize("profile", PROFILES)
def test_alert_names_its_node_gives_advice_and_has_a_runbook(profile: str) -> None:
    """Its summary names a node or an instance, its description gives advice, and it has a runbook."""
    for alert in alerts(PROFILES[profile]):
        if alert.name != "Watchdog":
            assert "$labels." in alert.summary, alert.name
        summary, description = (re.sub("{{.*?}}", "", text) for text in (alert.summary, alert.description))
        assert len(description) > len(summary), alert.name
        page = (RUNBOOKS / f"{PREFIX}{alert.name}.md").read_text()
        assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == HEADINGS, alert.name


def test_home_has_only_what_needs_a_hand_within_the_day() -> None:
    """Sixteen alerts and the watchdog: one person has one node and little time."""
    home = PROFILES["home"]
    names = {alert.fires_as for alert in alerts(home) if alert.severity is not Severity.OFF}
    assert sorted(names) == [
        "CertificateExpires",
        "ChainStalls",
        "ExporterDown",
        "ExporterTrouble",
        "FailSlowly",
        "HtlcNearExpiry",
        "LateSuccess",
        "LiquidityRunsOut",
        "NoActiveChannel",
        "NodeUnreachable",
        "NothingScraped",
        "Outflow",
        "QuietNodeFails",
        "StartingForLong",
        "Stuck",
        "WalletLocked",
        "Watchdog",
    ]


def test_a_severity_is_critical_in_all_profiles_or_for_the_sake_of_users() -> None:
    """Only the profile `service` makes more critical: what its users and its money depend on."""
    critical = {
        profile: {alert.name for alert in alerts(values) if alert.severity is Severity.CRITICAL}
        for profile, values in PROFILES.items()
    }
    # HtlcNearExpiry is critical when an HTLC has expired, too; a home has one node, and too few payments for Outage.
    assert critical["routing"] - critical["home"] == {"HtlcExpired", "ManyNodesDown", "Outage"}
    assert critical["home"] < critical["routing"]
    assert critical["service"] - critical["routing"] == {"FailFast", "LateSuccess", "Outflow", "TrafficGone"}


def test_every_runbook_belongs_to_an_alert() -> None:
    """There is no runbook of a removed alert."""
    names = {f"{PREFIX}{alert.name}.md" for values in read(more=EVERYTHING).values() for alert in alerts(values)}
    assert {page.name for page in RUNBOOKS.glob("*.md")} == names | {"README.md"}
    assert set(re.findall(r"\[\w+\]\((\w+\.md)\)", (RUNBOOKS / "README.md").read_text())) == names


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("Lnd*.md")), ids=lambda page: str(page.stem))
def test_runbook_names_existing_panels_and_metrics(page: Path) -> None:
    """Every panel is on its dashboard; every query parses and names existing metrics."""
    text = page.read_text()
    titles = {f"{dashboard(uid)['title']} {ARROW} {panel['title']}" for uid in FILES for panel in panels(uid)}
    named = set(re.findall(rf"\*\*([^*]+ {ARROW} [^*]+)\*\*", text.replace("\n   ", " ")))
    assert named - titles == set()
    settings = [read(more={"success": success.value})["home"] for success in Success]
    recorded = {
        rule.record
        for values in settings
        for group in groups(values)
        for rule in group.rules
        if isinstance(rule, Recording)
    }
    for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        expr = promql_parser.parse(query).prettify()
        assert set(re.findall(r"\b(?:\w+:)?lnd_payments_\w+(?::\w+)?", expr)) <= known() | recorded


@pytest.mark.parametrize("name", ["FailFast", "FailSlowly", "ErrorBudget", "Outage", "QuietNodeFails"])
def test_runbook_says_whose_success_counts(name: str) -> None:
    """Those that can be set to either explain both, as their text names it; the others say that they can't."""
    page = " ".join((RUNBOOKS / f"{PREFIX}{name}.md").read_text().split())
    (alert,) = (alert for alert in alerts(PROFILES["home"]) if alert.name == name)
    if "`success: " in alert.description:
        assert all(f"`success: {success}`" in page for success in Success)
    else:
        assert "whichever `success` is set in `values.yml`" in page


def test_names_of_recorded_series() -> None:
    """They are `level:metric:operation`, as Prometheus' documentation recommends."""
    for values in PROFILES.values():
        for group in groups(values):
            for rule in group.rules:
                if isinstance(rule, Recording):
                    _, metric, operation = rule.record.split(":")
                    assert metric.startswith("lnd_payments_")
                    assert operation


@pytest.mark.usefixtures("programs")
def test_alertmanager_accepts_the_example() -> None:
    """And it reads its secrets from files."""
    run_program("amtool", "check-config", ALERTMANAGER)
    for receiver in yaml.safe_load(ALERTMANAGER.read_text())["receivers"]:
        for settings in receiver.get("webhook_configs", []) + receiver.get("email_configs", []):
            assert not {"url", "auth_password"} & settings.keys()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "LndPaymentsOutage", "severity": "critical", "node": "alice"}, "pager"),
        ({"alertname": "LndPaymentsOutage", "severity": "critical", "node": "test-alice"}, "mail"),
        ({"alertname": "LndPaymentsStuck", "severity": "warning", "node": "alice"}, "mail"),
        ({"alertname": "LndPaymentsProbeStorm", "severity": "info", "node": "alice"}, "digest"),
        ({"alertname": "LndPaymentsWatchdog", "severity": "info"}, "dead-mans-switch"),
        ({"alertname": "LndPaymentsExporterDown", "severity": "critical"}, "pager"),
        ({"alertname": "LndPaymentsManyNodesDown", "severity": "critical"}, "pager"),
    ],
)
def test_receiver_of_an_alert(labels: dict[str, str], receiver: str) -> None:
    """The severity decides, and a node whose name begins with `test-` never pages."""
    matchers = [f"{label}={word}" for label, word in labels.items()]
    receivers = run_program("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *matchers)
    assert receivers.split() == [receiver]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("Slow: {seconds: 10}", "Slow: {seconds: 12}", "Slow: seconds: 12 is none of"),
        ("Outage: {severity: critical", "Outage: {severity: loud", "(use one of critical, warning, info, off)"),
        ('RebalanceStorm: {severity: "off"}', "RebalanceStorm: {severity: off}", 'write "off" in quotes'),
        ("    under_1k_sat: 98\n", "", "target_percent: no target for under_1k_sat"),
        ("under_1k_sat: 98", "under_1k_sat: 100", "Expected `float` <= 99.9"),
        ('nodes: ".*"', 'nodes: "("', "is not a regular expression"),
        ('nodes: ".*"', 'nodes: "a(?=b)"', "is not a regular expression of Prometheus"),
        ('nodes: ".*"', 'nodes: "a++"', "is not a regular expression of Prometheus"),
        ("grafana: http://localhost:3000", "grafana: http://localhost/{{", "is not an address"),
        ("minutes: 60}", "minutes: 99999999999}", "Expected `int` <= 10080"),
        ("  home:", "  ../home:", "use small letters, digits and dashes"),
        ("  service:", "  payments:", "no profile `service`: dashboards show its thresholds"),
        ('nodes: ".*"', 'nodes: ""', "Expected `str` of length >= 1"),
        ("job: lnd-payments", "job: lnd-.*", "is a pattern, not a name"),
        ("job: lnd-payments", 'job: ""', "Expected `str` of length >= 1"),
        ("[timeout, no_route,", "[timeout, none,", "bad_reasons: none: what nobody knows"),
        ("success: node", "success: payer", "'payer' - at `$.success` (use one of node, customer)"),
        ("exporter_alerts: each", "exporter_alerts: some", "(use one of each, one)"),
        (
            "[invoice, keysend, amp]",
            "[invoices]",
            "(use one of rebalance, amp, keysend, invoice, probe, other, unknown)",
        ),
        ("sat: {}", "sat: {rebalances: 5}", "(use one of payment, rebalance, other)"),
        ("under_1k_sat: 98", "under_1_sat: 98", "(use one of under_1k_sat, 1k_to_10k_sat"),
        ("http://localhost:3000", "localhost:3000", "begins with http:// or https://"),
        ("http://localhost:3000", "http://localhost:3000/?orgId=1", "none of {}?#"),
        ("http://localhost:3000", "http://localhost:3000/#home", "none of {}?#"),
        ("http://localhost:3000", '"http://localhost:3000/{{ . }}"', "none of {}?#"),
        ("http://localhost:3000", '"http://localhost:3000/\\u202e"', "none of {}?#"),
        ("job: lnd-payments", 'job: "lnd\\u202e"', "is a pattern, not a name"),
        ("severity: warning, hours: 12", "severity: warning, hours: 24", "Expected `int` <= 23"),
        ("percent: 20, at_least: 12", "at_least: 12", "missing required field `percent`"),
        ("burn: 6", "burn: .inf", "Expected `float` <= 1000.0"),
        ("times: 4", "times: 0.5", "Expected `float` >= 1"),
        (
            "QuietNodeFails: {severity: warning, at_least: 3}",
            "QuietNodeFails: {severity: warning, at_least: 50}",
            "not below",
        ),
        ("severity: critical, minutes: 3", "severity: critical, hours: 3", "unknown field `hours`"),
        ("Stuck: {hours: 1}", "Stuck: {hours: 2}", "hours: 2 is neither 1 nor 24"),
        ("warning_blocks: 144", "warning_blocks: 36", "critical_blocks: not below warning_blocks"),
        ("critical_days: 3", "critical_days: 30", "critical_days: not below warning_days"),
        ("at_least: 3, percent: 10", "at_least: 1, percent: 10", "at_least: 1 is not many: 2 or more would be right"),
        ("critical_minutes: 15", "critical_minutes: 5", "critical_minutes: not above warning_minutes"),
        (
            "    FailFast: {severity: warning",
            "    FailFats: {severity: warning",
            "(did you mean FailFast?)",
        ),
        ("success: node", "success: false", "got `bool` - at `$.success` (use one of node, customer)"),
        ("exporter_alerts: each", "exporter_alerts: on", "got `bool` - at `$.exporter_alerts` (use one of each, one)"),
        ("exporter_alerts: each", "exporter_alerts: all", "(use one of each, one)"),
        ("under_1k_sat: 98", "under_2k_sat: 98", "(use one of under_1k_sat, 1k_to_10k_sat, "),
        ("[timeout, no_route,", "[timeout, route,", "(use one of timeout, "),
        (
            "percent: 50, minutes: 60",
            "percent: 50, minutes: true",
            "got `bool` - at `$.alerts.BalanceInactive.minutes`",
        ),
        ("Slow: {seconds: 10}", "Slow: off", '(all keys of an alert are in braces, such as {severity: "off"})'),
        ("Slow: {seconds: 10}", "Slow:", '(all keys of an alert are in braces, such as {severity: "off"})'),
        ("Slow: {seconds: 10}", "LndPaymentsSlow: {seconds: 10}", "(did you mean Slow?)"),
        ("at_least: 3, percent: 10", "at_least: 3, percent: 10, severity: info", "(its keys are at_least, percent)"),
        ("  home:", "  service: {}\n  home:", "`service` is there twice"),
        ("profiles:", "more: {}\nprofiles:", "unknown `more`: only `defaults` and `profiles`"),
        ("profiles:", "profile:", "unknown `profile`: only `defaults` and `profiles`"),
        ("  home:", "  1:", "profiles: not names and values"),
        ("  home:", "  ? [home]\n  :", "a key is not a word"),
        ("  home:", "  home-:", "use small letters, digits and dashes in between"),
        ('nodes: ".*"', 'nodes: "\\ud83d"', "it has characters that can't be shown"),
        ("grafana: http://localhost:3000", "grafana: http://local host", "is not an address"),
        ("defaults:", "defaults: [", ": expected ',' or ']'"),
        ("defaults:", "a: 2026-99-99\ndefaults:", "not YAML"),
    ],
)
def test_wrong_value_is_reported(before: str, after: str, problem: str, tmp_path: Path) -> None:
    """The error names the file and the problem."""
    text = VALUES.read_text()
    assert before in text
    path = tmp_path / "values.yml"
    path.write_text(text.replace(before, after))
    with pytest.raises(WrongValues) as found:
        read(path)
    assert str(found.value).startswith(str(path))
    assert problem in str(found.value)


def leaf_values(values: Mapping[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value, with its path of keys."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaf_values(value, *path, key)
        else:
            yield (*path, key), value


NUMBERS = {
    path: value
    for path, value in leaf_values(yaml.safe_load(VALUES.read_text())["defaults"])
    if isinstance(value, (int, float))
}


def rules(values: Values) -> dict[str, Any]:
    """Return the content of the rule file."""
    return as_yaml(groups(values), values)


UNCHANGED = {name: rules(values) for name, values in PROFILES.items()}
OTHER_VALUES: Mapping[str, Mapping[float, float]] = {"seconds": {30: 60, 2: 5, 5: 10}, "hours": {24: 1}}
"""Another allowed value, for keys that allow only some numbers."""


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_every_number_changes_the_rules(path: tuple[str, ...]) -> None:
    """Changing any number changes the rules of some profile."""
    value = NUMBERS[path]
    more: Any = OTHER_VALUES.get(path[-1], {}).get(value, value + 1)
    for key in reversed(path):
        more = {key: more}
    changed = read(more=more)
    assert any(rules(changed[name]) != UNCHANGED[name] for name in PROFILES)


@pytest.mark.parametrize("success", Success)
def test_every_selector_has_the_nodes_of_its_profile(success: Success) -> None:
    """Every selector contains the profile's nodes, except in alerts that can't know the name of a node."""
    for group in groups(read(more={"nodes": "al.+", "success": success.value})["home"]):
        for rule in group.rules:
            ours = rule.expr.count("lnd_payments_") - rule.expr.count("lnd_payments_exporter_")
            of_any = {"ExporterDown": 4, "ManyNodesDown": 3, "NothingScraped": 1, "NodeLabelTaken": 2}.get(
                getattr(rule, "name", ""), 0
            )
            assert rule.expr.count('{node=~"al.+"') + of_any == ours, rule


def test_total_outage_exceeds_every_factor() -> None:
    """A factor times a budget stays below 1 for all amounts."""
    for values in PROFILES.values():
        by_name = {rule.record: rule.expr for rule in groups(values)[0].rules if isinstance(rule, Recording)}
        for speed, factor in factors(values).items():
            allowed = by_name[f"instance_node:lnd_payments_allowed_bad_{speed}_total:sum"]
            budgets = [float(number) for number in re.findall(r"([0-9.]+) \* ", allowed)]
            assert factor * max(budgets) <= 0.9
            assert allowed.count("_sat") == len(AmountBand)


@pytest.mark.parametrize("name", SECTIONS)
def test_tables_of_the_documentation(name: str) -> None:
    """`UPDATE_GOLDEN=1 pytest tests/deploy` generates them."""
    check(ALERTS, name, SECTIONS[name]())
