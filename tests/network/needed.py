"""What tests need of foreign programs: built, or else a loud skip, which in CI is a failure."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.build import CannotBuild


def needed(make: Callable[[], Path]) -> Path:
    """The folder that `make` builds (`build.binaries`, `build.lnd_protos`)."""
    try:
        return make()
    except CannotBuild as problem:
        why = f"no test against real programs: {problem}"
        if os.environ.get("CI"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
