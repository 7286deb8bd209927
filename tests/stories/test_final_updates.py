"""Stories with final updates only: the same is counted, and series that need other updates are left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import AUTO
from exporter.config.addresses import GRPC, REST, WEBSOCKET
from exporter.payments.labels import Mode, Status
from tests.stories.lab import TOO_MUCH_FOR_BOB
from tests.stories.page import NOT_SHOWN, Page, changes, total
from tests.stories.process import exporting, node_configs
from tests.stories.world import World, ended

HELD_S = 5


@pytest.mark.parametrize(("mode", "transport"), [(AUTO, GRPC), (Mode.FIREHOSE.value, REST), (AUTO, WEBSOCKET)])
async def test_final_updates_count_the_same(world: World, tmp_path: Path, mode: str, transport: str) -> None:
    """HTLC attempts included, also those of a held payment, which is found by listing."""
    alice = world.alice
    await world.refill()
    node = replace(node_configs(alice, transport)[0], mode=mode, final_only=True)
    async with exporting([node], tmp_path / "exporter", HELD_S) as exporter:
        final = World(world.kind, world.labs, exporter.target, exporter.log)
        assert total(await final.followed("alice"), "alice", "mode", mode="final") == 1
        before = await world.page(), await final.page()
        hold = await alice.invoice(3_000, at="carol", hold=True)
        held = await alice.pay(hold, via="bob")
        await held.held()
        await (await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")).ended()
        await (await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))).ended()
        await (await alice.pay(await alice.invoice(1_000, at="carol"), via="bob", fee_limit_sat=0)).ended()
        page = await final.until(lambda page: total(page, "alice", "held_htlcs") == 1, "the held one is seen")
        updates = [total(view, "alice", "updates_total", source="stream") for view in (before[1], page)]
        assert updates[1] == updates[0] + 3
        await alice.settle(hold)
        assert (await held.ended()).status is Status.SUCCEEDED
        worlds = zip((world, final), before, strict=True)
        after = [await one.counted("alice", int(ended(was, "alice")) + 4) for one, was in worlds]
        assert counted(before[1], after[1]) == counted(before[0], after[0])
        assert not [series for series in after[1]["alice"] if series.name.startswith(NOT_SHOWN)]
        assert {dict(series.labels)["age"] for series in after[1]["alice"] if series.name == "in_flight"} == {
            "10m_to_1h",
            "1h_to_1d",
            "1d_and_over",
        }


def counted(before: Page, after: Page) -> list[str]:
    """Return the changes, except those of series that are left out."""
    return [line for line in changes(before, after, "alice", {}, restarts=True) if not line.startswith(NOT_SHOWN)]
