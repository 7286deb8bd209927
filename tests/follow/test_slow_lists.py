"""lnd takes long to list payments: pages are as large as it lists in a few seconds, and nothing is read twice."""

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
from exporter.simulator.lives import Lives
from exporter.simulator.server import SimulatedNode
from exporter.simulator.tower import End
from tests.follow import watch as watch_module
from tests.follow.watch import ENDS, Watch, watching


def read(size: PageSize, payments: int, each_s: float, call_s: float = 0.0) -> tuple[float, int]:
    """List so many payments; how long the longest page took, and how many pages were given up."""
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
def test_pages_are_as_large_as_fits_into_a_few_seconds(each_s: float) -> None:
    """After some pages each takes 5 s and what two payments take at most; two at most are given up on the way."""
    size = PageSize(500)
    _, given_up = read(size, 5_000, each_s)
    assert given_up <= 2
    longest_s, given_up = read(size, 5_000, each_s)
    assert given_up == 0
    assert longest_s <= TARGET_S * 1.01 + 2 * each_s
    if each_s <= TARGET_S / 500:
        assert size.of(500) == 500


def test_pages_grow_again_when_lnd_is_quick_again() -> None:
    """A bad hour is not remembered."""
    size = PageSize(500)
    read(size, 1_000, 2)
    assert size.of(500) <= 2
    read(size, 3_000, 0.001)
    assert size.of(500) == 500


def test_a_call_that_takes_long_itself_does_not_make_pages_small() -> None:
    """Over Tor each call may take ten seconds, whatever is asked for: then few calls are best."""
    size = PageSize(500)
    read(size, 3_000, 0, call_s=10)
    assert size.of(500) == 500


def test_a_message_that_is_too_large_makes_pages_small_for_one_connection() -> None:
    """What fits says nothing about time."""
    size = PageSize(500)
    read(size, 3_000, 0)
    size.too_large(500)
    read(size, 3_000, 0)
    assert size.of(500) == 250
    size.connected()
    assert size.of(500) == 500


def test_a_page_of_one_is_waited_for() -> None:
    """It can't be made smaller."""
    assert client.page_timeout_s(1) is None
    assert client.page_timeout_s(2) == PAGE_S


@pytest.fixture(params=[way for way in TRANSPORTS if way != "websocket"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are asked for over gRPC or REST."""
    monkeypatch.setattr(watch_module, "TRANSPORT", request.param)


@pytest.mark.slow
@pytest.mark.usefixtures("transport")
async def test_counting_begins_and_goes_on_where_lists_are_slow(
    node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of all would never come in time: pages shrink, within one session."""
    monkeypatch.setattr(client, "PAGE_S", 0.5)
    monkeypatch.setattr(page_size, "PAGE_S", 0.5)
    monkeypatch.setattr(page_size, "TARGET_S", 0.1)
    await node.play(*[lives.no_route() for _ in range(60)])
    node.faults.slow_list(0.02)
    async with watching(node) as watch:
        await watch.live()
        node.end_streams(End(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, "Socket closed")
        await watch.lost()
        await node.play(*[lives.no_route() for _ in range(60)])
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, times=0)
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 60)
        assert watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 1}


async def test_a_single_payment_that_takes_longer_than_a_page_may(
    node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, as long as the connection lives."""
    monkeypatch.setattr(client, "PAGE_S", 0.1)
    monkeypatch.setattr(page_size, "PAGE_S", 0.1)
    await node.play(lives.no_route(), lives.no_route())
    node.faults.slow_list(0.2)
    async with watching(node) as watch:
        await watch.live()
        assert watch.labels(Counter.INTERRUPTIONS) == {}


@pytest.mark.slow
async def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    """After the loss of a connection reading goes on where it was, but for the last few payments."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node, watching(node) as watch:
        lives = Lives(node.world)
        await watch.live()
        node.end_streams(End())
        await node.play(*[lives.no_route() for _ in range(300)])
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 300)
        await watch.until(lambda: watch.status.stream_up and watch.status.reading is None)
        for _ in range(3):
            node.end_streams(End())
            await watch.lost()
            await watch.live()
            before = watch.counted(Counter.CATCH_UP)
            node.end_streams(End())
            await watch.lost()
            await watch.live()
            assert watch.counted(Counter.CATCH_UP) - before <= 4 * 20


async def reads_on(watch: Watch, before: int) -> None:
    """A catch-up has read more payments than there were before."""
    await watch.until(lambda: watch.counted(Counter.CATCH_UP) > before)


async def test_losses_amid_what_is_read_again(node: SimulatedNode, lives: Lives) -> None:
    """However often reading breaks off, as many of the last payments are read again as ever."""
    async with watching(node) as watch:
        await watch.live()
        watch.follower._calls.page_size.most = watch.follower._calls.page_size.wanted = 3
        node.end_streams(End())
        await node.play(*[lives.no_route() for _ in range(60)])
        await watch.until(lambda: watch.totals(*ENDS)["failed"] == 60)
        await watch.until(lambda: watch.status.stream_up and watch.status.reading is None)
        for _ in range(5):  # a look at the index, a look at the place, a page and a look at the end go well
            before = watch.counted(Counter.CATCH_UP)
            node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=4, times=1)
            node.end_streams(End())
            await watch.lost()
            await reads_on(watch, before)
            node.faults.heal()
        await watch.live()
        await watch.until(lambda: watch.status.reading is None)
        assert [place.payment_index for place in watch.follower._catch_up._last_read] == [*range(60 - OVERLAP, 61)]


@pytest.mark.slow
async def test_counting_begins_where_reading_broke_off(node: SimulatedNode, lives: Lives) -> None:
    """The newest payments are read in several pages; after a loss in between the pages before aren't read again."""
    await node.play(*[lives.no_route() for _ in range(400)])
    node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=2, times=1)
    async with watching(node) as watch:
        await watch.live()
        # 50 and 100, and a third that breaks off; again the newest, now 100 or 200, then what is below the 150.
        assert node.calls[Method.LIST_PAYMENTS] <= 3 + 3 + 4
        assert watch.follower.account.tracker.memory.indexes.__len__() == 400
