"""The built program kustomize."""

from pathlib import Path

import pytest

from tests.network.build import tool
from tests.network.fixtures import built


@pytest.fixture(scope="session")
def kustomize(programs: Path) -> Path:
    """Return the program. If it can't be built, skip the test; fail with CI=true."""
    del programs
    return built(lambda: tool("kustomize"), "MANIFESTS FOR KUBERNETES NOT TESTED")
