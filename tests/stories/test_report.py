"""The story of the command `report`: payments of all kinds, added up as lnd itself lists them."""

import json
import sys
from collections import Counter as Tally
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.config import NodeConfig
from exporter.payments.labels import Reason, Status
from tests.network.process import run
from tests.stories.lab import ENOUGH_FOR_BOB, MORE_THAN_ALICE_HAS, Lab, fee_msat
from tests.stories.process import node_configs
from tests.stories.real import RealLab

Document = dict[str, Any]


async def report(node: NodeConfig, macaroon: Path, home: Path, *flags: str) -> Document:
    """Return what the command says of a node."""
    command = [
        *(sys.executable, "-m", "exporter", "report", "--json", *flags),
        *(f"--lnd.transport={node.transport}", f"--lnd.address={node.address}"),
        *(f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={macaroon}"),
    ]
    (found,) = json.loads(await run(command, home))["nodes"]
    document: Document = found
    return document


async def pay(alice: Lab) -> None:
    """Make payments of all kinds, which end in different ways; return when all of them have ended."""
    for sat in (1_000, 20_000, 300):
        paid = await alice.pay(await alice.invoice(sat, at="carol"), via="bob")
        assert (await paid.ended()).status is Status.SUCCEEDED
    parts = await alice.pay(await alice.invoice(90_000, at="bob"), via="bob", max_parts=3, max_shard_sat=30_000)
    around = await alice.pay(await alice.invoice(5_000, at="alice"), via="bob")
    sent = await alice.keysend(700, to="carol", via="bob")
    amp = await alice.amp(800, to="bob", via="bob")
    for each in (parts, around, sent, amp):
        assert (await each.ended()).status is Status.SUCCEEDED
    without_route = await alice.pay(await alice.invoice(ENOUGH_FOR_BOB, at="carol"), via="bob", fee_limit_sat=0)
    assert (await without_route.ended()).reason is Reason.NO_ROUTE
    too_much = await alice.pay(await alice.invoice(MORE_THAN_ALICE_HAS, at="bob"))
    assert (await too_much.ended()).reason is Reason.INSUFFICIENT_BALANCE
    refused = await alice.pay(await alice.unknown_hash(3_000, at="carol"), via="bob")
    assert (await refused.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS
    await alice.probe(await alice.invoice(2_000, at="bob"))
    await alice.send_to_route(await alice.invoice(4_000, at="carol"), via="bob")


def by(document: Document, name: str, what: str) -> dict[str, int]:
    """Return a sum of each group."""
    return {group[name]: group[what] for group in document["groups"]}


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much sums have grown, without those that haven't."""
    return {name: by for name, number in after.items() if (by := number - before.get(name, 0))}


async def test_sums_are_those_of_lnd(labs: Mapping[str, Lab], tmp_path: Path) -> None:
    """Over each transport, in all and by group; one that is held is in flight until it is settled."""
    alice = labs["alice"]
    macaroon = await alice.readonly_macaroon()
    grpc, *others = node_configs(alice)
    before = {name: await report(grpc, macaroon, tmp_path, f"--by={name}") for name in ("kind", "cause", "peer")}
    await pay(alice)
    invoice = await alice.invoice(6_000, at="carol", hold=True)
    held = await alice.pay(invoice, via="bob")
    await held.held()

    after = {name: await report(grpc, macaroon, tmp_path, f"--by={name}") for name in before}
    for node in others:
        for name, document in after.items():
            assert await report(node, macaroon, tmp_path, f"--by={name}") | {"node": "alice"} == document | {
                "node": "alice"
            }
    assert await report(grpc, macaroon, tmp_path, "--by=kind", "--since=1d") == after["kind"]

    listed = await alice.list_payments()
    succeeded = [each for each in listed if each.status is Status.SUCCEEDED]
    failed = [each for each in listed if each.status is Status.FAILED]
    total = after["kind"]["total"]
    assert (total["succeeded"], total["failed"]) == (len(succeeded), len(failed))
    assert total["volume_msat"] == sum(each.value_msat for each in succeeded)
    assert total["fees_msat"] == sum(each.fee_msat for each in succeeded)
    assert total["failed_msat"] == sum(each.value_msat for each in failed)
    assert (after["kind"]["in_flight"], after["kind"]["in_flight_msat"]) == (1, 6_000_000)
    if isinstance(alice, RealLab):
        await compare_with_lncli(alice, after)

    new = {
        name: grown(by(before[name], name, "payments"), by(after[name], name, "payments")) for name in ("kind", "cause")
    }
    assert new["kind"] == {"invoice": 6, "rebalance": 1, "keysend": 1, "amp": 1, "other": 1, "unknown": 2}
    assert new["cause"] == {"none": 8, "no_route": 1, "own_liquidity": 1, "recipient": 2}
    fees = grown(by(before["kind"], "kind", "fees_msat"), by(after["kind"], "kind", "fees_msat"))
    around = fee_msat("carol", 5_000_000)
    assert fees["rebalance"] == around + fee_msat("bob", 5_000_000 + around)
    settled = grown(by(before["peer"], "peer", "settled_htlcs"), by(after["peer"], "peer", "settled_htlcs"))
    assert settled == {alice.pubkeys["bob"]: 10}
    assert {group["alias"] for group in after["peer"]["groups"]} <= {"bob", "carol"}

    await alice.settle(invoice)
    assert (await held.ended()).status is Status.SUCCEEDED
    end = await report(grpc, macaroon, tmp_path)
    assert (end["in_flight"], end["total"]["succeeded"]) == (0, total["succeeded"] + 1)


async def compare_with_lncli(alice: RealLab, found: Mapping[str, Document]) -> None:
    """Compare with what `lncli listpayments` prints."""
    words = [*alice.node.lncli(), "listpayments", "--include_incomplete", "--max_payments=100000"]
    payments = json.loads(await run(words, alice.node.home))["payments"]
    succeeded = [each for each in payments if each["status"] == "SUCCEEDED"]
    failed = [each for each in payments if each["status"] == "FAILED"]
    total = found["kind"]["total"]
    assert (total["succeeded"], total["failed"]) == (len(succeeded), len(failed))
    assert total["volume_msat"] == sum(int(each["value_msat"]) for each in succeeded)
    assert total["fees_msat"] == sum(int(each["fee_msat"]) for each in succeeded)
    without = [each for each in failed if not any(htlc["status"] == "FAILED" for htlc in each["htlcs"])]
    assert found["kind"]["failed_without_attempts"] == len(without)
    routes = [htlc["route"] for each in succeeded for htlc in each["htlcs"] if htlc["status"] == "SUCCEEDED"]
    peers, sent, fees = Tally[str](), Tally[str](), Tally[str]()
    for route in routes:
        peer, fee = route["hops"][0]["pub_key"], int(route["total_fees_msat"])
        peers[peer] += 1
        sent[peer] += int(route["total_amt_msat"]) - fee
        fees[peer] += fee
    assert by(found["peer"], "peer", "settled_htlcs") == peers
    assert by(found["peer"], "peer", "volume_msat") == sent
    assert by(found["peer"], "peer", "fees_msat") == fees
