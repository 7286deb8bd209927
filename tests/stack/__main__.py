"""`make stack`: starts all of it, says where to look, tells which alerts are sent, and stops on Ctrl-C."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.prometheus.values import WrongValues, read
from tests.network.build import CannotBuild
from tests.network.process import NotReady, until
from tests.stack.programs import ROOT, Ports, listens, must_be_free, programs
from tests.stack.telephone import Telephone

WELCOME = """
A simulated node makes payments. No lnd, no money, nothing is kept.

  http://localhost:{ports.exporter}/          how the node is, in words
  http://localhost:{ports.prometheus}/alerts     Prometheus, with the rules of the profile `{profile}`
  http://localhost:{ports.alertmanager}/           Alertmanager; what it sends is told here
  {grafana}

So that there is something to see, an HTLC is held near its expiry: after about five minutes a critical alert is sent.
Ctrl-C stops everything.
"""
HIGHEST_PORT = 65_535
WITH_GRAFANA = "http://localhost:{port}/d/lnd-payments-overview   Grafana, with the dashboards"
WITHOUT_GRAFANA = "Grafana is not installed here; import the dashboards into yours: {place}/*.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C; 2 if it can't be started here."""
    try:
        profiles = sorted(read())
    except WrongValues as wrong:
        print(wrong, file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("profile", nargs="?", default="service", choices=profiles, help="whose rules to load")
    parser.add_argument("--ports-moved-by", type=int, default=0, metavar="N", help="all ports so much higher")
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
    """Start, tell, wait, stop."""
    must_be_free(ports)
    enough = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, enough.set)
    with TemporaryDirectory(prefix="lnd-payments-stack-") as home:
        async with Telephone(_say) as telephone, contextlib.AsyncExitStack() as stack:
            for running in programs(Path(home), profile, ports, telephone):
                stack.push_async_callback(running.program.stop)
                await running.program.start()
                await until(f"{running.program.name} listens on port {running.port}", listens(running))
            grafana = WITHOUT_GRAFANA.format(place=ROOT / "dashboards")
            if running.port == ports.grafana:
                grafana = WITH_GRAFANA.format(port=ports.grafana)
            print(WELCOME.format(ports=ports, profile=profile, grafana=grafana), flush=True)
            await enough.wait()
            print("Stopping.", flush=True)


def _say(receiver: str, status: str, labels: dict[str, str], annotations: dict[str, str]) -> None:
    if not labels["alertname"].endswith("Watchdog"):
        print(f"{receiver}: {status}: {labels['severity']}: {annotations['summary']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
