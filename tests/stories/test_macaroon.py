"""A macaroon file may have any of its forms, and another one at each connection: a real lnd and the simulator."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.app import client_of
from exporter.config.addresses import TRANSPORTS
from exporter.lnd.client import LndError
from tests.stories.process import ways
from tests.stories.world import World
from tests.test_macaroon import FORMS


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_file_changes_its_form(world: World, tmp_path: Path, transport: str) -> None:
    """Binary, hex, base64 and so on: lnd lets the same client in each time; without a macaroon nothing is asked."""
    alice, path = world.alice, tmp_path / "payments.macaroon"
    raw = alice.macaroon.read_bytes()
    client = client_of(replace(ways(alice, transport)[0], macaroon=path))
    try:
        for form in FORMS.values():
            path.write_bytes(form(raw))
            await client.connect()
            assert (await client.info(30)).pubkey == alice.pubkey
        path.write_bytes(b"hello")
        with pytest.raises(LndError, match="is not a macaroon: copy it from lnd again"):
            await client.connect()
    finally:
        await client.close()
