"""Stories of the command `ended`: what each way to end looks like, while the exporter runs and after it was killed."""

import json
import time
from pathlib import Path
from typing import Any

from exporter.config import NodeConfig
from exporter.payments.labels import Reason, Status
from tests.stories.lab import ENOUGH_FOR_BOB, TOO_MUCH_FOR_BOB, Lab, fee_msat
from tests.stories.page import total
from tests.stories.process import exporting
from tests.stories.test_payments import overdue
from tests.stories.world import World

TIMING = ("counted_timestamp_seconds", "ended_timestamp_seconds", "created_timestamp_seconds", "duration_seconds")


async def payments(alice: Lab, own: World) -> dict[str, str]:
    """Make payments that end in different ways, one after the other; return their hashes by name."""
    paid = await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")
    assert (await paid.ended()).status is Status.SUCCEEDED
    hashes = {"paid": paid.payment_hash}
    await own.counted("alice", 1)
    retried = await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))
    assert (await retried.ended()).status is Status.SUCCEEDED
    hashes["retried"] = retried.payment_hash
    await own.counted("alice", 2)
    without_route = await alice.pay(await alice.invoice(ENOUGH_FOR_BOB, at="carol"), via="bob", fee_limit_sat=0)
    assert (await without_route.ended()).reason is Reason.NO_ROUTE
    hashes["without route"] = without_route.payment_hash
    await own.counted("alice", 3)
    refused = await alice.pay(await alice.unknown_hash(3_000, at="carol"), via="bob")
    await refused.ended()
    hashes["refused"] = refused.payment_hash
    await own.counted("alice", 4)
    assert await overdue(alice, settle=True) is Reason.TIMEOUT
    await own.counted("alice", 5)
    around = await alice.pay(await alice.invoice(5_000, at="alice"), via="bob")
    assert (await around.ended()).status is Status.SUCCEEDED
    hashes["around"] = around.payment_hash
    await own.counted("alice", 6)
    return hashes


def expected(alice: Lab, hashes: dict[str, str]) -> list[dict[str, Any]]:
    """Return the lines of these payments without times, the newest first."""
    key, bob = alice.pubkeys, {"pubkey": alice.pubkeys["bob"], "alias": "bob"}
    carol = {"pubkey": key["carol"], "alias": "carol"}

    def line(number: int, name: str, sat: int, **changes: Any) -> dict[str, Any]:
        common = {
            "node": "alice",
            "number": number,
            "payment_hash": hashes.get(name),
            "amount_msat": sat * 1000,
            "fee_msat": 0,
            "kind": "invoice",
            "outcome": "succeeded",
            "late": False,
            "reason": None,
            "cause": None,
            "parts": 1,
            "attempts": 1,
            "recovered": False,
            "first_hops": [bob],
            "failure_code": None,
            "failure_source": None,
            "failed_by": None,
            "destination": key["carol"],
        }
        return common | changes

    refused = {"failure_code": "incorrect_or_unknown_payment_details", "failure_source": "recipient"}
    at_bob = {"failure_code": "temporary_channel_failure", "failure_source": "first_hop"}
    around_msat = fee_msat("bob", 5_000_000 + fee_msat("carol", 5_000_000)) + fee_msat("carol", 5_000_000)
    lines = [
        line(1, "paid", 20_000, fee_msat=fee_msat("bob", 20_000_000)),
        line(
            2,
            "retried",
            TOO_MUCH_FOR_BOB,
            fee_msat=fee_msat("carol", TOO_MUCH_FOR_BOB * 1000),
            attempts=2,
            first_hops=[carol],
            destination=key["dave"],
            **at_bob,
        ),
        line(
            3, "without route", ENOUGH_FOR_BOB, outcome="failed", reason="no_route", cause="no_route", parts=0,
            attempts=0, first_hops=[], destination=None,
        ),
        line(
            4, "refused", 3_000, outcome="failed", reason="incorrect_payment_details", cause="recipient", kind="probe",
            parts=0, **refused,
        ),
        line(5, "late", 5_000, fee_msat=fee_msat("bob", 5_000_000), late=True, reason="timeout"),
        line(6, "around", 5_000, fee_msat=around_msat, kind="rebalance", destination=key["alice"]),
    ]  # fmt: skip
    return lines[::-1]


def without_times(output: str) -> list[dict[str, Any]]:
    """Return the lines without their times, which are checked to be of the last minutes."""
    lines = [json.loads(line) for line in output.splitlines()]
    for line in lines:
        counted_s, ended_s, created_s, duration_s = (line.pop(name) for name in TIMING)
        assert time.time() - 300 < created_s <= ended_s <= counted_s <= time.time()
        assert abs(created_s + duration_s - ended_s) < 0.001
    return lines


async def test_payments_that_ended_are_listed_and_logged(world: World, tmp_path: Path) -> None:
    """Whole lines, in the order in which they were counted; the same after a kill; their number is the counters'."""
    alice = world.alice
    config = NodeConfig("alice", alice.address, alice.tls_cert, await alice.readonly_macaroon())
    async with exporting([config], tmp_path / "ended", log={"ended": "failed"}) as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await own.followed("alice")
        await own.until(lambda page: total(page, "alice", "node_spendable_msat") > 0, "aliases are known")
        assert await exporter.ended("--json") == ""
        hashes = await payments(alice, own)

        found = without_times(await exporter.ended("--json"))
        hashes["late"] = found[1]["payment_hash"]
        assert found == expected(alice, hashes)
        page = await own.page()
        ends = {name: total(page, "alice", f"{name}_total") for name in ("succeeded", "failed", "lost")}
        assert ends == {"succeeded": 4, "failed": 2, "lost": 0}

        for flags, names in (
            (["--failed"], ["refused", "without route"]),
            (["--late"], ["late"]),
            (["--failed", "--late", "--limit=2"], ["late", "refused"]),
            (["--lost"], []),
            (["--cause=no_route,held"], ["without route"]),
            (["--cause=no_route,held", "--failed", "--late"], ["late", "without route"]),
            (["--reason=timeout"], ["late"]),
            (["--kind=rebalance,probe"], ["around", "refused"]),
            (["--min-sat=50000"], ["without route", "retried"]),
            (["--peer=CAROL"], ["retried"]),
            ([f"--peer={alice.pubkeys['bob'][:12]}", "--since=1h"], ["around", "late", "refused", "paid"]),
            (["--since=0s"], []),
        ):
            listed = without_times(await exporter.ended("--json", *flags))
            assert [line["payment_hash"] for line in listed] == [hashes[name] for name in names], flags

        logged = [json.loads(line) for line in exporter.text().splitlines() if '"outcome"' in line]
        assert [(line["level"], line["payment_hash"]) for line in logged] == [
            ("info", hashes["without route"]),
            ("info", hashes["refused"]),
            ("warning", hashes["late"]),
        ]
        assert logged[2]["event"] == "a payment succeeded after lnd had given it up"
        assert (logged[1]["cause"], logged[1]["first_hops"]) == ("recipient", ["bob"])

        table = await exporter.ended("--failed")
        assert table.splitlines()[0] == "alice: 2 payments failed, newest first"
        await exporter.kill()
        assert without_times(await exporter.ended("--json")) == found
        await exporter.start()
        await own.followed("alice")
    assert without_times(await exporter.ended("--json")) == found
