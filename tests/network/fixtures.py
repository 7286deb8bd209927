"""Pytest fixtures: the one real network of a test run, and its labs."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.network import build
from tests.network.regtest import Network
from tests.once import claim
from tests.stories.real import RealLab


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with lnd and the others. Where they can't be built tests skip; with CI=true they fail."""
    try:
        return build.binaries()
    except build.CannotBuild as why:
        message = f"NOT TESTED AGAINST A REAL LND: {why}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(scope="session")
def lnd_protos(programs: Path) -> Path:
    """The folder with the .proto files of that lnd."""
    return build.lnd_protos()


@pytest.fixture(scope="session")
async def network(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    """The network, started when the first test asks for it."""
    claim("real network", tmp_path_factory)
    network = Network()
    try:
        await network.start()
        yield network
    finally:
        await network.stop()


@pytest.fixture(scope="session")
async def real_labs(network: Network) -> AsyncIterator[dict[str, RealLab]]:
    """The labs of `alice` and `carol`."""
    labs = {name: RealLab(network, name) for name in ("alice", "carol")}
    for lab in labs.values():
        await lab.open()
    yield labs
    for lab in labs.values():
        await lab.close()
