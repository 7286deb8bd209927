"""The demo: the exporter against a simulated node, in one process, for people who want to see it at work."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter import app
from exporter.config import Config, ConfigError, NodeConfig, Problem, StorageConfig
from exporter.simulator import demo as simulated

WELCOME = """
A simulated node makes payments, and the exporter counts them. No lnd, no money; nothing is kept when it ends.

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

Which payments are in flight, in another terminal:

  {program} open --storage.path={state}

Ctrl-C ends it.
"""


async def demo(config: Config) -> None:
    """Run both until cancelled."""
    try:
        temporary = TemporaryDirectory(prefix="lnd-payments-exporter-demo-")
    except OSError:
        fix = "Set TMPDIR to a directory that this user may write to; in a container: --tmpfs /tmp"
        raise ConfigError([Problem("demo", "The simulated node has no place for its files.", fix)]) from None

    with temporary as directory:
        state = Path(directory) / "state.sqlite"

        def welcome(address: str) -> None:
            metrics = address + config.web.telemetry_path
            print(WELCOME.format(address=address, metrics=metrics, program=_program(), state=state), flush=True)

        async with simulated.node(Path(directory)) as node, asyncio.TaskGroup() as tasks:
            nodes = (NodeConfig("demo", node.address, node.tls_cert, node.macaroon),)
            follow = replace(config, nodes=nodes, storage=StorageConfig(state))
            tasks.create_task(app.run(follow, on_ready=welcome))
            tasks.create_task(simulated.traffic(node))


def _program() -> str:
    """How the program is called from where the demo was started."""
    return f"{'.venv/bin/' * (os.environ.get('MAKE_TARGET') == 'run')}lnd-payments-exporter"
