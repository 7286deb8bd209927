"""Draws where an exporter spends its time in a load: `python -m tests.bench.flame FILE.svg [SHAPE UPDATES RATE]`."""

import asyncio
import re
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench.fake_lnd import fake_lnd
from tests.bench.messages import Shape
from tests.bench.processes import exporter_process

_PER_S = "100"
_TITLE = re.compile(r'(<text id="title"[^>]*>)(.*?)(</text>)')
"""Of the picture: py-spy puts its own command there."""
_SETTLE_S = 7.0
"""After the start: the second catch-up is over."""


async def draw(file: Path, shape: Shape, updates: int, rate: float) -> None:
    """Let py-spy, which must be installed and found by its name, take samples of all threads that run."""
    with tempfile.TemporaryDirectory() as home:
        async with fake_lnd(Path(home)) as lnd, exporter_process(Path(home) / "exporter", lnd) as exporter:
            await exporter.until_following()
            prepared = await lnd.prepare(shape, updates)
            await asyncio.sleep(_SETTLE_S)
            arguments = ["record", "--function", "--rate", _PER_S, "--duration", "3600"]
            spy = await asyncio.create_subprocess_exec(
                "py-spy",
                *arguments,
                "--pid",
                str(exporter.pid),
                "--output",
                str(file),
            )
            await asyncio.sleep(1)
            await lnd.play(rate)
            await exporter.until_counted(prepared.payments)
            spy.send_signal(signal.SIGINT)
            await spy.wait()
    title = f"{prepared.updates:,} updates: {shape}"
    file.write_text(_TITLE.sub(lambda found: found[1] + title + found[3], file.read_text()))


def main(file: str, shape: str = Shape.STORM.value, updates: str = "10000", rate: str = "0") -> None:
    """Run the command line; the rate is in updates per second, 0 as fast as it goes."""
    asyncio.run(draw(Path(file), Shape(shape), int(updates), float(rate)))


if __name__ == "__main__":
    main(*sys.argv[1:])
