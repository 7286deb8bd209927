"""What an exporter that runs without a terminal leaves out of memory."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from exporter import garbage, lean
from exporter.simulator.credentials import certificate
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.network.process import free_port, until
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parent.parent

HEAVY = (
    "rich",
    "pygments",
    "cryptography",
    "yaml",
    "bcrypt",
    "aiohttp_socks",
    "python_socks",
    "aiohttp.web",
    "argparse",
    "bz2",
    "cramjam",
    "html.entities",
    "lzma",
    "exporter.assets",
    "exporter.backfill",
    "exporter.bars",
    "exporter.config.httpfile",
    "exporter.config.webfile",
    "exporter.demo",
    "exporter.listing",
    "exporter.lnd.json_messages",
    "exporter.lnd.rest",
    "exporter.lnd.tunnel",
    "exporter.report",
    "exporter.rules",
    "exporter.simulator",
    "exporter.track",
)
"""Modules that `run` does not need for a node over gRPC, without a configuration file: together 20 MB."""

MAY_BE_LOADED = 570 if sys.version_info < (3, 13) else 572
"""Modules that `run` loads at most. A new one is paid for with 20 to 50 kB: is it needed by every exporter?
The standard library of Python 3.13 has two more of its own."""

FROZEN = 50_000
"""Objects that the garbage collector doesn't look at when all is loaded: more than that."""

PAID = 'lnd_payments_status_transitions_total{from_status="in_flight",node="lnd",to_status="succeeded"} 1.0'
SHOW_MODULES = """
import gc, json, sys
from exporter import __main__
thresholds, load = [], __main__.load
__main__.load = lambda *words: (thresholds.append(gc.get_threshold()), load(*words))[1]
__main__.main()
from aiohttp import connector
print(json.dumps({
    "loaded": [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)],
    "thresholds": thresholds,
    "frozen": gc.get_freeze_count(),
    "trusted": connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"],
}))
"""
"""A module that was to be imported later, and never was, has no `__spec__`."""


def page(port: int) -> str:
    """Return the page; empty while there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


async def test_an_exporter_that_runs_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """It has connected to its node, counted a payment and shown a page."""
    port = free_port()
    async with SimulatedNode(tmp_path) as node:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SHOW_MODULES),
            *(f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"),
            *(f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={tmp_path}/state.sqlite"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env=os.environ | {"SSL_CERT_FILE": str(node.tls_cert)},
        )
        assert process.stdout is not None
        try:
            await node.wait_for_subscribers(1)
            await node.play(Scenarios(node.world, "lean").success())

            async def counted() -> bool:
                return PAID in await asyncio.to_thread(page, port)

            await until("the payment is counted", counted)
            process.send_signal(signal.SIGTERM)
            shown = json.loads(await asyncio.wait_for(process.stdout.read(), PATIENCE_S))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    loaded = shown["loaded"]
    assert "exporter.lnd.grpc" in loaded
    assert [name for name in (*HEAVY, *lean.LATER) if name in loaded] == []
    assert len(loaded) <= MAY_BE_LOADED
    assert shown["trusted"] == 0
    assert shown["thresholds"] == [[*(garbage._THRESHOLDS if sys.version_info < (3, 14) else gc.get_threshold())]]
    assert shown["frozen"] > FROZEN


LOG = """
import io, sys
if "lean" in sys.argv:
    from exporter.lean import import_structlog
    import_structlog()
    assert "rich" not in sys.modules
import structlog
from exporter import log

class Terminal(io.StringIO):
    def isatty(self):
        return True

log.configure("info", "auto", terminal := Terminal())
try:
    secret = 1 / 0
except ZeroDivisionError:
    structlog.get_logger("exporter.test").exception("a bug", node="alice", advice="none")
sys.stdout.write(terminal.getvalue().partition("Z")[2])
import rich.console
"""


def test_the_log_on_a_terminal_is_the_same_without_rich() -> None:
    """Its colours, its order and its tracebacks; rich itself can still be imported."""
    lean, usual = (
        subprocess.run([sys.executable, "-c", LOG, *word], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for word in (["lean"], [])
    )
    assert "a bug" in lean
    assert "\x1b[" in lean
    assert "ZeroDivisionError" in lean
    assert lean == usual


USED = """
import importlib, json, sys
from exporter import garbage, lean
before = {**lean.os.environ}
lean.import_libraries()
assert lean.os.environ == before
import aiohttp, attr, google.protobuf.internal.builder, grpc, msgspec
stand_ins = {name: sys.modules[name] for name in lean.LATER}
assert not any(each.__spec__ for each in stand_ins.values())
for name, attribute in json.loads(sys.argv[1]).items():
    used = getattr(stand_ins[name], attribute)
    module = importlib.import_module(name)
    assert module is not stand_ins[name]
    assert used is getattr(module, attribute) is getattr(stand_ins[name], attribute)
import idna.core, attr.validators
assert idna.encode("\u00e4") == b"xn--4ca" and attr.validators.instance_of(int)
import html
assert html.escape("<") == "&lt;" and "html.entities" not in sys.modules
assert html.unescape("&auml;&notit;&#228;") == "\u00e4\u00acit;\u00e4"
import html.entities
assert dict(html._html5) == html.entities.html5 and len(html._html5) == len(html.entities.html5)
"""
ONE_OF = {
    "attr.validators": "instance_of",
    "exporter.lnd.details": "to_detail",
    "exporter.lnd.findings": "invoice",
    "exporter.lnd.rpc.track_pb2": "Payment",
    "exporter.lnd.rpc.why_pb2": "PayReq",
    "google.protobuf.internal.python_message": "GeneratedProtocolMessageType",
    "idna": "encode",
    "locale": "setlocale",
    "msgspec.inspect": "type_info",
    "pkgutil": "walk_packages",
    "shutil": "rmtree",
}
"""Something of each module that is imported later."""


def test_what_is_imported_later_is_there_when_it_is_used() -> None:
    """By those who imported the module before, and by those who import it afterwards."""
    assert list(ONE_OF) == list(lean.LATER)
    subprocess.run([sys.executable, "-c", USED, json.dumps(ONE_OF)], check=True, cwd=ROOT)


THREADS = """
import sys, threading
from exporter import garbage, lean
sys.setswitchinterval(1e-6)
lean._import_later("shutil")
import shutil
begin = threading.Barrier(8)
found = []
def use():
    begin.wait()
    found.append(shutil.rmtree)
threads = [threading.Thread(target=use) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
assert len(found) == 8 and set(found) == {sys.modules["shutil"].rmtree}
"""


def test_threads_that_use_it_first_at_the_same_time() -> None:
    """All get the same module."""
    for _ in range(5):
        subprocess.run([sys.executable, "-c", THREADS], check=True, cwd=ROOT)


MESSAGE = """
from exporter import garbage, lean
lean.import_libraries()
from google.protobuf.internal import api_implementation
from exporter.lnd import json_messages
from exporter.lnd.rpc import lnd_pb2 as rpc
message = json_messages.message(rpc.Payment, {"payment_hash": "aa", "value_msat": "7"})
print(api_implementation.Type(), rpc.Payment.FromString(message.SerializeToString()).value_msat)
"""


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_protobuf_works_compiled_or_not(implementation: str) -> None:
    """Platforms without a wheel of protobuf have it in Python; a node over REST may come by a reload."""
    environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    done = subprocess.run(
        [sys.executable, "-c", MESSAGE], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout.split() == [implementation, "7"]


CERTIFICATES = """
import os, ssl
from exporter import garbage, lean
before = {**os.environ}
lean.import_libraries()
print({**os.environ} == before, ssl.create_default_context().cert_store_stats()["x509"])
"""


@pytest.mark.parametrize("given", [True, False])
def test_other_connections_trust_the_systems_certificates_afterwards(tmp_path: Path, *, given: bool) -> None:
    """Those that the environment names, or OpenSSL's own ones."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if given:
        file = tmp_path / "one.pem"
        file.write_bytes(certificate().certificate)
        environment |= {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(tmp_path)}
    shown = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
        ).stdout
        for code in (CERTIFICATES, CERTIFICATES.replace("lean.import_libraries()", ""))
    ]
    assert shown[0] == shown[1]
    assert shown[0].startswith("True")
    assert not given or shown[0] == "True 1\n"
