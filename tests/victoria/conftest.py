"""The built programs of VictoriaMetrics."""

from pathlib import Path

import pytest

from tests.network import build
from tests.network.fixtures import built


@pytest.fixture(scope="session")
def victoria(programs: Path) -> Path:
    """Return the folder with VictoriaMetrics. If it can't be built, skip the test; fail with CI=true."""
    del programs
    return built(build.victoria, "NOT TESTED WITH VICTORIAMETRICS")
