"""Pytest fixtures: the real network, one for a test run, and its labs."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.network import build
from tests.network.regtest import Network
from tests.once import claim
from tests.stories.real import RealLab


@pytest.fixture(scope="session")
def programs() -> Path:
    """Return the folder with lnd and the other programs. If they can't be built, skip the test; fail with CI=true."""
    return built(build.binaries, "NOT TESTED AGAINST A REAL LND")


def built(make: Callable[[], Path], without: str) -> Path:
    """Return the folder of programs that `make` builds. If they can't be built, skip the test; fail with CI=true."""
    try:
        return make()
    except build.CannotBuild as error:
        message = f"{without}: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(scope="session")
def lnd_protos(programs: Path) -> Path:
    """Return the folder with the .proto files of the built lnd."""
    return build.lnd_protos()


@pytest.fixture(scope="session")
async def network(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    """Return the network, which starts when the first test requests it."""
    claim("real network", tmp_path_factory)
    network = Network()
    try:
        await network.start()
        yield network
    finally:
        await network.stop()


@pytest.fixture(scope="session")
async def real_labs(network: Network) -> AsyncIterator[dict[str, RealLab]]:
    """Return the labs of `alice` and `carol`."""
    labs = {name: RealLab(network, name) for name in ("alice", "carol")}
    for lab in labs.values():
        await lab.open()
    yield labs
    for lab in labs.values():
        await lab.close()
