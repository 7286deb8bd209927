"""Pytest fixtures: the one real network of a test run, its labs, and the Prometheus that watches an exporter."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.network import build
from tests.network.regtest import Network
from tests.stories.prometheus import Prometheus
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
async def network(programs: Path) -> AsyncIterator[Network]:
    """The network, started when the first test asks for it."""
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


@pytest.fixture(scope="session")
async def prometheus(
    programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[str], Awaitable[Prometheus]]]:
    """Starts a Prometheus that scrapes HOST:PORT; stopped at the end of the test run."""
    started: list[Prometheus] = []

    async def start(target: str) -> Prometheus:
        server = Prometheus(tmp_path_factory.mktemp("prometheus") / "server", target)
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.fixture(scope="session")
async def real_lab(real_labs: dict[str, RealLab]) -> RealLab:
    """The lab to whose node everything happens."""
    return real_labs["alice"]
