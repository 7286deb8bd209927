"""An exporter that is one shard of several, as seen from outside: `check`, its log and its pages."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.__main__ import main
from exporter.simulator.server import SimulatedNode
from tests.network.process import until
from tests.stories.process import Exporter, node_configs
from tests.stories.test_shards import MOVE, STAY

pytestmark = pytest.mark.slow


class Bob(SimulatedNode):
    """A simulated node with the name of its configuration."""

    name = "bob"


async def page(exporter: Exporter, path: str) -> str:
    """Return a page, whose status is 200."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{exporter.target}{path}") as answer:
        assert answer.status == 200
        return await answer.text()


def logged(exporter: Exporter, event: str) -> dict[str, Any]:
    """Return the only line of the log with this event."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in exporter.text().splitlines()]
    (line,) = (line for line in lines if line["event"] == event)
    return line


async def test_a_shard_without_nodes(tmp_path: Path) -> None:
    """It runs, and says in its log and on its landing page that it follows no node."""
    async with Bob(tmp_path) as bob:
        exporter = Exporter(node_configs(bob, "grpc"), tmp_path)
        exporter.flags = ("--shard=0/3",)
        await exporter.start()
        try:
            line = logged(exporter, "serving metrics")
            assert (line["nodes"], line["shard"]) == (0, "0/3")
            what = "this exporter follows no node: none of the file belongs to its shard"
            assert logged(exporter, what)["level"] == "warning"
            assert "This exporter follows no node." in await page(exporter, "/")
            assert 'node="' not in await page(exporter, "/metrics")
            assert "\nlnd_payments_exporter_checkpoint_failures_total 0.0\n" in await page(exporter, "/metrics")
            await page(exporter, "/-/ready")
        finally:
            await exporter.stop()
        assert bob.calls.total() == 0


async def test_the_shard_of_a_node(tmp_path: Path) -> None:
    """Only the exporter whose shard it is follows it."""
    async with Bob(tmp_path) as bob:
        exporter = Exporter(node_configs(bob, "grpc"), tmp_path)
        exporter.flags = ("--shard=2/3",)
        await exporter.start()
        try:

            async def followed() -> bool:
                return 'lnd_payments_stream_up{node="bob"} 1.0' in await page(exporter, "/metrics")

            await until("bob is followed", followed)
            line = logged(exporter, "serving metrics")
            assert (line["nodes"], line["shard"]) == (1, "2/3")
            assert "follows no node" not in exporter.text() + await page(exporter, "/")
        finally:
            await exporter.stop()


async def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists the nodes of this shard and counts the others."""
    bob = Bob(tmp_path)
    bob.renew_macaroon()
    entries = "".join(
        f"  - {{name: {name}, address: {name}.example, tls_cert: {tmp}/tls.cert, macaroon: {tmp}/payments.macaroon}}\n"
        for name in STAY | MOVE
        for tmp in [tmp_path if name in ("bob", "olivia") else tmp_path / "elsewhere"]
    )
    (tmp_path / "exporter.yml").write_text(f"nodes:\n{entries}storage: {{path: state.sqlite}}\n")
    flag = f"--config.file={tmp_path}/exporter.yml"
    printed = []
    for shard in ("2/3", "3/50"):
        assert await asyncio.to_thread(main, ["check", flag, f"--shard={shard}"]) == 0
        lines = capsys.readouterr().out.splitlines()
        printed.append([line for line in lines if line.startswith(("  shard", "  node"))])
    macaroon = f"certificate {tmp_path}/tls.cert, macaroon {tmp_path}/payments.macaroon"
    assert printed == [
        [
            "  shard 2/3: follows 2 of 6 nodes; the other 4 belong to other shards",
            f"  node bob: bob.example:10009 (grpc), {macaroon}",
            f"  node olivia: olivia.example:10009 (grpc), {macaroon}",
        ],
        ["  shard 3/50: follows none of 6 nodes: nothing is counted; all 6 belong to other shards"],
    ]


async def test_check_of_the_only_shard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There are no others to speak of."""
    Bob(tmp_path).renew_macaroon()
    node = "{name: bob, address: bob.example, tls_cert: tls.cert, macaroon: payments.macaroon}"
    (tmp_path / "exporter.yml").write_text(f"nodes: [{node}]\nstorage: {{path: state.sqlite}}\n")
    assert await asyncio.to_thread(main, ["check", f"--config.file={tmp_path}/exporter.yml", "--shard=0/1"]) == 0
    assert "  shard 0/1: follows 1 of 1 nodes\n" in capsys.readouterr().out
