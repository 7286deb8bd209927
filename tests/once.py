"""Resources that only one worker of a test run may start."""

import os

import pytest


def claim(what: str, directories: pytest.TempPathFactory) -> None:
    """Fail if another worker of this run has started it: its tests belong into one `xdist_group`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    claims = directories.getbasetemp().parent / "claims"
    claims.mkdir(exist_ok=True)
    try:
        (claims / what).symlink_to(worker)
    except FileExistsError:
        pytest.fail(f"{worker} and {(claims / what).readlink()} both start the {what}: does --dist loadgroup work?")
