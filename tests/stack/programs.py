"""The programs of the stack, each with its configuration and port."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import yaml

from dashboards.board import TAG
from tests.network.build import binaries
from tests.network.process import NotReady, Program
from tests.stack.webhooks import WebhookServer

ROOT = Path(__file__).parents[2]
SCRAPE = "5s"


class Ports(NamedTuple):
    """The ports of the programs; the defaults are the usual ones."""

    exporter: int = 10019
    prometheus: int = 9090
    alertmanager: int = 9093
    grafana: int = 3000

    def moved(self, by: int) -> "Ports":
        """Return all ports plus `by`."""
        return Ports(*(port + by for port in self))


class Running(NamedTuple):
    """A program, and the port on which it will listen."""

    program: Program
    port: int


def programs(home: Path, profile: str, ports: Ports, webhooks: WebhookServer) -> list[Running]:
    """Configure the exporter with its demo node, Alertmanager, Prometheus, and Grafana if it is installed."""
    tools = binaries()
    alertmanager, prometheus = home / "alertmanager.yml", home / "prometheus.yml"
    alertmanager.write_text(yaml.safe_dump(webhooks.example()))
    prometheus.write_text(json.dumps(_prometheus(profile, ports)))  # JSON is YAML
    commands = [
        ("exporter", [sys.executable, "-m", "exporter", "demo"], ports.exporter),
        (
            "alertmanager",
            [
                str(tools / "alertmanager"),
                f"--config.file={alertmanager}",
                f"--storage.path={home / 'alerts'}",
                "--cluster.listen-address=",
            ],
            ports.alertmanager,
        ),
        (
            "prometheus",
            [str(tools / "prometheus"), f"--config.file={prometheus}", f"--storage.tsdb.path={home / 'data'}"],
            ports.prometheus,
        ),
    ]
    running = [
        Running(Program(name, [*command, f"--web.listen-address=127.0.0.1:{port}"], home), port)
        for name, command, port in commands
    ]
    grafana = shutil.which("grafana")
    return [*running, Running(_grafana(grafana, home, ports), ports.grafana)] if grafana else running


def _prometheus(profile: str, ports: Ports) -> dict[str, object]:
    return {
        "global": {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE},
        "scrape_configs": [{"job_name": TAG, "static_configs": [{"targets": [f"localhost:{ports.exporter}"]}]}],
        "rule_files": [str(ROOT / "deploy" / "prometheus" / f"{profile}.rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"localhost:{ports.alertmanager}"]}]}]},
    }


def _grafana(program: str, home: Path, ports: Ports) -> Program:
    """Configure Grafana with data source and dashboards; anonymous visitors may view, but not edit."""
    share = next((path for path in (Path("/usr/share/grafana"), Path(program).parents[1]) if path.is_dir()), home)
    settings = {
        "GF_PATHS_DATA": home / "grafana",
        "GF_PATHS_PROVISIONING": ROOT / "deploy" / "grafana" / "provisioning",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": ports.grafana,
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "LND_PAYMENTS_DASHBOARDS": ROOT / "dashboards",
        "LND_PAYMENTS_PROMETHEUS": f"http://localhost:{ports.prometheus}",
    }
    os.environ.update({name: str(value) for name, value in settings.items()})
    return Program("grafana", [program, "server", f"--homepath={share}"], home)


def listens(running: Running) -> Callable[[], Awaitable[bool]]:
    """Return a function for `until`: does the program accept connections? It raises `NotReady` if it has ended."""

    async def accepts() -> bool:
        running.program.check()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", running.port)) == 0

    return accepts


def check_ports(ports: Ports) -> None:
    """Raise `NotReady` with the first port that is in use."""
    for port in ports if shutil.which("grafana") else ports[:-1]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise NotReady(
                    f"port {port}: {error.strerror}. Stop the program on it, or move all ports: --ports-moved-by=1000"
                ) from None
