"""The built programs of VictoriaMetrics."""

import os
from pathlib import Path

import pytest

from tests.network import build


@pytest.fixture(scope="session")
def victoria(programs: Path) -> Path:
    """Return the folder with VictoriaMetrics. If it can't be built, skip the test; fail with CI=true."""
    del programs
    try:
        return build.victoria()
    except build.CannotBuild as error:
        message = f"NOT TESTED WITH VICTORIAMETRICS: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
