"""The books of a node while this process doesn't run as it should."""

import asyncio

import pytest

from exporter.follow.account import RELEASE_S, Account
from exporter.payments.labels import Source
from exporter.payments.totals import Counter
from tests.follow.watch import Clocks
from tests.payments.build import OTHER_HASH, payment
from tests.payments.test_hold import FIRST, SECOND


class Stalls:
    """Lets time pass: this process is well, or stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both clocks and the event loop's stand at what they are now."""
        self.clocks = Clocks()
        self.now_s = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now_s)

    def stand_still(self, seconds: float) -> None:
        """Nothing runs for so long."""
        self.clocks.ahead_s += seconds
        self.now_s += seconds

    def live(self, account: Account, seconds: float) -> None:
        """All is well for so long."""
        for _ in range(round(seconds / RELEASE_S)):
            self.stand_still(RELEASE_S)
            account.release()


def failures(account: Account) -> list[str]:
    """Reasons of the payments counted as failed."""
    return [reason for (_, _, reason), n in account.ledger.counters[Counter.FAILED].items() for _ in range(n)]


@pytest.mark.parametrize("seconds", [0.6, 1.2, 60.0, 3600.0])
@pytest.mark.parametrize("page", [False, True])
async def test_a_stall_between_two_terminal_updates(
    monkeypatch: pytest.MonkeyPatch, seconds: float, *, page: bool
) -> None:
    """What wakes this process may be another payment's update or a scrape: the last reason counts all the same."""
    time = Stalls(monkeypatch)
    account = Account("lnd", time.clocks, 0)
    account.record(payment(), Source.STREAM)
    account.record(FIRST, Source.STREAM)
    time.live(account, 0.75)
    time.stand_still(seconds)
    if page:
        account.view()
    account.record(payment(payment_hash=OTHER_HASH, payment_index=11), Source.STREAM)
    account.record(SECOND, Source.STREAM)
    assert failures(account) == []
    time.live(account, 1)
    assert failures(account) == ["timeout"]


async def test_the_hold_of_a_process_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second and no more, though the loop did nothing for hours before."""
    time = Stalls(monkeypatch)
    account = Account("lnd", time.clocks, 0)
    time.stand_still(7200)
    account.record(FIRST, Source.STREAM)
    assert account.has_holds.is_set()
    time.live(account, 0.75)
    assert failures(account) == []
    time.live(account, 0.25)
    assert failures(account) == ["incorrect_payment_details"]
    assert not account.has_holds.is_set()
