"""How long a scrape takes while three hundred clients request pages and never read them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.config import ListenAddress
from exporter.page import PageData
from tests.metrics import scene
from tests.web.serving import METRICS, Stream, connect, fetch, serving

CLIENTS = 300
NODES = 20
ROUNDS = 5


async def _scrape(address: ListenAddress) -> float:
    """Return how long a scrape takes, seconds."""
    begin = time.perf_counter()
    await fetch(address, METRICS)
    return time.perf_counter() - begin


@contextmanager
def _aborted(streams: list[Stream]) -> Iterator[None]:
    try:
        yield
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def measure_crowd() -> list[tuple[str, float, float]]:
    """Return rows of a name, the seconds of a scrape, and the seconds that one takes without any other client."""
    views = [scene.populated(f"node{number}") for number in range(NODES)]

    async def source() -> PageData:
        return PageData(views)

    async with serving(source) as server:
        (address,) = server.addresses
        alone = min([await _scrape(address) for _ in range(ROUNDS)])
        streams = [await connect(address, limit=2048) for _ in range(CLIENTS)]
        with _aborted(streams):
            for _, writer in streams:
                writer.write(METRICS)
            together = await _scrape(address)
            after = min([await _scrape(address) for _ in range(ROUNDS)])
    return [
        (f"scrape of {NODES} nodes", alone, alone),
        (f"at the same moment as {CLIENTS} clients that never read", together, alone),
        (f"while {CLIENTS} clients never read", after, alone),
    ]
