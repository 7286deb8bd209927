"""A fake lnd with a past, and a past that was written, for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backfill.blocks import import_files
from tests.backfill.process import Command
from tests.backfill.written import Past, write
from tests.bench.fake_lnd import fake_lnd

PAYMENTS, DAYS = 3000, 3.0


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """The command against a node with 3,000 payments of the last three days."""
    async with fake_lnd(tmp_path) as lnd:
        await lnd.remember(PAYMENTS, DAYS)
        yield Command(lnd, tmp_path)


@pytest.fixture(scope="session")
def past(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A past that is in `data`, the database of a Prometheus that isn't running."""
    written = asyncio.run(write(tmp_path_factory.mktemp("past")))
    import_files(written.home / "history", written.home / "data")
    return written
