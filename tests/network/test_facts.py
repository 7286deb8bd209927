"""The updates of a real lnd, payment by payment: the sequences on which the counting relies.

If a newer lnd breaks one of these tests, check the counting before you change the test. Bob pays here: no story uses
that node's payments.
"""

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from exporter.lnd.client import first_detail
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import why_pb2
from exporter.payments.findings import Invoice as ReadInvoice
from exporter.payments.findings import NoRoute, Route, RouteQuery
from exporter.payments.ghosts import missing
from exporter.payments.labels import Status
from exporter.simulator.wire import bytes_field, int_field
from tests.doctor.checked import HERE_FLAGS, check
from tests.network.node import Json, b64hex
from tests.network.process import until
from tests.network.regtest import DAVE_ACCEPTS, Network
from tests.stories.lab import MORE_THAN_ALICE_HAS, Invoice
from tests.stories.real import RealLab
from tests.stories.real_sending import RealSending

pytestmark = pytest.mark.network

HIDDEN = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
"""The key of no node; a point of the curve."""
SENT = ["IN_FLIGHT NONE -", "IN_FLIGHT NONE IN_FLIGHT"]
REFUSED = [*SENT, "IN_FLIGHT INCORRECT_PAYMENT_DETAILS IN_FLIGHT", "FAILED INCORRECT_PAYMENT_DETAILS FAILED"]


def summary(update: Json) -> str:
    """Return status, failure reason and status of the attempts of an update."""
    attempts = ",".join(attempt["status"] for attempt in update["htlcs"])
    return f"{update['status']} {update['failure_reason'].removeprefix('FAILURE_REASON_')} {attempts or '-'}"


@pytest.fixture(scope="module")
async def bob(network: Network) -> RealLab:
    """Return bob's lab."""
    lab = RealLab(network, "bob")
    await lab.open()
    return lab


@pytest.fixture(scope="module")
async def stream(bob: RealLab) -> AsyncIterator[dict[str, list[str]]]:
    """Subscribe to bob's TrackPayments; return the summaries of all updates, by payment hash."""
    received: dict[str, list[str]] = defaultdict(list)

    async def receive() -> None:
        async with bob.node.stream("GET", "/v2/router/payments") as updates:
            async for update in updates:
                received[update["payment_hash"]].append(summary(update))

    receiving = asyncio.create_task(receive())
    while not received:  # a subscription is not acknowledged: pay until an update is received
        await (await bob.pay(await bob.invoice(1, at="alice"), via="alice")).ended()
    yield received
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)


async def test_hints_of_an_invoice_lead_to_a_node_that_is_not_in_the_graph(bob: RealLab) -> None:
    """`why` passes on what lnd has read in the invoice, as lnd sent it: here a `RouteHint` over alice."""
    client = GrpcClient(bob.address, bob.tls_cert, await bob.readonly_macaroon())
    query = RouteQuery(HIDDEN, 5_000_000)
    hop = bytes_field(1, bob.pubkeys["alice"].encode()) + int_field(2, 7) + int_field(3, 500) + int_field(5, 40)
    known = why_pb2.QueryRoutesRequest(final_cltv_delta=80)
    known.route_hints.add().MergeFromString(bytes_field(1, hop))
    try:
        await client.connect()
        assert await client.find_route(query) is NoRoute.NO_PATH
        read = ReadInvoice(HIDDEN, 0, for_routes=known.SerializeToString())
        found = await client.find_route(query._replace(invoice=read))
        assert isinstance(found, Route)
        assert (found.fee_msat, found.hops) == (500, (bob.pubkeys["alice"], HIDDEN))
    finally:
        await client.close()


async def success(bob: RealLab) -> RealSending:
    """Make an ordinary payment."""
    return await bob.pay(await bob.invoice(1000, at="carol"), via="alice")


async def no_route(bob: RealLab) -> RealSending:
    """Make a payment whose fee limit excludes all routes."""
    return await bob.pay(await bob.invoice(1000, at="carol"), via="alice", fee_limit_sat=0)


async def insufficient_balance(bob: RealLab) -> RealSending:
    """Make a payment above the balance of the channel."""
    return await bob.pay(await bob.invoice(MORE_THAN_ALICE_HAS, at="alice"), via="alice")


async def refused(bob: RealLab) -> RealSending:
    """Make a payment of an unknown hash."""
    return await bob.pay(await bob.unknown_hash(1000, at="carol"), via="alice")


async def canceled(bob: RealLab) -> RealSending:
    """Make a payment whose caller ends the stream before the recipient cancels."""
    invoice = await bob.invoice(1000, at="carol", hold=True)
    sending = await bob.pay(invoice, via="alice", cancelable=True)
    await sending.held()
    await sending.close()
    await bob.cancel(invoice)
    return sending


async def overdue(bob: RealLab) -> tuple[RealSending, Invoice]:
    """Make a payment that is held until its own timeout has passed."""
    invoice = await bob.invoice(1000, at="carol", hold=True)
    sending = await bob.pay(invoice, via="alice", timeout_s=3)
    await sending.held()
    await sending.overdue()
    return sending, invoice


async def settled_late(bob: RealLab) -> RealSending:
    """Make a payment that is settled after its timeout."""
    sending, invoice = await overdue(bob)
    await bob.settle(invoice)
    return sending


async def cancelled_late(bob: RealLab) -> RealSending:
    """Make a payment that is cancelled after its timeout."""
    sending, invoice = await overdue(bob)
    await bob.cancel(invoice)
    return sending


async def in_database(bob: RealLab, payment_hash: str) -> Json:
    """Return the only run of a hash in bob's database."""
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
    """All updates of the payment, in order."""
    sending = await story(bob)
    await sending.ended()
    assert stream[sending.payment_hash] == expected


async def test_failed_attempts_are_deleted_at_once(bob: RealLab) -> None:
    """So failed attempts that weren't live can't be recovered."""
    sending = await refused(bob)
    await sending.ended()
    assert summary(await in_database(bob, sending.payment_hash)) == "FAILED INCORRECT_PAYMENT_DETAILS -"


async def test_send_to_route_keeps_its_failed_attempt(bob: RealLab) -> None:
    """And it has no payment request."""
    invoice = await bob.unknown_hash(1000, at="carol")
    await bob.send_to_route(invoice, via="alice")
    run = await in_database(bob, invoice.payment_hash)
    assert (summary(run), run["payment_request"]) == ("FAILED INCORRECT_PAYMENT_DETAILS FAILED", "")


async def test_check_tells_that_failed_attempts_are_deleted(bob: RealLab, capsys: pytest.CaptureFixture[str]) -> None:
    """A payment that the recipient refused has no attempts any more; one sent to a route, after it, doesn't count."""
    await (await refused(bob)).ended()
    await bob.send_to_route(await bob.unknown_hash(1000, at="alice"), via="alice")
    flags = [f"--lnd.address={bob.address}", f"--lnd.tls-cert={bob.tls_cert}"]
    found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.macaroon={await bob.readonly_macaroon()}")
    assert (found.code, found.lines[-1]) == (0, "All is well.")
    shown = next(line for line in found.lines if line.startswith("ok attempts "))
    assert shown.startswith("ok attempts lnd deletes failed HTLC attempts when a payment ends, its default")


async def test_retry_replaces_the_failed_run(bob: RealLab) -> None:
    """The new run has another creation time and a higher index."""
    invoice = await bob.invoice(1000, at="carol")
    await (await bob.pay(invoice, via="alice", fee_limit_sat=0)).ended()
    first = await in_database(bob, invoice.payment_hash)
    await (await bob.pay(invoice, via="alice")).ended()
    second = await in_database(bob, invoice.payment_hash)
    assert (first["status"], second["status"]) == ("FAILED", "SUCCEEDED")
    assert int(first["creation_time_ns"]) < int(second["creation_time_ns"])
    assert int(first["payment_index"]) < int(second["payment_index"])


async def test_disabled_channel_is_used_for_own_payments(bob: RealLab) -> None:
    """The flag only asks other nodes not to use the channel."""
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


async def test_local_constraints_bind_the_own_htlcs(network: Network) -> None:
    """What a peer accepts is in `local_constraints` of `ListChannels`: an lnd accepts 483 HTLCs, dave is told 30."""
    constraints = {}
    for name, peer in (("carol", "dave"), ("dave", "carol")):
        channels = await network.nodes[name].get("/v1/channels", peer=b64hex(network.nodes[peer].pubkey))
        (channel,) = channels["channels"]
        constraints[name] = [channel[f"{side}_constraints"]["max_accepted_htlcs"] for side in ("local", "remote")]
    assert constraints == {"carol": [DAVE_ACCEPTS, 483], "dave": [483, DAVE_ACCEPTS]}


async def test_blinded_path_ends_at_the_key_of_no_node(bob: RealLab, network: Network) -> None:
    """lnd sends a blinded key as that of the last hop, and encrypted data, which no hop of another route has."""
    short = {"num_hops": 1, "min_num_real_hops": 1, "node_omission_list": [b64hex(bob.pubkey)]}
    made = await network.nodes["dave"].post("/v1/invoices", value="1000", is_blinded=True, blinded_path_config=short)
    blinded = Invoice(base64.b64decode(made["r_hash"]).hex(), made["payment_request"], 1000, "dave")
    keys = {*bob.pubkeys.values()}
    for invoice, known in ((blinded, False), (await bob.invoice(1000, at="carol"), True)):
        sending = await bob.pay(invoice, via="alice")
        assert (await sending.ended()).status is Status.SUCCEEDED
        (attempt,) = (await in_database(bob, sending.payment_hash))["htlcs"]
        *others, last = attempt["route"]["hops"]
        assert (last["pub_key"] in keys, last["encrypted_data"] == "") == (known, known)
        assert others[0]["encrypted_data"] == ""


async def test_htlcs_are_on_the_channels_over_which_they_were_sent(bob: RealLab) -> None:
    """`ListChannels` has each part, also one too small for an output; a rebalance comes back with the same hash."""
    parts = await bob.invoice(60_000, at="alice", hold=True)
    dust = await bob.invoice(100, at="alice", hold=True)
    rebalance = await bob.invoice(9_000, at="bob", hold=True)
    sendings = [
        await bob.pay(parts, via="alice", max_parts=3, max_shard_sat=20_000),
        await bob.pay(dust, via="alice"),
        await bob.pay(rebalance, via="alice"),
    ]
    client = GrpcClient(bob.address, bob.tls_cert, await bob.readonly_macaroon())
    try:
        await client.connect()
        for sending, number in zip(sendings, (3, 1, 1), strict=True):
            await sending.held(number)
        channels = await client.channels()
        for sending, amounts in zip(sendings, ([20_000] * 3, [100], [9_003]), strict=True):
            payment_hash = sending.payment_hash
            detail = await first_detail(client.details(payment_hash, inflight=True, secrets=False, request=False))
            attempts = detail.payment.attempts
            assert list(missing(attempts, payment_hash, channels.offered)) == []
            found = [htlc for offered in channels.offered.values() for htlc in offered.get(payment_hash, ())]
            assert [htlc.amount_sat for htlc in found] == amounts, "without the HTLC of the rebalance that comes back"
            assert {htlc.expiry_height for htlc in found} == {attempt.expiry_height for attempt in attempts}
    finally:
        for invoice, sending in zip((parts, dust, rebalance), sendings, strict=True):
            await bob.cancel(invoice)
            await sending.ended()
        await client.close()
