"""Stories of mode `track`, one stream for each payment: the same is counted as with the stream of all payments."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import AUTO
from exporter.config.addresses import GRPC, REST, WEBSOCKET
from exporter.payments.labels import Mode, Status
from tests.stories.lab import TOO_MUCH_FOR_BOB
from tests.stories.page import Page, changes, total
from tests.stories.process import exporting, node_configs
from tests.stories.world import World, ended

SAME = ("started_total", "succeeded", "failed_total", "lost_total", "sent_msat_total", "fee_msat")
"""Prefixes of series that must be exactly the same."""
FAILED = "htlc_attempts_failed_total"
"""Failed attempts may be missed; then the payment is counted as incomplete."""


@pytest.mark.parametrize(
    ("mode", "transport"), [(AUTO, GRPC), (Mode.TRACK.value, REST), (AUTO, WEBSOCKET), (Mode.TRACK.value, GRPC)]
)
async def test_mode_track_counts_the_same(world: World, tmp_path: Path, mode: str, transport: str) -> None:
    """Short payments, one that fails between two polls, one that is held; the macaroon doesn't allow TrackPayments."""
    alice = world.alice
    await world.refill()
    macaroon = tmp_path / "smaller.macaroon"
    await alice.bake_smaller_macaroon(macaroon)
    node = replace(node_configs(alice, transport)[0], macaroon=macaroon, mode=mode)
    async with exporting([node], tmp_path / "exporter") as exporter:
        single = World(world.kind, world.labs, exporter.target, exporter.log)
        assert total(await single.followed("alice"), "alice", "mode", mode="track") == 1
        before = await world.page(), await single.page()
        await (await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")).ended()
        await (await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))).ended()
        await (await alice.pay(await alice.invoice(1_000, at="carol"), via="bob", fee_limit_sat=0)).ended()
        page = await single.counted("alice", int(ended(before[1], "alice")) + 3)
        live_before = total(page, "alice", "updates_total", source="stream")
        hold = await alice.invoice(3_000, at="carol", hold=True)
        held = await alice.pay(hold, via="bob")
        await held.held()

        def followed(page: Page) -> bool:
            live = total(page, "alice", "updates_total", source="stream")
            return total(page, "alice", "in_flight_htlcs") == 1 and live > live_before

        await single.until(followed, "the held one is in flight and has a stream")
        await alice.settle(hold)
        assert (await held.ended()).status is Status.SUCCEEDED
        worlds = zip((world, single), before, strict=True)
        after = [await one.counted("alice", int(ended(page, "alice")) + 4) for one, page in worlds]
        assert counted(before[1], after[1]) == counted(before[0], after[0])
        recovered = difference(before[1], after[1], "recovered_total")
        assert recovered <= 3  # the end of the held one was live
        missed = difference(before[0], after[0], FAILED) - difference(before[1], after[1], FAILED)
        incomplete = difference(before[1], after[1], "attempts_incomplete_total")
        assert 1 + (missed > 0) <= incomplete <= recovered, "the one without an attempt, and one with a missed attempt"
        live = total(after[1], "alice", "updates_total", source="stream")
        assert live >= 1
    assert ("no stream of all payments" in exporter.text()) == (mode == AUTO)


def difference(before: Page, after: Page, name: str) -> float:
    """Return by how much a counter has increased."""
    return total(after, "alice", name) - total(before, "alice", name)


def counted(before: Page, after: Page) -> list[str]:
    """Return the changes of the series that must be the same."""
    return [line for line in changes(before, after, "alice", {}) if line.startswith(SAME)]
