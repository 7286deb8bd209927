"""The demo: the exporter against a simulated node, in one process, for people who want to see it at work."""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter import app
from exporter.config import Config, ConfigError, NodeConfig, Problem
from exporter.simulator import demo as simulated

WELCOME = """
A simulated node makes payments, and the exporter counts them. No lnd, no money, nothing is kept.

  http://{address}/          how the node is, in words
  http://{metrics}   what Prometheus reads

Within a minute there is something to see of everything:

  lnd_payments_succeeded_total               what arrived: invoices, keysend, AMP, rebalances
  lnd_payments_failed_total                  what did not, with lnd's reason
  lnd_payments_failed_by_cause_total         the same, with what one can do about it
  lnd_payments_htlc_attempts_failed_total    retries: which error, and how far away
  lnd_payments_settled_parts_bucket          payments in several parts
  lnd_payments_in_flight                     payments under way
  lnd_payments_held_htlcs                    one that is being held for most of an hour

  curl -s http://{metrics} | grep '^lnd_payments_failed' | grep -v ' 0.0$'

Ctrl-C ends it.
"""


async def demo(config: Config) -> None:
    """Run both until cancelled."""
    try:
        temporary = TemporaryDirectory(prefix="lnd-payments-exporter-demo-")
    except OSError:
        fix = "Set TMPDIR to a directory that this user may write to; in a container: --tmpfs /tmp"
        raise ConfigError([Problem("demo", "The simulated node has no place for its files.", fix)]) from None

    def welcome(address: str) -> None:
        print(WELCOME.format(address=address, metrics=address + config.web.telemetry_path), flush=True)

    with temporary as directory:
        async with simulated.node(Path(directory)) as node, asyncio.TaskGroup() as tasks:
            follow = replace(config, nodes=(NodeConfig("demo", node.address, node.tls_cert, node.macaroon),))
            tasks.create_task(app.run(follow, on_ready=welcome))
            tasks.create_task(simulated.traffic(node))
