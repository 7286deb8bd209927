"""Stories over a SOCKS5 proxy: the same is counted, even if the proxy's connections are cut."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Status
from tests.lnd.socks import proxying
from tests.stories.page import changes, total
from tests.stories.process import exporting, node_configs
from tests.stories.world import World, ended

USER = "me", "p@ss"
COUNTED = ("sent", "fees", "succ")
"""Prefixes of the series that are compared."""


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_proxy_counts_the_same(world: World, tmp_path: Path, transport: str) -> None:
    """The proxy resolves the host name, and the credentials of the proxy aren't logged."""
    alice = world.alice
    port = (alice.address if transport == GRPC else alice.rest).rpartition(":")[2]
    async with proxying(f"127.0.0.1:{port}", USER) as proxy:
        node = node_configs(alice, transport)[0]
        address = node.address.replace("127.0.0.1", "localhost")
        node = replace(node, address=address, proxy=f"socks5://me:p%40ss@{proxy.address}")
        async with exporting([node], tmp_path / "exporter") as exporter:
            proxied = World(world.kind, world.labs, exporter.target, exporter.log)
            await proxied.followed("alice")
            before = await world.page(), await proxied.page()
            hold = await alice.invoice(3_000, at="carol", hold=True)
            held = await alice.pay(hold, via="bob")
            await held.held()
            await (await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")).ended()
            await proxied.counted("alice", int(ended(before[1], "alice")) + 1, in_flight=1)
            proxy.cut()
            await alice.settle(hold)
            assert (await held.ended()).status is Status.SUCCEEDED
            worlds = zip((world, proxied), before, strict=True)
            after = [await one.counted("alice", int(ended(was, "alice")) + 2) for one, was in worlds]
            interrupted = "interruptions_total"
            assert total(after[1], "alice", interrupted) == total(before[1], "alice", interrupted) + 1
            assert set(proxy.requested) == {f"localhost:{port}"}
            without_proxy, with_proxy = (
                [line for line in changes(*two, "alice", {}, restarts=True) if line.startswith(COUNTED)]
                for two in zip(before, after, strict=True)
            )
            assert with_proxy == without_proxy
        assert "p@ss" not in exporter.text()
        assert "p%40ss" not in exporter.text()
