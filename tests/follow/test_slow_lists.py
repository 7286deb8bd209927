"""An lnd that lists payments slowly: pages are as large as it lists in a few seconds, and nothing is read twice."""

from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import TRANSPORTS
from exporter.follow import page_size
from exporter.follow.page_size import TARGET_S, PageSize
from exporter.follow.per_payment import OVERLAP
from exporter.lnd import client
from exporter.lnd.client import PAGE_S
from exporter.payments.labels import Method
from exporter.payments.totals import Counter
from exporter.simulator.clock import WallClock
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.subscriptions import RpcStatus
from tests.follow import watch as watch_module
from tests.follow.watch import ENDS, Watch, watching


def read(size: PageSize, payments: int, each_s: float, call_s: float = 0.0) -> tuple[float, int]:
    """Simulate listing payments; return how long the longest page took, and how many pages timed out."""
    longest_s, given_up = 0.0, 0
    while payments > 0:
        asked = min(size.of(500), payments)
        took_s = call_s + asked * each_s
        if asked > 1 and took_s > PAGE_S:
            size.timed_out(asked)
            given_up += 1
            continue
        size.took(asked, took_s)
        payments -= asked
        longest_s = max(longest_s, took_s)
    return longest_s, given_up


@pytest.mark.parametrize("each_s", [0.0, 0.001, 0.01, 0.2, 0.6, 3, 20, 100, 500])
def test_pages_take_a_few_seconds(each_s: float) -> None:
    """After some pages each takes at most 5 s plus two payments; at most two time out on the way."""
    size = PageSize(500)
    _, given_up = read(size, 5_000, each_s)
    assert given_up <= 2
    longest_s, given_up = read(size, 5_000, each_s)
    assert given_up == 0
    assert longest_s <= TARGET_S * 1.01 + 2 * each_s
    if each_s <= TARGET_S / 500:
        assert size.of(500) == 500


def test_pages_grow_again_when_lnd_is_quick_again() -> None:
    """A slow hour has no lasting effect."""
    size = PageSize(500)
    read(size, 1_000, 2)
    assert size.of(500) <= 2
    read(size, 3_000, 0.001)
    assert size.of(500) == 500


def test_slow_calls_do_not_make_pages_small() -> None:
    """Over Tor each call may take ten seconds, whatever it requests: then few calls are best."""
    size = PageSize(500)
    read(size, 3_000, 0, call_s=10)
    assert size.of(500) == 500


def test_message_that_is_too_large_makes_pages_small_for_one_connection() -> None:
    """However quickly lnd lists them."""
    size = PageSize(500)
    read(size, 3_000, 0)
    size.too_large(500)
    read(size, 3_000, 0)
    assert size.of(500) == 250
    size.connected()
    assert size.of(500) == 500


def test_page_of_one_has_no_timeout() -> None:
    """It can't be made smaller."""
    assert client.page_timeout_s(1) is None
    assert client.page_timeout_s(2) == PAGE_S


@pytest.fixture(params=[way for way in TRANSPORTS if way != "websocket"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test over gRPC and REST, the transports of lists."""
    monkeypatch.setattr(watch_module, "TRANSPORT", request.param)


@pytest.mark.slow
@pytest.mark.usefixtures("transport")
async def test_slow_lists_shrink_pages_within_one_session(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of all payments would never arrive in time, neither when counting begins nor in a catch-up."""
    monkeypatch.setattr(client, "PAGE_S", 0.5)
    monkeypatch.setattr(page_size, "PAGE_S", 0.5)
    monkeypatch.setattr(page_size, "TARGET_S", 0.1)
    await node.play(*[scenarios.no_route() for _ in range(60)])
    node.faults.slow_list(0.02)
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, "Socket closed")
        await watch.lost()
        await node.play(*[scenarios.no_route() for _ in range(60)])
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, times=0)
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 60)
        assert watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 1}


async def test_single_payment_may_take_longer_than_a_page(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of one is awaited as long as the connection lives."""
    monkeypatch.setattr(client, "PAGE_S", 0.1)
    monkeypatch.setattr(page_size, "PAGE_S", 0.1)
    await node.play(scenarios.no_route(), scenarios.no_route())
    node.faults.slow_list(0.2)
    async with watching(node) as watch:
        await watch.live()
        assert watch.labels(Counter.INTERRUPTIONS) == {}


@pytest.mark.slow
async def test_next_catch_up_continues_where_the_last_one_ended(tmp_path: Path) -> None:
    """After a loss only the last few payments are read again."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node, watching(node) as watch:
        scenarios = Scenarios(node.world)
        await watch.live()
        await node.wait_for_subscribers(1)
        node.end_streams(RpcStatus())
        await node.play(*[scenarios.no_route() for _ in range(300)])
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 300)
        await watch.until(lambda: watch.status.stream_up and watch.status.reading is None)
        for _ in range(3):
            await node.wait_for_subscribers(1)
            node.end_streams(RpcStatus())
            await watch.lost()
            await watch.live()
            before = watch.counted(Counter.CATCH_UP)
            await node.wait_for_subscribers(1)
            node.end_streams(RpcStatus())
            await watch.lost()
            await watch.live()
            assert watch.counted(Counter.CATCH_UP) - before <= 4 * 20


async def until_reading(watch: Watch, before: int) -> None:
    """Wait until a catch-up has read more than `before` payments."""
    await watch.until(lambda: watch.counted(Counter.CATCH_UP) > before)


async def test_losses_during_a_catch_up_keep_the_overlap(node: SimulatedNode, scenarios: Scenarios) -> None:
    """However often reading fails, the last `OVERLAP` payments are read again."""
    async with watching(node) as watch:
        await watch.live()
        watch.follower._calls.page_size.most = watch.follower._calls.page_size.wanted = 3
        node.end_streams(RpcStatus())
        await node.play(*[scenarios.no_route() for _ in range(60)])
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 60)
        await watch.until(lambda: watch.status.stream_up and watch.status.reading is None)
        for _ in range(5):  # the checks of index and start, a page and the check of the end succeed
            before = watch.counted(Counter.CATCH_UP)
            node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=4, times=1)
            node.end_streams(RpcStatus())
            await watch.lost()
            await until_reading(watch, before)
            node.faults.heal()
        await watch.live()
        await watch.until(lambda: watch.status.reading is None)
        assert [place.payment_index for place in watch.follower._catch_up._last_read] == [*range(60 - OVERLAP, 61)]


@pytest.mark.slow
async def test_beginning_continues_where_reading_failed(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The newest payments are read in several pages; after a loss the pages before it aren't read again."""
    await node.play(*[scenarios.no_route() for _ in range(400)])
    node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=2, times=1)
    async with watching(node) as watch:
        await watch.live()
        # 50 and 100, and a third that fails; again the newest, now 100 or 200, then those below the 150.
        assert node.calls[Method.LIST_PAYMENTS] <= 3 + 3 + 4
        assert watch.follower.account.tracker.finished.indexes.__len__() == 400
