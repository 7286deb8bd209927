"""Stories of the checks why there was no route: what was done to the network is what is counted."""

from dataclasses import replace
from pathlib import Path

from exporter.payments.labels import Reason, RouteCheck
from tests.stories.lab import Lab
from tests.stories.page import Page, total
from tests.stories.process import exporting, node_configs
from tests.stories.test_peers import MORE_THAN_ONE_CHANNEL_HAS
from tests.stories.world import World

CHECKS = "no_route_checks_total"


def verdicts(page: Page) -> dict[str, float]:
    """Return alice's checks by verdict."""
    counts = {verdict.value: total(page, "alice", CHECKS, verdict=verdict) for verdict in RouteCheck}
    return {verdict: count for verdict, count in counts.items() if count}


async def checked(own: World, verdict: RouteCheck) -> Page:
    """Wait until a check has come to this verdict; return the page."""
    return await own.until(lambda page: verdict in verdicts(page), f"a check finds {verdict}")


async def too_cheap(alice: Lab) -> None:
    """Pay with a limit of 0, where every route costs more."""
    sending = await alice.pay(await alice.invoice(5_000, at="dave"), fee_limit_sat=0)
    assert (await sending.ended()).reason is Reason.NO_ROUTE


async def test_why_there_was_no_route(world: World, tmp_path: Path) -> None:
    """A fee limit that is too low, then an amount that no single channel holds: each is found once."""
    alice = world.alice
    (node,) = node_configs(alice, "grpc")
    node = replace(node, macaroon=await alice.readonly_macaroon(), explain_no_route=True)
    async with exporting([node], tmp_path / "exporter") as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        assert verdicts(await own.followed("alice")) == {}
        await too_cheap(alice)
        page = await checked(own, RouteCheck.FEE_LIMIT)
        assert verdicts(page) == {RouteCheck.FEE_LIMIT: 1}
        assert total(page, "alice", "failed_by_cause_total", cause="no_route") == 1, "the cause stays what lnd says"
        for _ in range(20):  # those that end in the pause after the first check are not looked into
            invoice = await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="dave")
            assert (await (await alice.pay(invoice, max_parts=1)).ended()).reason is Reason.NO_ROUTE
            ended = int(total(page, "alice", "failed_total")) + 1
            page = await own.counted("alice", ended)
            if total(page, "alice", CHECKS) > 1:
                break
        page = await checked(own, RouteCheck.TOO_LARGE)
        assert verdicts(page).keys() == {RouteCheck.FEE_LIMIT, RouteCheck.TOO_LARGE}
        assert total(page, "alice", "lnd_calls_total", method="decode_pay_req", outcome="error") == 0
        assert total(page, "alice", "lnd_calls_total", method="query_routes", outcome="error") == 0
        await exporter.kill()
        await exporter.start()
        assert total(await own.followed("alice"), "alice", CHECKS) >= total(page, "alice", CHECKS)
        assert "lnbcrt" not in exporter.text()


async def test_without_the_permission(world: World, tmp_path: Path) -> None:
    """The exporter's usual macaroon: one line in the log, and the next payments are not looked into."""
    alice = world.alice
    (node,) = node_configs(alice, "grpc")
    async with exporting([replace(node, explain_no_route=True)], tmp_path / "exporter") as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await own.followed("alice")
        await too_cheap(alice)
        await checked(own, RouteCheck.DENIED)
        await too_cheap(alice)
        page = await own.counted("alice", 2)
        assert verdicts(page) == {RouteCheck.DENIED: 1}
        assert total(page, "alice", "stream_up") == 1
        assert exporter.text().count("uri:/lnrpc.Lightning/QueryRoutes") == 1
