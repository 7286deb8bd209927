"""A macaroon file may be in any format, and in another one at each connection."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.app import client_of
from exporter.config.addresses import TRANSPORTS
from exporter.lnd.client import LndError
from tests.stories.process import node_configs
from tests.stories.world import World
from tests.test_macaroon import FORMS


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_macaroon_file_may_change_its_format(world: World, tmp_path: Path, transport: str) -> None:
    """lnd accepts the same client with each format; a file without a macaroon is an error without a call."""
    alice, path = world.alice, tmp_path / "payments.macaroon"
    raw = alice.macaroon.read_bytes()
    client = client_of(replace(node_configs(alice, transport)[0], macaroon=path))
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
