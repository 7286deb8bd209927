"""The stories' simulated lab: payments with several attempts or holds end as recorded on the real network."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.payments.labels import Code, FailureSource, Reason, Status
from tests.simulator.raw import connected, shapes
from tests.stories.lab import MORE_THAN_ALICE_HAS, TOO_MUCH_FOR_BOB, Listed
from tests.stories.simulated import SimulatedLab
from tests.stories.simulated_network import Network


@pytest.fixture
async def alice(tmp_path: Path) -> AsyncIterator[SimulatedLab]:
    """Return the open lab of alice."""
    lab = SimulatedLab(Network(tmp_path), "alice")
    await lab.open()
    yield lab
    await lab.close()


async def test_updates_of_a_storm(alice: SimulatedLab) -> None:
    """As recorded with 400k sat and 16 parts: 65 updates, 31 attempts, one part held for two minutes."""
    async with connected(alice.node) as raw:
        stream = raw.track_all()
        await alice.node.wait_for_subscribers(1)
        invoice = await alice.invoice(2 * TOO_MUCH_FOR_BOB, at="dave")
        ended = await (await alice.pay(invoice, via="bob", max_parts=16)).ended()
        updates = [update.split(" [")[0] for update in shapes(await stream.take(65))]
    assert ended == Listed(invoice.payment_hash, Status.FAILED, Reason.TIMEOUT, 400_000_000, 0)
    assert updates == ["IN_FLIGHT"] * 48 + ["IN_FLIGHT NO_ROUTE"] * 15 + ["FAILED NO_ROUTE", "FAILED TIMEOUT"]
    (truth,) = alice.node.truth()
    assert truth.failures.count((Code.TEMPORARY_CHANNEL_FAILURE, FailureSource.FIRST_HOP)) == 30
    assert truth.failures.count((Code.MPP_TIMEOUT, FailureSource.RECIPIENT)) == 1


@pytest.mark.parametrize(
    ("sat", "at", "via", "limit", "ended"),
    [
        (1000, "bob", "bob", 10, (Status.SUCCEEDED, Reason.NONE, 0)),
        (2000, "carol", "bob", 10, (Status.SUCCEEDED, Reason.NONE, 1002)),
        (2000, "carol", "bob", 0, (Status.FAILED, Reason.NO_ROUTE, 0)),
        (3000, "alice", "bob", 10, (Status.SUCCEEDED, Reason.NONE, 3006)),
        (3000, "alice", "carol", 10, (Status.SUCCEEDED, Reason.NONE, 3006)),
        (TOO_MUCH_FOR_BOB, "dave", None, 10, (Status.SUCCEEDED, Reason.NONE, 2200)),
        (MORE_THAN_ALICE_HAS, "bob", None, 10, (Status.FAILED, Reason.INSUFFICIENT_BALANCE, 0)),
    ],
)
async def test_end_and_fee_of_a_payment(  # noqa: PLR0917 - a table
    sat: int, at: str, via: str | None, limit: int, ended: tuple[Status, Reason, int], alice: SimulatedLab
) -> None:
    """Status, reason and fee are those of the real network."""
    sending = await alice.pay(await alice.invoice(sat, at=at), via=via, fee_limit_sat=limit)
    listed = await sending.ended()
    assert (listed.status, listed.reason, listed.fee_msat) == ended


@pytest.mark.parametrize(
    ("settled", "late", "restarted", "ended"),
    [
        (True, False, False, (Status.SUCCEEDED, Reason.NONE)),
        (True, True, False, (Status.SUCCEEDED, Reason.TIMEOUT)),
        (False, False, False, (Status.FAILED, Reason.INCORRECT_PAYMENT_DETAILS)),
        (False, True, False, (Status.FAILED, Reason.TIMEOUT)),
        (False, True, True, (Status.FAILED, Reason.INCORRECT_PAYMENT_DETAILS)),
    ],
)
async def test_end_of_a_held_payment(
    *, settled: bool, late: bool, restarted: bool, ended: tuple[Status, Reason], alice: SimulatedLab
) -> None:
    """A hold beyond the payment's timeout changes only the last reason, and not even that after a restart of lnd."""
    invoice = await alice.invoice(2500, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=3)
    await sending.held()
    if late:
        await sending.overdue()
    if restarted:
        await alice.stop()
    await (alice.settle(invoice) if settled else alice.cancel(invoice))
    if restarted:
        await alice.start()
    listed = await sending.ended()
    assert (listed.status, listed.reason) == ended
