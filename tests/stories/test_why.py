"""Stories of the command `why`: what was done to the network is what it says."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from exporter.explain.verdict import Verdict
from exporter.payments.labels import Reason, Status
from exporter.track import FAILED, NOT_FOLLOWED, SUCCEEDED
from exporter.why.command import IN_FLIGHT
from exporter.why.counted import THE_LIST
from tests.patience import PATIENCE_S
from tests.stories.lab import TOO_MUCH_FOR_BOB, Lab
from tests.stories.process import node_configs
from tests.stories.test_peers import MORE_THAN_ONE_CHANNEL_HAS, without
from tests.stories.test_restarts import held
from tests.stories.world import World

Document = dict[str, Any]
GUESS, SURE = True, False


async def why(
    lab: Lab, payment_hash: str, transport: str = "grpc", *, all_allowed: bool = True, state: Path | None = None
) -> tuple[int, Document]:
    """Return exit code and document of the command, with a macaroon that may read everything, or the exporter's.

    With `state` it reads the list of the exporter in this file, else none.
    """
    (node,) = node_configs(lab, transport)
    macaroon = await lab.readonly_macaroon() if all_allowed else lab.macaroon
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "why", payment_hash, "--json", f"--lnd.name={lab.name}"),
        *(f"--lnd.transport={transport}", f"--lnd.address={node.address}"),
        *(f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={macaroon}", f"--storage.path={state or '/nowhere'}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out else {"error": err.decode()}


async def verdict(lab: Lab, payment_hash: str) -> tuple[str, bool, Document]:
    """Return the verdict on a payment that failed, whether it is a guess, and what lnd finds now (names for keys)."""
    code, document = await why(lab, payment_hash)
    assert code == FAILED
    assert [one["call"] for one in document["not_asked"] if one["call"] != THE_LIST] == []
    names = {key: name for name, key in lab.pubkeys.items()}
    for found in document["now"].values():
        if isinstance(found, dict):
            found["hops"] = [names[key] for key in found["hops"]]
    return document["verdict"], document["guess"], document["now"]


async def test_fee_limit(world: World) -> None:
    """A limit of 0 or 1 sat, where every route costs more: what a route would cost."""
    alice = world.alice
    for limit in (0, 1):
        sending = await alice.pay(await alice.invoice(5_000, at="dave"), fee_limit_sat=limit)
        assert (await sending.ended()).reason is Reason.NO_ROUTE
        said, guess, now = await verdict(alice, sending.payment_hash)
        assert (said, guess) == (Verdict.FEE_LIMIT, GUESS)
        assert (now["route"]["fee_msat"], now["route"]["hops"]) == (1005, ["bob", "dave"])
        assert 0.05 < now["route"]["probability"] <= 1


async def test_too_large_for_one_channel(world: World) -> None:
    """In one part: no single channel holds so much, together they do."""
    alice = world.alice
    await world.refill()
    sending = await alice.pay(await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="dave"), max_parts=1)
    assert (await sending.ended()).reason is Reason.NO_ROUTE
    said, guess, now = await verdict(alice, sending.payment_hash)
    assert (said, guess) == (Verdict.TOO_LARGE, GUESS)
    assert (now["route"], now["route_regardless_of_failures"]) == ("no_path", "no_path")
    assert (now["parts"], now["route_of_part"]["hops"][-1]) == (2, "dave")
    assert now["spendable_largest_channel_msat"] < MORE_THAN_ONE_CHANNEL_HAS * 1000 < now["spendable_msat"]


async def test_last_channel_without_room(world: World) -> None:
    """`SendToRoute` keeps its attempt: bob, the node before the recipient, has failed it."""
    alice = world.alice
    invoice = await alice.invoice(TOO_MUCH_FOR_BOB + 7, at="dave")
    await alice.send_to_route(invoice, via="bob")
    said, guess, now = await verdict(alice, invoice.payment_hash)
    assert (said, guess) == (Verdict.RECIPIENT_LIQUIDITY, SURE)
    assert now["route"]["hops"] in (["carol", "dave"], ["bob", "carol", "dave"]), "another channel has room"


async def test_all_peers_are_offline(world: World) -> None:
    """lnd says `insufficient_balance`: the balance is there, and its peers are named."""
    alice = world.alice
    async with without(alice, "bob", "carol"):
        sending = await alice.pay(await alice.invoice(1_000, at="bob"))
        assert (await sending.ended()).reason is Reason.INSUFFICIENT_BALANCE
        code, document = await why(alice, sending.payment_hash)
        assert (code, document["verdict"], document["guess"]) == (FAILED, Verdict.OWN_INACTIVE, GUESS)
        assert document["now"]["route"] == "insufficient_balance"
        assert (document["now"]["spendable_msat"], document["now"]["inactive_msat"] > 1_000_000) == (0, True)
        (offline,) = (line for line in document["evidence"] if line.startswith("peers offline: "))
        assert {"bob", "carol"} == set(offline.removeprefix("peers offline: ").split(", with ")[0].split(", "))


async def test_recipient_is_offline(world: World) -> None:
    """Two peers before it are alive: lnd has deleted the attempts, but avoids the last step; kept ones say it."""
    await world.storm_is_over()
    alice = world.alice
    invoice, by_route = await alice.invoice(5_000, at="dave"), await alice.invoice(6_000, at="dave")
    await alice.stop_other("dave")
    try:
        sending = await alice.pay(invoice)
        assert (await sending.ended()).reason is Reason.NO_ROUTE
        said, guess, now = await verdict(alice, sending.payment_hash)
        assert (said, guess) == (Verdict.RECIPIENT_AVOIDED, GUESS)
        assert now["route"] == "no_path"
        assert now["route_regardless_of_failures"]["hops"] == ["bob", "dave"]
        assert now["route_to_last_hop"]["hops"] == ["bob"]
        await world.counted("alice", 0, in_flight=0)
        code, document = await why(alice, sending.payment_hash, state=world.log.with_name("state.sqlite"))
        assert (code, document["verdict"], document["guess"]) == (FAILED, Verdict.RECIPIENT_UNREACHABLE, SURE)
        assert document["counted"]["failure_code"] == "unknown_next_peer", "the exporter has seen what lnd has deleted"
        assert document["counted"]["attempts"] == 2
        await alice.send_to_route(by_route, via="bob")
        code, document = await why(alice, by_route.payment_hash)
        assert (code, document["verdict"], document["guess"]) == (FAILED, Verdict.RECIPIENT_UNREACHABLE, SURE)
        (attempt,) = document["attempts"]
        assert (attempt["code"], attempt["source_pubkey"]) == ("unknown_next_peer", alice.pubkeys["bob"])
        assert document["recipient_alias"] == "dave"
    finally:
        await alice.start_other("dave")


async def test_held_payment(world: World) -> None:
    """In flight: through whom, until which block; then what it cost. Over REST lnd isn't asked for the invoice."""
    alice = world.alice
    invoice, sending = await held(alice)
    code, document = await why(alice, sending.payment_hash)
    assert (code, document["verdict"]) == (IN_FLIGHT, Verdict.ON_ITS_WAY)
    assert (document["recipient_alias"], document["htlcs"], document["not_asked"]) == ("carol", 1, [])
    assert document["first_expiry_height"] - document["block_height"] == await alice.blocks_left(sending.payment_hash)
    code, rest = await why(alice, sending.payment_hash, "rest")
    assert (code, rest["verdict"], rest["recipient_pubkey"]) == (IN_FLIGHT, Verdict.ON_ITS_WAY, alice.pubkeys["carol"])
    assert [(one["call"], one["denied"]) for one in rest["not_asked"]] == [("DecodePayReq", False)]
    code, small = await why(alice, sending.payment_hash, all_allowed=False)
    assert (code, small["verdict"]) == (IN_FLIGHT, Verdict.ON_ITS_WAY)
    assert {one["call"] for one in small["not_asked"] if one["denied"]} == {
        "ListChannels",
        "DecodePayReq",
        "GetNodeInfo",
    }
    await alice.settle(invoice)
    assert (await sending.ended()).status is Status.SUCCEEDED
    code, document = await why(alice, sending.payment_hash)
    assert (code, document["verdict"], document["fee_msat"]) == (SUCCEEDED, Verdict.PAID, 1006)
    assert document["summary"].endswith("; 6,000 sat for a fee of 1.006 sat (168 ppm)")


async def test_unknown_payment(world: World) -> None:
    """One line, and a special exit code."""
    code, document = await why(world.alice, "00" * 32)
    assert code == NOT_FOLLOWED
    assert document["error"].startswith("alice: lnd doesn't know this payment: is the hash right,")
