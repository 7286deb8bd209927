"""An account while this process is stalled."""

import asyncio

import pytest

from exporter.follow.account import RELEASE_S, Account
from exporter.payments.labels import Source
from exporter.payments.totals import Counter
from tests.follow.watch import Clocks
from tests.payments.build import OTHER_HASH, payment
from tests.payments.test_hold import FIRST, SECOND


class Stalls:
    """Lets time pass while this process runs, or while it stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Freeze the event loop's clock; both other clocks are put forward with it."""
        self.clocks = Clocks()
        self.now_s = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now_s)

    def stand_still(self, seconds: float) -> None:
        """Let time pass while this process doesn't run."""
        self.clocks.ahead_s += seconds
        self.now_s += seconds

    def run(self, account: Account, seconds: float) -> None:
        """Let time pass while this process runs."""
        for _ in range(round(seconds / RELEASE_S)):
            self.stand_still(RELEASE_S)
            account.release()


def failures(account: Account) -> list[str]:
    """Return the reasons of the payments counted as failed."""
    return [reason for (_, _, reason), n in account.ledger.counters[Counter.FAILED].items() for _ in range(n)]


@pytest.mark.parametrize("seconds", [0.6, 1.2, 60.0, 3600.0])
@pytest.mark.parametrize("page", [False, True])
async def test_stall_between_two_terminal_updates_keeps_the_hold(
    monkeypatch: pytest.MonkeyPatch, seconds: float, *, page: bool
) -> None:
    """Another payment's update or a scrape may be the first thing that runs: the last reason counts nevertheless."""
    time = Stalls(monkeypatch)
    account = Account("lnd", time.clocks, 0)
    account.record(payment(), Source.STREAM)
    account.record(FIRST, Source.STREAM)
    time.run(account, 0.75)
    time.stand_still(seconds)
    if page:
        account.capture()
    account.record(payment(payment_hash=OTHER_HASH, payment_index=11), Source.STREAM)
    account.record(SECOND, Source.STREAM)
    assert failures(account) == []
    time.run(account, 1)
    assert failures(account) == ["timeout"]


async def test_hold_takes_a_second_after_an_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The idle hours before the payment don't extend its hold."""
    time = Stalls(monkeypatch)
    account = Account("lnd", time.clocks, 0)
    time.stand_still(7200)
    account.record(FIRST, Source.STREAM)
    assert account.has_holds.is_set()
    time.run(account, 0.75)
    assert failures(account) == []
    time.run(account, 0.25)
    assert failures(account) == ["incorrect_payment_details"]
    assert not account.has_holds.is_set()
