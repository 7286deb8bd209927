"""The state of an exporter, while it runs and afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.store import Store
from tests.listing.scene import alice, bob, frozen


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """It runs, and has written of alice and bob."""
    store = Store(tmp_path / "state.sqlite")
    store.save(frozen(alice(), bob()))
    yield store
    store.close()


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    """It has been stopped."""
    store = Store(tmp_path / "state.sqlite")
    store.save(frozen(alice(), bob()))
    store.close()
    return store.path
