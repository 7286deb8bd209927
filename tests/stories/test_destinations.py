"""A story of named destinations: what is paid to each, why it fails, and what a reload and a kill leave of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.config import NodeConfig
from exporter.payments.labels import Reason, Status
from tests.stories.lab import ENOUGH_FOR_BOB, TOO_MUCH_FOR_BOB, Lab, fee_msat
from tests.stories.page import Page, total
from tests.stories.process import exporting
from tests.stories.world import World

SHOP = 20_000
"""What is paid to the shop, sat."""
FEES = {"shop": fee_msat("bob", SHOP * 1000), "other": fee_msat("carol", TOO_MUCH_FOR_BOB * 1000)}
PAID: Mapping[tuple[str, ...], float] = {
    ("shop", "succeeded", "none"): 1,
    ("shop", "failed", "recipient"): 1,
    ("shop", "failed", "no_route"): 1,
    ("other", "succeeded", "none"): 1,
}


def ended(page: Page) -> dict[tuple[str, ...], float]:
    """Return what has ended, by destination, outcome and cause."""
    series = ((dict(each.labels), n) for each, n in page["alice"].items() if each.name == "destination_ended_total")
    return {(labels["destination"], labels["outcome"], labels["cause"]): n for labels, n in series if n}


def of(page: Page, name: str, **labels: str) -> dict[str, float]:
    """Return the sums of a metric by destination."""
    names = {dict(each.labels).get("destination", "") for each in page["alice"]} - {""}
    return {to: total(page, "alice", f"destination_{name}", destination=to, **labels) for to in names}


def renamed(values: Mapping[tuple[str, ...], float], **names: str) -> dict[tuple[str, ...], float]:
    """Return the totals of groups under other names."""
    return {(names.get(name, name), *rest): n for (name, *rest), n in values.items()}


async def payments(alice: Lab, own: World) -> None:
    """Two succeed, one of them to the shop; two to the shop fail, one without any HTLC: its invoice names it."""
    paid = await alice.pay(await alice.invoice(SHOP, at="carol"), via="bob")
    assert (await paid.ended()).status is Status.SUCCEEDED
    await own.counted("alice", 1)
    retried = await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))
    assert (await retried.ended()).status is Status.SUCCEEDED
    await own.counted("alice", 2)
    refused = await alice.pay(await alice.unknown_hash(3_000, at="carol"), via="bob")
    assert (await refused.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS
    await own.counted("alice", 3)
    without_route = await alice.pay(await alice.invoice(ENOUGH_FOR_BOB, at="carol"), via="bob", fee_limit_sat=0)
    assert (await without_route.ended()).reason is Reason.NO_ROUTE
    await own.counted("alice", 4)


async def test_named_destination(world: World, tmp_path: Path) -> None:
    """Numbers, amounts, fees and durations, exact; groups that go in a reload and come back after a kill."""
    alice = world.alice
    config = NodeConfig("alice", alice.address, alice.tls_cert, await alice.readonly_macaroon())
    groups = {alice.pubkeys["carol"]: "shop"}
    async with exporting([config], tmp_path / "named", destinations=groups) as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)

        async def restarted(flags: Sequence[str] = ()) -> Page:
            await exporter.kill()
            exporter.flags = tuple(flags)
            await exporter.start()
            await own.followed("alice")
            return await own.page()

        await own.followed("alice")
        page = await own.page()
        assert ended(page) == {}
        assert of(page, "sent_msat_total") == of(page, "fees_msat_total") == {"shop": 0, "other": 0}

        await payments(alice, own)
        page = await own.page()
        assert ended(page) == PAID
        assert of(page, "sent_msat_total") == {"shop": SHOP * 1000, "other": TOO_MUCH_FOR_BOB * 1000}
        assert of(page, "fees_msat_total") == FEES
        assert of(page, "duration_seconds_count", outcome="succeeded") == {"shop": 1, "other": 1}
        assert of(page, "duration_seconds_count", outcome="failed") == {"shop": 2, "other": 0}
        for outcome in ("succeeded", "failed"):
            took_s = total(page, "alice", "duration_seconds_sum", outcome=outcome)
            assert abs(sum(of(page, "duration_seconds_sum", outcome=outcome).values()) - took_s) < 1e-6

        exporter.destinations = {alice.pubkeys["dave"]: "market"}
        exporter.configure([config])
        await exporter.reload()
        page = await own.page()
        assert ended(page) == renamed(PAID, shop="former")
        assert of(page, "sent_msat_total") == {"market": 0, "former": SHOP * 1000, "other": TOO_MUCH_FOR_BOB * 1000}
        again = await alice.pay(await alice.invoice(1_000, at="dave"), via="carol")
        assert (await again.ended()).status is Status.SUCCEEDED
        await own.counted("alice", 5)
        assert of(await own.page(), "sent_msat_total")["market"] == 1_000_000

        exporter.destinations = groups
        exporter.configure([config])
        page = await restarted()
        both = renamed(PAID, shop="former") | {("former", "succeeded", "none"): 2}
        assert ended(page) == both
        assert of(page, "sent_msat_total")["shop"] == 0

        page = await restarted(["--metrics.without=destinations"])
        assert not any(each.name.startswith("destination_") for each in page["alice"])
        assert ended(await restarted()) == both
