"""Fixtures and hooks for all tests. The real network starts only when a test requests its fixtures."""

import logging
import os
import signal
from collections.abc import Generator, Iterator

import hypothesis
import pytest
import structlog

# The simulator serves in this process while child processes are started: gRPC's fork handlers may kill such a child.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # before grpc is imported

# The duration of an example depends on the load of the machine.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

pytest_plugins = ["tests.network.fixtures"]

# pytest explains failed asserts in these modules, too.
pytest.register_assert_rewrite("tests.follow.watch", "tests.stories.world", "tests.stories.page")


@pytest.fixture(autouse=True, scope="session")
def _signals_of_a_terminal() -> None:
    """Let child processes receive signals even if pytest itself ignores them (`nohup`, `&` in a script).

    A child inherits an ignored signal; a signal with a handler is reset to the default in the child.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give exporters that run without `--storage.path` a temporary directory instead of the developer's own state."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ.pop("STATE_DIRECTORY", None)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Restore the logging configuration after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups, and `-m` the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need built programs, keep tests of one network on one worker, and run the longest tests first.

    Then the last tests are short, so all workers are busy until the end.
    """
    for item in items:
        if item.get_closest_marker("network") or "programs" in _fixtures(item):
            item.add_marker("programs")
        if network := _network(item):
            item.add_marker(pytest.mark.xdist_group(network))
            item.add_marker("slow")
    items.sort(key=_order)


REAL, SIMULATED = "real", "simulated"


def _network(item: pytest.Item) -> str:
    """Return the network that a test shares with others, "" for none: each worker would start its own."""
    if item.get_closest_marker("network"):
        return REAL
    return SIMULATED if {"world", "labs", "simulated_labs"} & {*_fixtures(item)} else ""


def _order(item: pytest.Item) -> int:
    """Return the sort key of a test: real network, simulated network, other programs, the rest."""
    network = _network(item)
    return 2 if item.get_closest_marker("programs") and not network else {REAL: 0, SIMULATED: 1, "": 3}[network]


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one with `CI=true`, where every test must run."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longreprtext}"
    return report
