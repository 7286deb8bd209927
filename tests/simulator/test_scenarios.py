"""Each scenario: its updates are exactly those recorded from a real lnd, and its truth is right."""

import pytest

from exporter.payments.labels import Code, FailureSource, Kind, Reason, Status
from exporter.simulator.mutation import Register, Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.truth import Finished
from tests.simulator.raw import Raw, shapes

SUCCEEDED, FAILED = Status.SUCCEEDED, Status.FAILED
TEMPORARY = Code.TEMPORARY_CHANNEL_FAILURE
REFUSED = (Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, FailureSource.RECIPIENT)
MIDDLE, FIRST = FailureSource.INTERMEDIATE, FailureSource.FIRST_HOP
DETAILS = "INCORRECT_PAYMENT_DETAILS"

ONE = ["IN_FLIGHT []", "IN_FLIGHT [in flight]"]
"""The first updates of every scenario with an attempt."""


async def updates_of(scenario: Scenario, node: SimulatedNode, raw: Raw) -> list[str]:
    """Play a scenario, and return the updates that a new subscriber receives."""
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenario)
    number = sum(type(step.mutation).__name__ != "Finish" for step in scenario.steps)
    return shapes(await stream.take(number))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("success", {}, [*ONE, "SUCCEEDED [settled]"]),
        (
            "retry",
            {},
            [*ONE, "IN_FLIGHT [failed]", "IN_FLIGHT [failed, in flight]", "SUCCEEDED [failed, settled]"],
        ),
        ("no_route", {}, ["IN_FLIGHT []", "FAILED NO_ROUTE []"]),
        ("insufficient_balance", {}, ["IN_FLIGHT []", "FAILED INSUFFICIENT_BALANCE []"]),
        ("refused", {}, [*ONE, f"IN_FLIGHT {DETAILS} [in flight]", f"FAILED {DETAILS} [failed]"]),
        ("probe", {}, [*ONE, f"IN_FLIGHT {DETAILS} [in flight]", f"FAILED {DETAILS} [failed]"]),
        ("keysend", {}, [*ONE, "SUCCEEDED [settled]"]),
        ("amp", {}, [*ONE, "SUCCEEDED [settled]"]),
        (
            "multi_part",
            {},
            [
                *ONE,
                "IN_FLIGHT [in flight, in flight]",
                "IN_FLIGHT [in flight, in flight, in flight]",
                "IN_FLIGHT [settled, in flight, in flight]",
                "IN_FLIGHT [settled, settled, in flight]",
                "SUCCEEDED [settled, settled, settled]",
            ],
        ),
        ("held_then_settled", {"held_s": 30}, [*ONE, "SUCCEEDED [settled]"]),
        ("held_then_settled", {"held_s": 90}, [*ONE, "SUCCEEDED [settled]", "SUCCEEDED TIMEOUT [settled]"]),
        (
            "held_then_cancelled",
            {"held_s": 30},
            [*ONE, f"IN_FLIGHT {DETAILS} [in flight]", f"FAILED {DETAILS} [failed]"],
        ),
        (
            "held_then_cancelled",
            {"held_s": 90},
            [*ONE, f"IN_FLIGHT {DETAILS} [in flight]", f"FAILED {DETAILS} [failed]", "FAILED TIMEOUT [failed]"],
        ),
        (
            "cancelled_by_caller",
            {},
            [*ONE, f"IN_FLIGHT {DETAILS} [in flight]", f"FAILED {DETAILS} [failed]", "FAILED CANCELED [failed]"],
        ),
        (
            "route_fails",
            {},
            [
                *ONE,
                "IN_FLIGHT [failed]",
                "IN_FLIGHT [failed, in flight]",
                "IN_FLIGHT [failed, failed]",
                "FAILED NO_ROUTE [failed, failed]",
            ],
        ),
        ("stuck", {}, [*ONE, "IN_FLIGHT [failed]"]),
        ("rebalance", {}, [*ONE, "SUCCEEDED [settled]"]),
        ("rebalance", {"fails": True}, [*ONE, "IN_FLIGHT [failed]", "FAILED NO_ROUTE [failed]"]),
        ("rebalance_without_route", {}, ["IN_FLIGHT []", "FAILED NO_ROUTE []"]),
        ("send_to_route", {}, [*ONE, "SUCCEEDED [settled]"]),
        ("send_to_route", {"fails": True}, [*ONE, "IN_FLIGHT [failed]", "FAILED ERROR [failed]"]),
        ("retried_hash", {}, ["IN_FLIGHT []", "FAILED NO_ROUTE []", *ONE, "SUCCEEDED [settled]"]),
    ],
)
async def test_updates_of_a_scenario(  # noqa: PLR0917 - three are fixtures
    name: str, arguments: dict[str, float], expected: list[str], node: SimulatedNode, raw: Raw, scenarios: Scenarios
) -> None:
    """There is one update for each mutation of the database, in lnd's order."""
    assert await updates_of(getattr(scenarios, name)(**arguments), node, raw) == expected


def test_rebalance_comes_back_through_another_peer(scenarios: Scenarios, node: SimulatedNode) -> None:
    """The last hop but one is a direct peer, because only such a node has a channel with this one."""
    peers = {peer.node.pubkey for peer in node.world.peers}
    for fails in (False, True):
        registered = [s.mutation for s in scenarios.rebalance(fails=fails).steps if isinstance(s.mutation, Register)]
        for first, last, me in ([hop.pub_key for hop in each.route.hops] for each in registered):
            assert {first, last} <= peers
            assert (first != last, me) == (True, node.world.me.pubkey)


async def test_updates_and_truth_of_a_storm(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """It has 50 updates and 23 attempts; NO_ROUTE while in flight becomes TIMEOUT; the failure is sent twice."""
    updates = await updates_of(scenarios.storm(), node, raw)
    failed = ", ".join(["failed"] * 23)
    assert len(updates) == 50
    assert [update.split(" [")[0] for update in updates[45:]] == [
        "IN_FLIGHT NO_ROUTE",  # no route is left
        "IN_FLIGHT NO_ROUTE",  # the first held part fails
        "IN_FLIGHT TIMEOUT",
        "FAILED TIMEOUT",  # the second
        "FAILED TIMEOUT",
    ]
    assert updates[-1] == f"FAILED TIMEOUT [{failed}]"
    (truth,) = node.truth()
    assert truth.failures.count((TEMPORARY, FIRST)) == 21
    assert truth.failures.count((Code.MPP_TIMEOUT, FailureSource.RECIPIENT)) == 2


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("success", {}, [(Kind.INVOICE, SUCCEEDED, Reason.NONE, 1, ())]),
        ("retry", {}, [(Kind.INVOICE, SUCCEEDED, Reason.NONE, 1, ((TEMPORARY, MIDDLE),))]),
        ("multi_part", {}, [(Kind.INVOICE, SUCCEEDED, Reason.NONE, 3, ())]),
        ("keysend", {}, [(Kind.KEYSEND, SUCCEEDED, Reason.NONE, 1, ())]),
        ("amp", {}, [(Kind.AMP, SUCCEEDED, Reason.NONE, 1, ())]),
        ("probe", {}, [(Kind.PROBE, FAILED, Reason.INCORRECT_PAYMENT_DETAILS, 0, (REFUSED,))]),
        ("held_then_settled", {"held_s": 90}, [(Kind.INVOICE, SUCCEEDED, Reason.TIMEOUT, 1, ())]),
        ("held_then_cancelled", {"held_s": 90}, [(Kind.INVOICE, FAILED, Reason.TIMEOUT, 0, (REFUSED,))]),
        ("cancelled_by_caller", {}, [(Kind.INVOICE, FAILED, Reason.CANCELED, 0, (REFUSED,))]),
        ("rebalance_without_route", {}, [(Kind.REBALANCE, FAILED, Reason.NO_ROUTE, 0, ())]),
        ("send_to_route", {"fails": True}, [(Kind.OTHER, FAILED, Reason.ERROR, 0, ((TEMPORARY, FIRST),))]),
        ("stuck", {}, []),
        (
            "retried_hash",
            {},
            [(Kind.INVOICE, FAILED, Reason.NO_ROUTE, 0, ()), (Kind.INVOICE, SUCCEEDED, Reason.NONE, 1, ())],
        ),
    ],
)
async def test_truth_about_a_scenario(
    name: str,
    arguments: dict[str, float],
    expected: list[tuple[Kind, Status, Reason, int, tuple[object, ...]]],
    node: SimulatedNode,
    scenarios: Scenarios,
) -> None:
    """It has every finished run: status of the first terminal update, reason of the last, all attempts."""
    await node.play(getattr(scenarios, name)(**arguments))

    def summary(run: Finished) -> tuple[Kind, Status, Reason, int, tuple[object, ...]]:
        return run.kind, run.status, run.reason, run.settled, run.failures

    assert list(map(summary, node.truth())) == expected


async def test_fee_grows_with_each_settled_part(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """`fee_msat` is the sum over the attempts settled so far; the amounts of the parts add up to the payment's."""
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenarios.multi_part(300_000_000, parts=3))
    updates = await stream.take(7)
    fees = [htlc.route.total_fees_msat for htlc in updates[-1].htlcs]
    assert [update.fee_msat for update in updates] == [0, 0, 0, 0, fees[0], sum(fees[:2]), sum(fees)]
    assert sum(htlc.route.total_amt_msat for htlc in updates[-1].htlcs) == 300_000_000 + sum(fees)
    assert {update.value_msat for update in updates} == {300_000_000}


async def test_same_seed_makes_the_same_scenarios(node: SimulatedNode) -> None:
    """A failing test can be repeated: hashes, amounts, routes and times depend on the seed only."""
    assert Scenarios(node.world, 7).storm() == Scenarios(node.world, 7).storm()
    assert Scenarios(node.world, 7).storm() != Scenarios(node.world, 8).storm()
