"""`make stack`: starts the whole stack, prints its addresses and the alerts that are sent, and stops on Ctrl-C."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.rules.values import WrongValues, read
from tests.network.build import CannotBuild
from tests.network.process import NotReady, until
from tests.stack.programs import ROOT, Ports, check_ports, listens, programs
from tests.stack.webhooks import WebhookServer

WELCOME = """
A simulated node makes payments: no lnd, no money. Nothing is kept.

  http://localhost:{ports.exporter}/                the exporter's status page
  http://localhost:{ports.prometheus}/api/v1/alerts    Prometheus, with the rules of the profile `{profile}`; built from
                                        source without Node, it has no web pages
  http://localhost:{ports.alertmanager}/                 Alertmanager; its notifications are printed here
  {grafana}

As an example, an HTLC is held near its expiry: after about five minutes a critical alert is sent.
Ctrl-C stops everything.
"""
HIGHEST_PORT = 65_535
WITH_GRAFANA = "http://localhost:{port}/d/lnd-payments-overview   Grafana, with the dashboards"
WITHOUT_GRAFANA = "Grafana is not installed here. Import the dashboards into your Grafana: {place}/*.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C, and return the exit code: 2 if the stack can't be started."""
    try:
        profiles = sorted(read())
    except WrongValues as wrong:
        print(wrong, file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("profile", nargs="?", default="service", choices=profiles, help="the profile of the rules")
    parser.add_argument("--ports-moved-by", type=int, default=0, metavar="N", help="add N to all ports")
    options = parser.parse_args(arguments)
    if not 0 <= options.ports_moved_by <= HIGHEST_PORT - max(Ports()):
        parser.error(f"--ports-moved-by: from 0 to {HIGHEST_PORT - max(Ports())}")
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(play(options.profile, Ports().moved(options.ports_moved_by)))
        except (CannotBuild, NotReady) as why:
            print(f"The stack can't be started here: {why}", file=sys.stderr)
            return 2
    return 0


async def play(profile: str, ports: Ports) -> None:
    """Start the stack, print its addresses, and stop it on a signal."""
    check_ports(ports)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with TemporaryDirectory(prefix="lnd-payments-stack-") as home:
        async with WebhookServer(_print_alert) as webhooks, contextlib.AsyncExitStack() as stack:
            for running in programs(Path(home), profile, ports, webhooks):
                stack.push_async_callback(running.program.stop)
                await running.program.start()
                await until(f"{running.program.name} listens on port {running.port}", listens(running))
            grafana = WITHOUT_GRAFANA.format(place=ROOT / "dashboards")
            if running.port == ports.grafana:
                grafana = WITH_GRAFANA.format(port=ports.grafana)
            print(WELCOME.format(ports=ports, profile=profile, grafana=grafana), flush=True)
            await stopped.wait()
            print("Stopping.", flush=True)


def _print_alert(receiver: str, status: str, labels: dict[str, str], annotations: dict[str, str]) -> None:
    if not labels["alertname"].endswith("Watchdog"):
        print(f"{receiver}: {status}: {labels['severity']}: {annotations['summary']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
