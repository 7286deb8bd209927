"""Stories of a node whose payments are followed each by its own stream: it counts what the stream of all counts."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import AUTO
from exporter.config.addresses import GRPC, REST, WEBSOCKET
from exporter.payments.labels import Mode, Status
from tests.stories.lab import TOO_MUCH_FOR_BOB
from tests.stories.page import Page, change, total
from tests.stories.process import exporting, ways
from tests.stories.world import World, ended

SAME = ("started_total", "succeeded", "failed_total", "lost_total", "sent_msat_total", "fee_msat")
"""What must be the same to the last msat."""
FAILED = "htlc_attempts_failed_total"
"""What may be missed: then the payment is counted as incomplete."""


@pytest.mark.parametrize(
    ("mode", "transport"), [(AUTO, GRPC), (Mode.TRACK.value, REST), (AUTO, WEBSOCKET), (Mode.TRACK.value, GRPC)]
)
async def test_the_same_is_counted(world: World, tmp_path: Path, mode: str, transport: str) -> None:
    """Quick ones, one that fails between two looks, one that is held; the macaroon doesn't allow TrackPayments."""
    alice = world.alice
    macaroon = tmp_path / "smaller.macaroon"
    await alice.bake_smaller_macaroon(macaroon)
    node = replace(ways(alice, transport)[0], macaroon=macaroon, mode=mode)
    async with exporting([node], tmp_path / "exporter") as exporter:
        single = World(world.kind, world.labs, exporter.target, exporter.log)
        assert total(await single.live("alice"), "alice", "mode", mode="track") == 1
        before = await world.page(), await single.page()
        await (await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")).ended()
        await (await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))).ended()
        await (await alice.pay(await alice.invoice(1_000, at="carol"), via="bob", fee_limit_sat=0)).ended()
        hold = await alice.invoice(3_000, at="carol", hold=True)
        held = await alice.pay(hold, via="bob")
        await held.held()
        await single.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "the held one is seen")
        await alice.settle(hold)
        assert (await held.ended()).status is Status.SUCCEEDED
        worlds = zip((world, single), before, strict=True)
        after = [await one.settled("alice", int(ended(page, "alice")) + 4) for one, page in worlds]
        assert counted(before[1], after[1]) == counted(before[0], after[0])
        recovered = difference(before[1], after[1], "recovered_total")
        assert recovered <= 3  # the held one was heard live, its end as well
        missed = difference(before[0], after[0], FAILED) - difference(before[1], after[1], FAILED)
        incomplete = difference(before[1], after[1], "attempts_incomplete_total")
        assert 1 + (missed > 0) <= incomplete <= recovered, "the one without any attempt, and whose attempt was missed"
        live = total(after[1], "alice", "updates_total", source="stream")
        assert live >= 1
    assert ("no stream of all payments" in exporter.text()) == (mode == AUTO)


def difference(before: Page, after: Page, name: str) -> float:
    """How much more of that there is."""
    return total(after, "alice", name) - total(before, "alice", name)


def counted(before: Page, after: Page) -> list[str]:
    """What changed of that."""
    return [line for line in change(before, after, "alice", {}) if line.startswith(SAME)]
