"""Stories of the command `open`, while the exporter runs and after it was killed, and of the log on open payments."""

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


def logged(exporter: Exporter, payment_hash: str) -> list[Any]:
    """Return the log lines about a payment."""
    return [json.loads(line) for line in exporter.text().splitlines() if payment_hash in line]


async def logged_for_all_limits(exporter: Exporter, payment_hash: str) -> list[Any]:
    """Return the log lines about a payment, once it has been in flight for the limits of 1 s and 2 s."""

    async def all_limits() -> bool:
        return [line["limit_s"] for line in logged(exporter, payment_hash)][-1:] == [2]

    await until("the payment is logged for all limits", all_limits)
    return logged(exporter, payment_hash)


async def test_held_payment_is_listed_and_logged(world: World, tmp_path: Path) -> None:
    """It is listed with its first hop and the blocks left until it ends, and logged once for each limit."""
    alice = world.alice
    config = NodeConfig("alice", alice.address, alice.tls_cert, await alice.readonly_macaroon())
    log = {"open_after": "1s,2s,1h", "blocks_left": "none"}
    async with exporting([config], tmp_path / "open", log=log) as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await own.followed("alice")
        invoice, sending = await held(alice)
        payment_hash = sending.payment_hash
        await own.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "held")

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

        lines = await logged_for_all_limits(exporter, payment_hash)
        assert {(line["level"], line["node"], *line["first_hops"]) for line in lines} == {("warning", "alice", "bob")}
        await exporter.kill()
        after_kill = (await exporter.open()).splitlines()
        assert after_kill[1].startswith(NOT_RUNNING)
        assert after_kill[3] == payment_hash
        assert after_kill[4].split()[3].startswith("~")
        await exporter.start()
        await own.followed("alice")
        another, later = await held(alice)
        await logged_for_all_limits(exporter, later.payment_hash)
        for hold, payment_ in ((invoice, sending), (another, later)):
            await alice.settle(hold)
            assert (await payment_.ended()).status is Status.SUCCEEDED
        await own.counted("alice", 2)
        assert await exporter.open() == "alice: nothing in flight\n"
        assert logged(exporter, payment_hash) == lines, "nothing is logged twice, nor about a payment that has ended"
    assert (await exporter.open()).splitlines()[0] == "alice: nothing in flight"
