"""The compose file follows the specification, and everything in it is what the rest of the repository has and tests."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_deploy import run_program
from tests.network.build import MODULES, tool
from tests.network.fixtures import built

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
COMPOSE = FOLDER / "compose.yml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
PROMETHEUS = FOLDER / "prometheus.yml"
EXPORTER = "LND_PAYMENTS_EXPORTER_"


@pytest.fixture(scope="session")
def program(programs: Path) -> Path:
    """Return the program that loads compose files. If it can't be built, skip the test; fail with CI=true."""
    del programs
    return built(lambda: tool("compose"), "COMPOSE FILE NOT CHECKED")


def loaded(program: Path, **variables: str) -> dict[str, Any]:
    """Return the services as compose sees them with some variables set."""
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run([program, COMPOSE], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def sources(services: dict[str, Any]) -> dict[str, str]:
    """Return what is mounted from the host: the path in the container, with its source."""
    mounts = [mount for service in services.values() for mount in service["volumes"] if mount["type"] == "bind"]
    assert all(mount["read_only"] for mount in mounts)
    return {mount["target"]: mount["source"] for mount in mounts}


def test_it_follows_the_specification_and_mounts_what_exists(program: Path) -> None:
    """As it stands it shows the simulated node, with the rules for a node at home."""
    services = loaded(program)
    assert services.keys() == SERVICES.keys()
    mounted = sources(services)
    assert [source for source in mounted.values() if not Path(source).exists()] == []
    assert mounted["/etc/prometheus/rules.yml"] == str(ROOT / "deploy" / "prometheus" / "home.rules.yml")
    assert mounted["/etc/alertmanager/alertmanager.yml"] == str(ROOT / "deploy" / "alertmanager" / "alertmanager.yml")
    assert services["exporter"]["environment"][f"{EXPORTER}LND_ADDRESS"] == ""


def test_two_variables_name_a_real_node(program: Path) -> None:
    """And others the profile of the rules, the configuration of Alertmanager and the name in lnd's certificate."""
    node = {"LND_ADDRESS": "host.docker.internal:10009", "LND_DIR": "/home/alice/lnd"}
    services = loaded(program, **node)
    assert sources(services)["/lnd"] == "/home/alice/lnd"
    assert services["exporter"]["environment"] == {
        f"{EXPORTER}LND_ADDRESS": "host.docker.internal:10009",
        f"{EXPORTER}LND_MACAROON": "/lnd/payments.macaroon",
        f"{EXPORTER}LND_TLS_CERT": "/lnd/tls.cert",
        f"{EXPORTER}LND_TLS_SERVER_NAME": "localhost",
        f"{EXPORTER}WEB_LISTEN_ADDRESS": ":10019",
    }
    other = loaded(program, RULES="routing", ALERTMANAGER_CONFIG="/a.yml", LND_TLS_SERVER_NAME="", **node)
    mounted = sources(other)
    assert mounted["/etc/prometheus/rules.yml"] == str(ROOT / "deploy" / "prometheus" / "routing.rules.yml")
    assert mounted["/etc/alertmanager/alertmanager.yml"] == "/a.yml"
    assert other["exporter"]["environment"][f"{EXPORTER}LND_TLS_SERVER_NAME"] == ""


@pytest.mark.parametrize(("variables", "command"), [({}, "demo"), ({"LND_ADDRESS": "alice:10009"}, "")])
def test_without_an_address_the_exporter_has_a_simulated_node(
    program: Path, variables: dict[str, str], command: str, tmp_path: Path
) -> None:
    """The entry point starts the command `demo`, otherwise none, which is `run`."""
    exporter = loaded(program, **variables)["exporter"]
    echo = tmp_path / "lnd-payments-exporter"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    environment = {**exporter["environment"], "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(exporter["entrypoint"], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == f"{command}\n"


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(name: str) -> None:
    """It has no privileges, only this machine reaches its port, and it comes back after a restart of the machine."""
    service = SERVICES[name]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["restart"] == "unless-stopped"
    assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []


def test_images_have_the_versions_that_are_tested() -> None:
    """Rules and routes are tested with these programs, and pictures of the dashboards are drawn by this Grafana."""
    modules = {
        name: re.search(rf"github.com/prometheus/{name} v(\S+)", (MODULES / name / "go.mod").read_text())
        for name in ("prometheus", "alertmanager")
    }
    tags = {name: found[1] for name, found in modules.items() if found}
    major, minor, patch = tags["prometheus"].split(".")  # 3.5.0 is 0.305.0 as a module
    tags["prometheus"] = f"{int(major) + int(minor) // 100}.{int(minor) % 100}.{patch}"
    drawn = json.loads((ROOT / "tests" / "pictures" / "render" / "package.json").read_text())
    assert {name: service["image"] for name, service in SERVICES.items()} == {
        "exporter": "lnd-payments-exporter",
        "prometheus": f"prom/prometheus:v{tags['prometheus']}",
        "alertmanager": f"prom/alertmanager:v{tags['alertmanager']}",
        "grafana": f"grafana/grafana:{drawn['dependencies']['@grafana/ui']}",
    }


def test_prometheus_is_configured_as_in_the_example() -> None:
    """Only the addresses differ, and the name of the rules."""
    example = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    for host, name in {"localhost:9093": "alertmanager:9093", "localhost:10019": "exporter:10019"}.items():
        example = example.replace(host, name)
    assert yaml.safe_load(PROMETHEUS.read_text()) == yaml.safe_load(example.replace("service.rules.yml", "rules.yml"))


@pytest.mark.usefixtures("programs")
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """With the rules in their place, as they are mounted."""
    shutil.copy(PROMETHEUS, tmp_path)
    shutil.copy(ROOT / "deploy" / "prometheus" / "home.rules.yml", tmp_path / "rules.yml")
    config = tmp_path / "prometheus.yml"
    assert "SUCCESS" in run_program("promtool", "check", "config", "--lint=all", "--lint-fatal", config)


def test_grafana_has_what_its_provisioning_asks_for() -> None:
    """Every variable in it is set, and the page to begin with is one of the dashboards."""
    environment = SERVICES["grafana"]["environment"]
    provisioning = (ROOT / "deploy" / "grafana" / "provisioning").rglob("*.yml")
    asked = {name for path in provisioning for name in re.findall(r"\$(\w+)", path.read_text())}
    assert asked == {name for name in environment if not name.startswith("GF_")}
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(environment["LND_PAYMENTS_DASHBOARDS"])
    assert (ROOT / "dashboards" / home.name).is_file()
