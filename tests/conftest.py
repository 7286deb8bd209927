"""What all tests share: the fixtures of the real network, started only when a test asks for them."""

import os
from collections.abc import Generator

import pytest

# The simulator serves in this process while other programs are started: gRPC's handlers may end a child amid its fork.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # before anybody imports grpc

pytest_plugins = ["tests.network.fixtures"]

# Asserts outside test files, too, say what was compared.
pytest.register_assert_rewrite("tests.follow.watch", "tests.stories.world", "tests.stories.page")


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An exporter that a test starts without a place for its state must not find that of the person who tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ.pop("STATE_DIRECTORY", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything must run (`CI=true`), a test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longreprtext}"
    return report
