"""The command `rules`: what it prints and writes, with values of one's own, and what it says about mistakes."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.__main__ import main
from exporter.rules.generate import generated
from exporter.rules.values import VALUES, read
from tests.deploy.test_deploy import run_program

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command prints; it must succeed and say nothing else."""
    assert main(["rules", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines about the only problem, without the first ones; the exit code must be 2, and nothing printed."""
    assert main(["rules", *arguments]) == 2
    out, err = capsys.readouterr()
    first, *lines = err.splitlines()
    assert (out, first) == ("", "lnd-payments-exporter: 1 problem with the configuration")
    return [line.strip() for line in lines if line]


def alerts(text: str) -> dict[str, Any]:
    """Return the alerts of a rule file by name."""
    return {
        rule["alert"].removeprefix("LndPayments"): rule
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


@pytest.mark.parametrize("profile", ["home", "service", "routing"])
def test_rules_of_a_profile(profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are those of the repository. Written to a file, they are the same, and so they are at the second time."""
    there = (RULES / f"{profile}.rules.yml").read_text()
    assert run(capsys, f"--profile={profile}") == run(capsys, f"--profile={profile}", "--output=-") == there
    for _ in range(2):
        assert run(capsys, f"--profile={profile}", "--output=lnd.rules.yml") == f"{Path.cwd()}/lnd.rules.yml\n"
        assert Path("lnd.rules.yml").read_text() == there
    assert Path("lnd.rules.yml").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in Path().iterdir()] == ["lnd.rules.yml"]


def test_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """A PrometheusRule has the same rules, and a name that Kubernetes accepts."""
    manifest = yaml.safe_load(run(capsys, "--profile=home", "--format=kubernetes"))
    assert manifest == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "lnd-payments-home", "labels": {"app.kubernetes.io/name": "lnd-payments-exporter"}},
        "spec": yaml.safe_load((RULES / "home.rules.yml").read_text()),
    }


def test_recordings(capsys: pytest.CaptureFixture[str]) -> None:
    """Without alerts the groups that record something are left, as a rule file and as a manifest."""
    every = yaml.safe_load(run(capsys, "--profile=home"))["groups"]
    for group in every:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule]
    left = {"groups": [group for group in every if group["rules"]]}
    assert yaml.safe_load(run(capsys, "--profile=home", "--recordings")) == left
    assert yaml.safe_load(run(capsys, "--profile=home", "--recordings", "--format=kubernetes"))["spec"] == left


def test_our_values_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever begins with a copy of them gets the same rules, and so does whoever has a file without any value."""
    values = Path("values.yml")
    values.write_text(run(capsys, "--show-values"))
    assert values.read_text() == VALUES.read_text()
    for text in (values.read_text(), "", "defaults:\nprofiles:\n", "profiles: {home: }\n"):
        values.write_text(text)
        assert run(capsys, "--profile=home", "--values=values.yml") == (RULES / "home.rules.yml").read_text()


def test_flags_without_effect_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Our values are those of all profiles, on standard output."""
    what, fix = "has no effect with --show-values.", "Leave it out: the values of all profiles are printed as they are."
    assert mistake(capsys, "--show-values", "--profile=home") == ["--profile", what, fix]
    assert mistake(capsys, "--show-values=true", "--output=values.yml") == ["--output", what, fix]


OWN = """\
defaults:
  grafana: https://grafana.example
  alerts:
    Outage: {percent: 70}
    Stuck: {hours: 24}
profiles:
  service:
    job: shop
    alerts:
      Outage: {minutes: 5}
      NodeUnreachable: {minutes: 7}
  test-nodes:
    nodes: "test-.+"
    alerts: {Outage: {severity: info}}
"""


def test_own_values(capsys: pytest.CaptureFixture[str]) -> None:
    """The user's defaults win over our profiles, the user's profiles over these, and flags over all."""
    Path("values.yml").write_text(OWN.replace("minutes: 5", "severity: warning"))
    expected = {"grafana": "https://grafana.example", "job": "shop"}
    alerts_: dict[str, Any] = {"Outage": {"percent": 70, "severity": "warning"}, "NodeUnreachable": {"minutes": 7}}
    alerts_["Stuck"] = {"hours": 24}  # ours of this profile is 1
    wanted = read(more=expected | {"alerts": alerts_})["service"]
    assert run(capsys, "--profile=service", "--values=values.yml") == generated("service", wanted)
    wanted = read(more=expected | {"alerts": alerts_, "job": "lnd", "runbooks": "https://wiki.example"})["service"]
    flags = ["--job=lnd", "--runbooks=https://wiki.example"]
    assert run(capsys, "--profile=service", "--values=values.yml", *flags) == generated("service", wanted)


def test_own_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """It has our defaults and the user's below it."""
    Path("values.yml").write_text(OWN.replace("minutes: 5", "severity: warning"))
    made = alerts(run(capsys, "--profile=test-nodes", "--values=values.yml"))
    assert made["Outage"]["labels"] == {"severity": "info"}
    assert '{node=~"test-.+"' in made["Outage"]["expr"]
    assert made["Outage"]["annotations"]["dashboard_url"].startswith("https://grafana.example/d/")
    assert made["FailFast"]["labels"] == {"severity": "warning"}


def test_example_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    """The own values in docs/alerts.md change the rules as the text says."""
    text = (ROOT / "docs" / "alerts.md").read_text().partition("### Your own values")[2]
    Path("values.yml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    ours, made = (alerts(run(capsys, "--profile=service", *own)) for own in ([], ["--values=values.yml"]))
    assert ours.keys() - made.keys() == {"TrafficGone"}
    assert 'le="60.0"' in made["Slow"]["expr"]
    assert made["Outage"]["annotations"]["dashboard_url"].startswith("https://grafana.example/d/")


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("profile", ["service", "test-nodes"])
def test_prometheus_accepts_rules_with_own_values(profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As strictly as ours."""
    Path("values.yml").write_text(OWN.replace("minutes: 5", "severity: warning"))
    run(capsys, f"--profile={profile}", "--values=values.yml", "--output=rules.yml", "--job=a b'c")
    run_program("promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules.yml")


SHOW = "lnd-payments-exporter rules --show-values prints a right file."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OWN, "profile service: Object contains unknown field `minutes` - at `$.alerts.Outage` (its keys are "),
        (
            "defaults: {alerts: {Outage: {percent: lots}}}",
            "defaults: Expected `float`, got `str` - at `$.alerts.Outage.p",
        ),
        ("defaults: {alert: {}}", "defaults: Object contains unknown field `alert` (did you mean alerts?)"),
        (
            "profiles: {home: {alerts: {Slow: off}}}",
            "profile home: Expected `object`, got `bool` - at `$.alerts.Slow` (",
        ),
        ("profiles: {Home: {}}", "profile 'Home': use small letters, digits and dashes in between: it names a file"),
        ("alerts: {}", "unknown `alerts`: only `defaults` and `profiles` are allowed at the top"),
        ("- defaults", "not a file with `defaults` and `profiles`, each with names and values"),
        ("profiles: [home]", "profiles: not names and values, such as `job: lnd-payments`"),
        ("defaults: [", "line 1: expected the node content, but found '<stream end>'"),
        ("defaults: &a {alerts: *a}", "defaults: Object contains unknown field `alerts` - at `$.alerts`"),
        ("[" * 5000, "not YAML"),
        ("\0", "not YAML"),
        ('defaults: {"\\ud800": 1}', "defaults: a half of a surrogate pair"),
        ('defaults: {success: "\\ud800"}', "defaults: a half of a surrogate pair"),
        ('defaults: !!int ""', "not YAML"),
        ("defaults: {job: !!bool lnd}", "not YAML"),
        ("defaults: {job: !!timestamp lnd}", "not YAML"),
        ("defaults: {<<: {job: lnd}}", "line 1: `<<` is not allowed here"),
        ('defaults: {"a\\nb\\e[31m": 1}', "defaults: Object contains unknown field `a\ufffdb\ufffd[31m`"),
        ('"a\\nb": 1', "unknown `a\ufffdb`: only"),
        ("defaults: {alerts: {1: {}}}", "defaults: Expected `str`"),
        ("defaults: {job: 7}", "defaults: Expected `str`, got `int` - at `$.job`"),
        ('defaults: {nodes: "(?=a)"}', "defaults: nodes: '(?=a)' is not a regular expression of Prometheus: "),
    ],
)
def test_wrong_values(text: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the file, the profile and the value."""
    path = Path("values.yml")
    path.write_text(text)
    flag, what, fix = mistake(capsys, "--profile=home", "--values=values.yml")
    assert (flag, fix) == ("--values", SHOW)
    assert what.startswith(f"{path.absolute()}: {problem}")


def test_wrong_files_of_values(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One that isn't there, a directory, and one that isn't text."""
    Path("latin.yml").write_bytes(b"defaults: {job: \xe4}")
    for name, what in {
        "valeus.yml": f"{tmp_path}/valeus.yml does not exist.",
        "/": "/ is a directory, not a file.",
        "latin.yml": f"{tmp_path}/latin.yml is not text.",
    }.items():
        assert mistake(capsys, "--profile=home", f"--values={name}")[:2] == ["--values", what]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            [],
            [
                "--profile",
                "is missing.",
                "Write --profile=home for your own node, service for many payments and users, routing for rebalances.",
            ],
        ),
        (["--profile"], ["--profile", "has no value.", "Write --profile=NAME"]),
        (
            ["--profile=servise"],
            [
                "--profile",
                "There is no profile 'servise'.",
                "Use one of home, service, routing. Did you mean service?",
            ],
        ),
        (
            ["--profile=home", "--format=json"],
            ["--format", "'json' is not a valid value.", "Use one of plain, kubernetes."],
        ),
        (
            ["--profile=home", "--job=lnd|cln"],
            [
                "--job",
                "'lnd|cln' is a pattern, not a name: only one job can be watched",
                "lnd-payments-exporter rules --help describes it.",
            ],
        ),
        (
            ["--profile=home", "--grafana=grafana.example"],
            [
                "--grafana",
                (
                    "'grafana.example' is not an address that begins with http:// or https:// and has no blank and none"
                    " of {}?#"
                ),
                "lnd-payments-exporter rules --help describes it.",
            ],
        ),
        (
            ["--profile=home", "--lnd.dir=/lnd"],
            [
                "--lnd.dir",
                "is not for the command rules.",
                "Leave it out; lnd-payments-exporter rules --help lists the flags of this command.",
            ],
        ),
    ],
)
def test_mistakes(arguments: Sequence[str], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One problem, which names the flag, and what would be right."""
    assert mistake(capsys, *arguments) == lines


OTHER_PATH = "Name another path, or a directory that this user may write to."


def test_wrong_outputs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Another file or a directory is left as it is, and nothing is left of what could not be written."""
    Path("notes.yml").write_text("groups: []\n")
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    for name, what in {
        "notes.yml": f"{tmp_path}/notes.yml exists, and is not an older version of this file: it stays as it is.",
        "pipe": f"{tmp_path}/pipe exists, and is not an older version of this file: it stays as it is.",
        str(tmp_path): f"{tmp_path} is a directory, not a file.",
        "loop": f"{tmp_path}/loop can't be read (Too many levels of symbolic links).",
        "no/lnd.yml": f"{tmp_path}/no/lnd.yml can't be written (there is no directory {tmp_path}/no).",
        "notes.yml/x.yml": f"{tmp_path}/notes.yml/x.yml can't be written (there is no directory {tmp_path}/notes.yml).",
        "/proc/lnd.yml": "/proc/lnd.yml can't be written (No such file or directory).",
    }.items():
        assert mistake(capsys, "--profile=home", f"--output={name}") == ["--output", what, OTHER_PATH]
    assert Path("notes.yml").read_text() == "groups: []\n"
    assert sorted(path.name for path in Path().iterdir()) == ["loop", "notes.yml", "pipe"]


def test_an_older_version_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """It keeps its mode, and a link to it stays a link."""
    Path("rules.yml").write_text("# Made by hand.\n" + (RULES / "service.rules.yml").read_text())
    Path("rules.yml").chmod(0o640)
    Path("link.yml").symlink_to("rules.yml")
    run(capsys, "--profile=home", "--output=link.yml")
    assert Path("link.yml").is_symlink()
    assert Path("rules.yml").read_text() == (RULES / "home.rules.yml").read_text()
    assert Path("rules.yml").stat().st_mode & 0o777 == 0o640


def test_settings_of_the_exporter_do_not_matter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs in the environment of an exporter, whatever is wrong with that; its own flags may be there."""
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_CONFIG_FILE", "/nonexistent.yml")
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_LOG_LEVEL", "loud")
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_PROFILE", "home")
    assert run(capsys) == (RULES / "home.rules.yml").read_text()


def test_names_in_any_encoding(tmp_path: Path) -> None:
    """What is printed is UTF-8, because Prometheus reads nothing else."""
    (tmp_path / "values.yml").write_text("defaults: {nodes: née}", encoding="utf-8")
    command = [sys.executable, "-m", "exporter", "rules", "--profile=home", f"--values={tmp_path}/values.yml"]
    environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environ)
    assert 'lnd_payments_node_up{node=~"née"}' in done.stdout.decode()


def test_full_disk() -> None:
    """The exit code is 1 if standard output can't be written."""
    command = f"{sys.executable} -m exporter rules --profile=home > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr == "lnd-payments-exporter: standard output can't be written (No space left on device)\n"


def test_file_that_cannot_be_written_to_its_end(tmp_path: Path) -> None:
    """The older version stays whole, and nothing else is left."""
    older = (RULES / "home.rules.yml").read_text()
    (tmp_path / "lnd.yml").write_text(older)
    command = f"ulimit -f 1; {sys.executable} -m exporter rules --profile=home --output={tmp_path}/lnd.yml"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert f"{tmp_path}/lnd.yml can't be written (File too large)." in done.stderr
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("lnd.yml", older)]
