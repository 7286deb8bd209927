"""The state file of an exporter that is running, and of one that has stopped."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.store import Store
from tests.listing.scene import alice, bob, encoded


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A state file with alice and bob, in use by an exporter."""
    store = Store(tmp_path / "state.sqlite")
    store.save(encoded(alice(), bob()))
    yield store
    store.close()


@pytest.fixture
async def stopped(tmp_path: Path) -> Path:
    """The same state file after the exporter has stopped."""
    store = Store(tmp_path / "state.sqlite")
    store.save(encoded(alice(), bob()))
    store.close()
    return store.path
