"""An account while this process is stalled."""

import asyncio
from pathlib import Path

import pytest

from exporter.follow import Follower
from exporter.follow.account import RELEASE_S, Account
from exporter.lnd.grpc import GrpcClient
from exporter.payments.labels import Source
from exporter.payments.payment import Moment
from exporter.payments.totals import Counter
from tests.follow.virtual import VirtualLoop, run_virtually
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


@pytest.mark.parametrize("frozen_from", [0.02, 0.1, 0.3, 0.55, 0.8, 0.95])
@pytest.mark.parametrize("frozen_s", [0.6, 1.2, 60.0])
@pytest.mark.parametrize("every_s", [0.05, 0.2, 10.0])
def test_freeze_at_any_moment_of_a_hold_keeps_it(frozen_from: float, frozen_s: float, every_s: float) -> None:
    """The second terminal update waits in the socket meanwhile; others arrive before, often or never."""

    async def freeze(loop: VirtualLoop) -> None:
        account = Account("lnd", lambda: Moment(int(loop.time() * 1e9), int(loop.time() * 1e9)), 0)
        follower = Follower(account, GrpcClient("127.0.0.1:1", None, Path("unused")))
        releasing = asyncio.create_task(follower._release_holds())
        account.record(payment(), Source.STREAM)
        account.record(FIRST, Source.STREAM)
        end_s = loop.time() + frozen_from
        while (left_s := end_s - loop.time()) > every_s:
            await asyncio.sleep(every_s)
            account.record(payment(payment_hash=OTHER_HASH, payment_index=11), Source.STREAM)
        await asyncio.sleep(left_s)
        loop.stand_still(frozen_s)
        await asyncio.sleep(0.1)  # the socket is read
        assert failures(account) == []
        account.record(SECOND, Source.STREAM)
        await asyncio.sleep(frozen_s + 1 + 2 * RELEASE_S)
        assert failures(account) == ["timeout"]
        releasing.cancel()

    run_virtually(freeze)


def test_updates_make_the_pulse_of_a_hold_needless() -> None:
    """While updates come often nothing else counts what is due; without them it is counted a pulse later at most."""

    async def count(loop: VirtualLoop) -> None:
        account = Account("lnd", lambda: Moment(int(loop.time() * 1e9), int(loop.time() * 1e9)), 0)
        follower = Follower(account, GrpcClient("127.0.0.1:1", None, Path("unused")))
        releasing = asyncio.create_task(follower._release_holds())
        account.record(FIRST, Source.STREAM)
        began_s, released = loop.time(), list[float]()
        release = account.release

        def note_release() -> None:
            released.append(loop.time())
            release()

        account.release = note_release  # type: ignore[method-assign]
        while loop.time() < began_s + 0.75:
            await asyncio.sleep(RELEASE_S / 5)
            account.record(payment(payment_hash=OTHER_HASH, payment_index=11), Source.STREAM)
        assert released == []
        await asyncio.sleep(1 + RELEASE_S - 0.75 + 0.01)
        assert failures(account) == ["incorrect_payment_details"]
        assert len(released) in (1, 2)
        releasing.cancel()

    run_virtually(count)
