"""What a real lnd tells of a payment, update by update: the sequences that our counting is built on.

Where a newer lnd breaks one of these, look at what we count before changing a test. Bob pays: no story watches him.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from exporter.payments.labels import Status
from tests.network.node import Json
from tests.network.process import until
from tests.network.regtest import Network
from tests.stories.lab import Invoice
from tests.stories.real import RealLab
from tests.stories.real_sending import RealSending

pytestmark = pytest.mark.network

SENT = ["IN_FLIGHT NONE -", "IN_FLIGHT NONE IN_FLIGHT"]
REFUSED = [*SENT, "IN_FLIGHT INCORRECT_PAYMENT_DETAILS IN_FLIGHT", "FAILED INCORRECT_PAYMENT_DETAILS FAILED"]


def told(update: Json) -> str:
    """Status, reason and attempts of an update."""
    attempts = ",".join(attempt["status"] for attempt in update["htlcs"])
    return f"{update['status']} {update['failure_reason'].removeprefix('FAILURE_REASON_')} {attempts or '-'}"


@pytest.fixture(scope="module")
async def bob(network: Network) -> RealLab:
    """Bob's lab."""
    lab = RealLab(network, "bob")
    await lab.open()
    return lab


@pytest.fixture(scope="module")
async def stream(bob: RealLab) -> AsyncIterator[dict[str, list[str]]]:
    """All that bob's TrackPayments says, by payment hash."""
    heard: dict[str, list[str]] = defaultdict(list)

    async def listen() -> None:
        async with bob.node.stream("GET", "/v2/router/payments") as updates:
            async for update in updates:
                heard[update["payment_hash"]].append(told(update))

    listening = asyncio.create_task(listen())
    while not heard:  # a subscription is not acknowledged: pay until it is heard
        await (await bob.pay(await bob.invoice(1, at="alice"), via="alice")).ended()
    yield heard
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def success(bob: RealLab) -> RealSending:
    """An ordinary payment."""
    return await bob.pay(await bob.invoice(1000, at="carol"), via="alice")


async def no_route(bob: RealLab) -> RealSending:
    """The fee limit allows none."""
    return await bob.pay(await bob.invoice(1000, at="carol"), via="alice", fee_limit_sat=0)


async def insufficient_balance(bob: RealLab) -> RealSending:
    """More than the channel holds."""
    return await bob.pay(await bob.invoice(3_000_000, at="alice"), via="alice")


async def refused(bob: RealLab) -> RealSending:
    """Nobody's invoice."""
    return await bob.pay(await bob.unknown_hash(1000, at="carol"), via="alice")


async def canceled(bob: RealLab) -> RealSending:
    """The caller hangs up, then the recipient cancels."""
    invoice = await bob.invoice(1000, at="carol", hold=True)
    sending = await bob.pay(invoice, via="alice", cancelable=True)
    await sending.held()
    await sending.close()
    await bob.cancel(invoice)
    return sending


async def overdue(bob: RealLab) -> tuple[RealSending, Invoice]:
    """Held until the payment's own time is over."""
    invoice = await bob.invoice(1000, at="carol", hold=True)
    sending = await bob.pay(invoice, via="alice", timeout_s=3)
    await sending.held()
    await sending.overdue()
    return sending, invoice


async def settled_late(bob: RealLab) -> RealSending:
    """Settled after the payment's timeout."""
    sending, invoice = await overdue(bob)
    await bob.settle(invoice)
    return sending


async def cancelled_late(bob: RealLab) -> RealSending:
    """Cancelled after the payment's timeout."""
    sending, invoice = await overdue(bob)
    await bob.cancel(invoice)
    return sending


async def in_database(bob: RealLab, payment_hash: str) -> Json:
    """The one run of a hash that bob's database holds."""
    payments = (await bob.node.get("/v1/payments", include_incomplete="true"))["payments"]
    [payment] = [one for one in payments if one["payment_hash"] == payment_hash]
    run: Json = payment
    return run


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (success, [*SENT, "SUCCEEDED NONE SUCCEEDED"]),
        (no_route, ["IN_FLIGHT NONE -", "FAILED NO_ROUTE -"]),
        (insufficient_balance, ["IN_FLIGHT NONE -", "FAILED INSUFFICIENT_BALANCE -"]),
        (refused, REFUSED),
        (canceled, [*REFUSED, "FAILED CANCELED FAILED"]),
        (settled_late, [*SENT, "SUCCEEDED NONE SUCCEEDED", "SUCCEEDED TIMEOUT SUCCEEDED"]),
        (cancelled_late, [*REFUSED, "FAILED TIMEOUT FAILED"]),
    ],
)
async def test_updates(
    bob: RealLab, stream: dict[str, list[str]], story: Callable[[RealLab], Awaitable[RealSending]], expected: list[str]
) -> None:
    """The updates of one payment, from first to last."""
    sending = await story(bob)
    await sending.ended()
    assert stream[sending.payment_hash] == expected


async def test_the_database_forgets_failed_attempts(bob: RealLab) -> None:
    """What isn't heard live can't be asked for: a failed payment's attempts are gone at once."""
    sending = await refused(bob)
    await sending.ended()
    assert told(await in_database(bob, sending.payment_hash)) == "FAILED INCORRECT_PAYMENT_DETAILS -"


async def test_a_send_to_route_keeps_its_failed_attempt(bob: RealLab) -> None:
    """Unlike all others, and it has no payment request."""
    invoice = await bob.unknown_hash(1000, at="carol")
    await bob.send_to_route(invoice, via="alice")
    run = await in_database(bob, invoice.payment_hash)
    assert (told(run), run["payment_request"]) == ("FAILED INCORRECT_PAYMENT_DETAILS FAILED", "")


async def test_a_second_try_renews_the_run(bob: RealLab) -> None:
    """The failed run of a hash vanishes; the new one has another creation time and a higher index."""
    invoice = await bob.invoice(1000, at="carol")
    await (await bob.pay(invoice, via="alice", fee_limit_sat=0)).ended()
    first = await in_database(bob, invoice.payment_hash)
    await (await bob.pay(invoice, via="alice")).ended()
    second = await in_database(bob, invoice.payment_hash)
    assert (first["status"], second["status"]) == ("FAILED", "SUCCEEDED")
    assert int(first["creation_time_ns"]) < int(second["creation_time_ns"])
    assert int(first["payment_index"]) < int(second["payment_index"])


async def test_a_channel_that_is_disabled_still_pays(bob: RealLab) -> None:
    """It asks others not to come this way; lnd's own payments take it all the same."""
    channels = (await bob.node.get("/v1/channels"))["channels"]
    [point] = [one["channel_point"] for one in channels if one["remote_pubkey"] == bob.pubkeys["alice"]]
    txid, _, index = point.partition(":")
    outpoint = {"funding_txid_str": txid, "output_index": int(index)}

    async def becomes(action: str, *, disabled: bool) -> None:
        await bob.node.post("/v2/router/updatechanstatus", chan_point=outpoint, action=action)

        async def known() -> bool:
            edges = (await bob.node.get("/v1/graph"))["edges"]
            [edge] = [edge for edge in edges if edge["chan_point"] == point]
            side = "node1_policy" if edge["node1_pub"] == bob.pubkey else "node2_policy"
            return bool(edge[side]["disabled"]) is disabled

        await until(f"the channel is {action}D", known)

    await becomes("DISABLE", disabled=True)
    try:
        sending = await bob.pay(await bob.invoice(1000, at="alice"), via="alice")
        assert (await sending.ended()).status is Status.SUCCEEDED
    finally:
        await becomes("ENABLE", disabled=False)
