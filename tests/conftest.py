"""Shared fixtures and hooks; the real network starts only when a test requests it."""

import logging
import os
import signal
from collections.abc import Generator, Iterator

import pytest
import structlog

# The simulator serves in this process while other programs are started: gRPC's fork handlers may kill a child process.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # before grpc is imported

pytest_plugins = ["tests.network.fixtures"]

# Rewrite asserts outside test files, too, so that they show the compared values.
pytest.register_assert_rewrite("tests.follow.watch", "tests.stories.world", "tests.stories.page")


@pytest.fixture(autouse=True, scope="session")
def _signals_of_a_terminal() -> None:
    """Let programs that tests start handle signals, even if pytest ignores them (`nohup`, `&` in a script).

    A child inherits an ignored signal, but a caught one is reset to its default.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep exporters that tests start without a state path from using the developer's own state file."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ.pop("STATE_DIRECTORY", None)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups, and `-m` the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need built programs, keep a network's tests on one worker, and run the longest tests first.

    With several workers short tests are left for the end, so that all workers are busy until then.
    """
    for item in items:
        if item.get_closest_marker("network") or "programs" in _fixtures(item):
            item.add_marker("programs")
        if world := _shared_network(item):
            item.add_marker(pytest.mark.xdist_group(world))
            item.add_marker("slow")
    items.sort(key=_sort_key)


REAL, SIMULATED = "real", "simulated"


def _shared_network(item: pytest.Item) -> str:
    """Return the network that a test shares with others, "" if none: each worker would start one of its own."""
    if item.get_closest_marker("network"):
        return REAL
    return SIMULATED if {"world", "labs"} & {*_fixtures(item)} else ""


def _sort_key(item: pytest.Item) -> int:
    """Return the sort key: tests on the real network take the longest; the others keep their order."""
    turns = {REAL: 0, SIMULATED: 1, "": 3}
    return 2 if item.get_closest_marker("programs") and not _shared_network(item) else turns[_shared_network(item)]


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skipped tests into failures if everything must run (`CI=true`)."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longreprtext}"
    return report
