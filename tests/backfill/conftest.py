"""A fake lnd with a past, for the tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backfill.process import Command
from tests.bench.fake_lnd import fake_lnd

PAYMENTS, DAYS = 3000, 3.0


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """The command against a node with 3,000 payments of the last three days."""
    async with fake_lnd(tmp_path) as lnd:
        await lnd.remember(PAYMENTS, DAYS)
        yield Command(lnd, tmp_path)
