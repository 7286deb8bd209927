"""Requests for the same page share a rendering that begins after each of them came."""

import asyncio

import pytest

from exporter.page import PageData
from exporter.web.single_flight import SingleFlight
from tests.metrics import scene
from tests.web.serving import METRICS, connect, fetch, serving


class Maker:
    """Makes numbered results, each when it is told to."""

    def __init__(self) -> None:
        """Start without any."""
        self.begun = 0
        self.running = 0
        self.most = 0
        self._steps = asyncio.Semaphore(0)

    async def make(self) -> int:
        """Return the number of this call."""
        self.begun += 1
        number = self.begun
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self._steps.acquire()
        finally:
            self.running -= 1
        return number

    def step(self) -> None:
        """Let one of them end."""
        self._steps.release()


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_share_the_next_result() -> None:
    """The first gets one at once; all who ask meanwhile share a second one, which begins when the first has ended."""
    flights, maker = SingleFlight[int](), Maker()
    first = asyncio.create_task(flights.get("a", maker.make))
    await settle()
    others = [asyncio.create_task(flights.get("a", maker.make)) for _ in range(300)]
    await settle()
    assert (maker.begun, maker.most) == (1, 1)
    maker.step()
    await settle()
    assert (first.result(), maker.begun) == (1, 2)
    late = asyncio.create_task(flights.get("a", maker.make))
    maker.step()
    maker.step()
    assert {await task for task in others} == {2}
    assert await late == 3
    assert (flights._next, flights._locks, flights._tasks) == ({}, {}, set())


async def test_different_pages_at_the_same_time() -> None:
    """None waits for another: they may all share one write to the disk."""
    flights, maker = SingleFlight[int](), Maker()
    tasks = [asyncio.create_task(flights.get(key, maker.make)) for key in range(10)]
    await settle()
    assert maker.running == 10
    for _ in tasks:
        maker.step()
    assert sorted([await task for task in tasks]) == [*range(1, 11)]


async def test_who_gives_up_does_not_cancel_it_for_others() -> None:
    """And an exception reaches all who wait, once each; the next request begins anew."""
    flights, maker = SingleFlight[int](), Maker()
    one, other = (asyncio.create_task(flights.get("a", maker.make)) for _ in range(2))
    await settle()
    one.cancel()
    await settle()
    maker.step()
    assert (await other, one.cancelled()) == (1, True)

    async def broken() -> int:
        raise KeyError("of ours")

    failed = await asyncio.gather(*(flights.get("a", broken) for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in failed] == [KeyError, KeyError]
    maker.step()
    assert await flights.get("a", maker.make) == 2


async def test_close_cancels_what_is_being_made() -> None:
    """Running and waiting ones."""
    flights, maker = SingleFlight[int](), Maker()
    tasks = [asyncio.create_task(flights.get("a", maker.make))]
    await settle()
    tasks.append(asyncio.create_task(flights.get("a", maker.make)))
    await settle()
    await flights.close()
    assert [type(error) for error in await asyncio.gather(*tasks, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert (flights._next, flights._locks, flights._tasks) == ({}, {}, set())


@pytest.mark.parametrize("request_", [METRICS, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_three_hundred_clients_that_never_read(request_: bytes) -> None:
    """They cost a few pages, not three hundred, and a scrape in the midst of them gets its own."""
    asked = 0

    async def source() -> PageData:
        nonlocal asked
        asked += 1
        return PageData([scene.populated("alice")])

    async with serving(source) as server:
        streams = [await connect(server.addresses[0], limit=2048) for _ in range(300)]
        for _, writer in streams:
            writer.write(request_)
        assert (await fetch(server.addresses[0], request_)).startswith(b"HTTP/1.1 200 OK\r\n")
        for _, writer in streams:
            writer.transport.abort()
    assert asked < 100
