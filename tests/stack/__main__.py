"""`make stack`: starts all of it, says where to look, tells which alerts fire, and stops on Ctrl-C."""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from dashboards.board import TAG
from tests.network.build import CannotBuild, binaries
from tests.network.process import NotReady, Program, until
from tests.stack.telephone import Telephone

ROOT = Path(__file__).parents[2]
EXPORTER, PROMETHEUS, ALERTMANAGER, GRAFANA = 10019, 9090, 9093, 3000
"""Where each is found; the ports that everybody knows."""
SCRAPE = "5s"
WELCOME = """
A simulated node makes payments. No lnd, no money, nothing is kept.

  http://localhost:{exporter}/             how the node is, in words
  http://localhost:{prometheus}/alerts         Prometheus, with the rules of the profile `{profile}`
  http://localhost:{alertmanager}/               Alertmanager; what it sends is told here
  {grafana}

Ctrl-C stops everything.
"""
WITH_GRAFANA = "http://localhost:{port}/d/lnd-payments-overview   Grafana, with the dashboards"
WITHOUT_GRAFANA = "Grafana is not installed here; import the dashboards into yours: {place}/*.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C; 2 if it can't be started here."""
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    profiles = sorted(path.name.removesuffix(".rules.yml") for path in (ROOT / "deploy/prometheus").glob("*.rules.yml"))
    parser.add_argument("profile", nargs="?", default="service", choices=profiles, help="whose rules to load")
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(play(options.profile))
        except (CannotBuild, NotReady) as why:
            print(f"The stack can't be started here: {why}", file=sys.stderr)
            return 2
    return 0


async def play(profile: str) -> None:
    """Start, tell, wait, stop."""
    for port in (EXPORTER, PROMETHEUS, ALERTMANAGER, GRAFANA):
        _free(port)
    enough = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, enough.set)
    with TemporaryDirectory(prefix="lnd-payments-stack-") as name:
        async with Telephone(_say) as telephone:
            programs = _programs(Path(name), profile, telephone)
            try:
                for program in programs:
                    await program.start()
                for program, port in zip(programs, (EXPORTER, ALERTMANAGER, PROMETHEUS, GRAFANA), strict=False):
                    await until(f"{program.name} listens on port {port}", listens(program, port))
                print(_welcome(profile, grafana=len(programs) > 3), flush=True)
                await enough.wait()
                print("Stopping.", flush=True)
            finally:
                for program in reversed(programs):
                    await program.stop()


def _programs(home: Path, profile: str, telephone: Telephone) -> list[Program]:
    """The exporter with its node, Alertmanager, Prometheus, and Grafana if it is installed."""
    tools = binaries()
    alertmanager, prometheus = home / "alertmanager.yml", home / "prometheus.yml"
    alertmanager.write_text(yaml.safe_dump(telephone.example()))
    prometheus.write_text(json.dumps(_prometheus(profile)))  # JSON is YAML
    exporter = [sys.executable, "-m", "exporter", "demo", f"--web.listen-address=127.0.0.1:{EXPORTER}"]
    programs = [
        Program("exporter", exporter, home),
        Program(
            "alertmanager",
            [
                str(tools / "alertmanager"),
                f"--config.file={alertmanager}",
                f"--storage.path={home / 'alerts'}",
                f"--web.listen-address=127.0.0.1:{ALERTMANAGER}",
                "--cluster.listen-address=",
            ],
            home,
        ),
        Program(
            "prometheus",
            [
                str(tools / "prometheus"),
                f"--config.file={prometheus}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS}",
            ],
            home,
        ),
    ]
    grafana = shutil.which("grafana")
    if grafana:
        programs.append(_grafana(grafana, home))
    return programs


def _prometheus(profile: str) -> dict[str, object]:
    return {
        "global": {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE},
        "scrape_configs": [
            {"job_name": TAG, "static_configs": [{"targets": [f"localhost:{EXPORTER}"]}]},
        ],
        "rule_files": [str(ROOT / "deploy" / "prometheus" / f"{profile}.rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"localhost:{ALERTMANAGER}"]}]}]},
    }


def _grafana(program: str, home: Path) -> Program:
    """With data source and dashboards; whoever comes may look, nobody may change."""
    share = next((path for path in (Path("/usr/share/grafana"), Path(program).parents[1]) if path.is_dir()), home)
    settings = {
        "GF_PATHS_DATA": home / "grafana",
        "GF_PATHS_PROVISIONING": ROOT / "deploy" / "grafana" / "provisioning",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": GRAFANA,
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "LND_PAYMENTS_DASHBOARDS": ROOT / "dashboards",
    }
    os.environ.update({name: str(value) for name, value in settings.items()})
    return Program("grafana", [program, "server", f"--homepath={share}"], home)


def listens(program: Program, port: int) -> Callable[[], Awaitable[bool]]:
    """Ask whether a program accepts connections."""

    async def listens() -> bool:
        program.check()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return listens


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NotReady(f"port {port} is in use ({error.strerror}): stop what listens there.") from None


def _welcome(profile: str, *, grafana: bool) -> str:
    with_or_without = (
        WITH_GRAFANA.format(port=GRAFANA) if grafana else WITHOUT_GRAFANA.format(place=ROOT / "dashboards")
    )
    return WELCOME.format(
        exporter=EXPORTER, prometheus=PROMETHEUS, alertmanager=ALERTMANAGER, profile=profile, grafana=with_or_without
    )


def _say(receiver: str, status: str, labels: dict[str, str], annotations: dict[str, str]) -> None:
    if labels["alertname"].endswith("Watchdog"):
        return
    print(f"{receiver}: {status}: {labels['severity']}: {annotations['summary']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
