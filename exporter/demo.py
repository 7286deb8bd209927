"""The command `demo`: the exporter and a simulated node in one process."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter import app
from exporter.config import Config, ConfigError, ListenAddress, NodeConfig, Problem, StorageConfig, WebConfig
from exporter.config.webfile import read_web_file
from exporter.config.webmodel import WebFile
from exporter.simulator import demo as simulated

WELCOME = """
A simulated node makes payments, and the exporter counts them.
No lnd, no money; nothing is kept when it ends.

{pages}

Within a minute all of these have values:

  lnd_payments_succeeded_total             succeeded: invoice, keysend, amp, ...
  lnd_payments_failed_total                failed, by lnd's reason
  lnd_payments_failed_by_cause_total       failed, by what one can do about it
  lnd_payments_htlc_attempts_failed_total  failed HTLCs, by error and source
  lnd_payments_settled_parts_bucket        payments in several parts
  lnd_payments_in_flight                   payments in flight
  lnd_payments_held_htlcs                  HTLCs in flight for over 30 minutes
  lnd_payments_destination_ended_total     by recipient: exchange-a, other, ...

  {curl} | grep '^lnd_payments_failed' | grep -v ' 0.0$'

In another terminal: which payments are in flight (one is held for most of an
hour), which have failed, and what became of one of them:

  {program} open --config.file={settings}
  {program} ended --failed --config.file={settings}
  {program} why HASH --config.file={settings}

Ctrl-C ends it.
"""


async def demo(config: Config) -> None:
    """Run the exporter and the simulated node until cancelled."""
    try:
        temporary = TemporaryDirectory(prefix="lnd-payments-exporter-demo-")
    except OSError:
        fix = "Set TMPDIR to a directory that this user may write to; in a container: --tmpfs /tmp"
        raise ConfigError([Problem("demo", "The simulated node has no directory for its files.", fix)]) from None

    with temporary as directory:
        state, settings = Path(directory) / "state.sqlite", Path(directory) / "demo.yml"

        def welcome(addresses: Sequence[ListenAddress]) -> None:
            print(_welcome(addresses, config.web, settings), flush=True)

        async with simulated.node(Path(directory)) as node, asyncio.TaskGroup() as tasks:
            own = NodeConfig("demo", node.address, node.tls_cert, node.macaroon)
            groups = config.destinations or simulated.destinations(node)
            follow = replace(config, nodes=(own,), storage=StorageConfig(state), destinations=groups)
            settings.write_text(_settings(follow))
            tasks.create_task(app.run(follow, on_ready=welcome))
            tasks.create_task(simulated.traffic(node))


def _settings(config: Config) -> str:
    """Return a YAML file by which other commands reach the node of the demo, and its state; `check` shows all of it."""
    (node,) = config.nodes
    reach = {"name": node.name, "address": node.address, "tls_cert": str(node.tls_cert), "macaroon": str(node.macaroon)}
    groups: dict[str, list[str]] = {}
    for key, name in config.destinations.items():
        groups.setdefault(name, []).append(key)
    sections = {
        "nodes": [reach],
        "storage": {"path": str(config.storage.path)},
        "web": {"listen_address": [str(address) for address in config.web.addresses]},
        "destinations": groups,
    }
    return json.dumps(sections, indent=2) + "\n"


def _welcome(addresses: Sequence[ListenAddress], web: WebConfig, settings: Path) -> str:
    """Return what to try, with the first address in the examples; `settings` is for other commands."""
    file = read_web_file(web.config_file) if web.config_file is not None else WebFile()
    scheme, options = "https" if file.tls else "http", _curl_options(file)
    path = web.telemetry_path
    lines, commands = list[str](), list[str]()
    for address in addresses:
        shown = address if address.host or address.path else address._replace(host="localhost")
        server = f"{scheme}://{'localhost' if address.path else shown}"
        curl = f"curl {options} {f'--unix-socket {address.path} ' * bool(address.path)}{server}"
        home, metrics = (f"{curl}/", f"{curl}{path}") if address.path else (f"{server}/", f"{server}{path}")
        lines += [f"  {home}          state of the node, for people", f"  {metrics}   metrics, for Prometheus"]
        commands.append(f"{curl}{path}")
    return WELCOME.format(pages="\n".join(lines), curl=commands[0], program=_program(), settings=settings)


def _curl_options(file: WebFile) -> str:
    """Return what `curl` needs to get a page. Names, files and passwords are left to the reader."""
    clients = file.tls.clients if file.tls else None
    options = {
        "-s": True,
        "-k": file.tls is not None,
        "--cert FILE --key FILE": clients is not None and clients.required,
        "-u NAME": bool(file.users),
    }
    return " ".join(option for option, needed in options.items() if needed)


def _program() -> str:
    """Return the path of the program as seen from where the demo was started."""
    return f"{'.venv/bin/' * (os.environ.get('MAKE_TARGET') == 'run')}lnd-payments-exporter"
