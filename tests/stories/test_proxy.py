"""Stories of a node that is reached through a SOCKS5 proxy only: the same is counted, also when the proxy is cut."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Status
from tests.lnd.socks import proxying
from tests.stories.page import change, total
from tests.stories.process import exporting, ways
from tests.stories.world import World, ended

USER = "me", "p@ss"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_same_is_counted(world: World, tmp_path: Path, transport: str) -> None:
    """The exporter knows a name that only the proxy can look up, but for TLS, which wants lnd's own."""
    alice = world.alice
    port = (alice.address if transport == GRPC else alice.rest).rpartition(":")[2]
    async with proxying(f"127.0.0.1:{port}", USER) as proxy:
        node = ways(alice, transport)[0]
        address = node.address.replace("127.0.0.1", "localhost")
        node = replace(node, address=address, proxy=f"socks5://me:p%40ss@{proxy.address}")
        async with exporting([node], tmp_path / "exporter") as exporter:
            far = World(world.kind, world.labs, exporter.target, exporter.log)
            await far.live("alice")
            before = await world.page(), await far.page()
            hold = await alice.invoice(3_000, at="carol", hold=True)
            held = await alice.pay(hold, via="bob")
            await held.held()
            await (await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")).ended()
            await far.settled("alice", int(ended(before[1], "alice")) + 1, in_flight=1)
            proxy.cut()
            await alice.settle(hold)
            assert (await held.ended()).status is Status.SUCCEEDED
            worlds = zip((world, far), before, strict=True)
            after = [await one.settled("alice", int(ended(was, "alice")) + 2) for one, was in worlds]
            interrupted = "interruptions_total"
            assert total(after[1], "alice", interrupted) == total(before[1], "alice", interrupted) + 1
            assert set(proxy.requested) == {f"localhost:{port}"}
            near, through = (
                [line for line in change(*two, "alice", {}, restarts=True) if line.startswith(("sent", "fees", "succ"))]
                for two in zip(before, after, strict=True)
            )
            assert through == near
        assert "p@ss" not in exporter.text()
        assert "p%40ss" not in exporter.text()
