"""Stories of a person who asks which payments are in flight: while the exporter runs, and after it was killed."""

import json
import time
from pathlib import Path
from typing import Any

from exporter.config import NodeConfig
from exporter.payments.labels import Status
from tests.network.process import until
from tests.stories.page import total
from tests.stories.process import Exporter, exporting
from tests.stories.test_restarts import held
from tests.stories.world import World

NOT_RUNNING = "The exporter is not running. This is the state at "


def told(exporter: Exporter, payment_hash: str) -> list[Any]:
    """What the log says of a payment."""
    return [json.loads(line) for line in exporter.text().splitlines() if payment_hash in line]


async def named(exporter: Exporter, payment_hash: str) -> list[Any]:
    """The same, once it has named all limits of seconds."""

    async def all_limits() -> bool:
        return [line["limit_s"] for line in told(exporter, payment_hash)][-1:] == [2]

    await until("the log names it", all_limits)
    return told(exporter, payment_hash)


async def test_a_held_payment(world: World, tmp_path: Path) -> None:
    """It appears with its first hop and the blocks left, is named in the log once for each limit, and goes."""
    alice = world.alice
    config = NodeConfig("alice", alice.address, alice.tls_cert, await alice.readonly_macaroon())
    log = {"open_after": "1s,2s,1h", "blocks_left": "none"}
    async with exporting([config], tmp_path / "open", log=log) as exporter:
        ours = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await ours.live("alice")
        invoice, sending = await held(alice)
        payment_hash = sending.payment_hash
        await ours.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "held")

        found = json.loads(await exporter.open("--json"))
        assert found["exporter_running"]
        (node,) = found["nodes"]
        assert (node["node"], node["pubkey"], node["following"]) == ("alice", alice.pubkey, True)
        (payment,) = found["payments"]
        assert payment["payment_hash"] == payment_hash
        assert (payment["amount_msat"], payment["status"], payment["given_up"]) == (6_000_000, "in_flight", None)
        assert abs(payment["created_timestamp_seconds"] - time.time()) < 60
        (hop,) = payment["first_hops"]
        assert (hop["pubkey"], hop["alias"], hop["htlcs"]) == (alice.pubkeys["bob"], "bob", 1)
        assert payment["blocks_left"] == await alice.blocks_left(payment_hash) > 0
        title, head, first, second = (await exporter.open("--lnd.name=alice")).splitlines()
        assert (title, first) == ("alice: 1 payment in flight", payment_hash)
        assert head.split() == ["age", "sat", "HTLCs", "blocks", "left", "status", "first", "hop"]
        assert second.split()[1:] == ["6,000", "1", str(payment["blocks_left"]), "in", "flight", "bob"]
        assert await exporter.open("--older-than=1h") == "alice: nothing in flight for 1h or longer\n"

        lines = await named(exporter, payment_hash)
        assert {(line["level"], line["node"], *line["first_hops"]) for line in lines} == {("warning", "alice", "bob")}
        await exporter.kill()
        after_kill = (await exporter.open()).splitlines()
        assert after_kill[1].startswith(NOT_RUNNING)
        assert after_kill[3] == payment_hash
        assert after_kill[4].split()[3].startswith("~")
        await exporter.start()
        await ours.live("alice")
        another, later = await held(alice)
        await named(exporter, later.payment_hash)
        for owed, way in ((invoice, sending), (another, later)):
            await alice.settle(owed)
            assert (await way.ended()).status is Status.SUCCEEDED
        await ours.settled("alice", 2)
        assert await exporter.open() == "alice: nothing in flight\n"
        assert told(exporter, payment_hash) == lines, "nothing is told twice, nor of what has ended"
    assert (await exporter.open()).splitlines()[0] == "alice: nothing in flight"
