"""What all tests share: the fixtures of the real network, started only when a test asks for them."""

import logging
import os
import signal
from collections.abc import Generator, Iterator

import hypothesis
import pytest
import structlog

# The simulator serves in this process while other programs are started: gRPC's handlers may end a child amid its fork.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # before anybody imports grpc

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

pytest_plugins = ["tests.network.fixtures"]

# Asserts outside test files, too, say what was compared.
pytest.register_assert_rewrite("tests.follow.watch", "tests.stories.world", "tests.stories.page")


@pytest.fixture(autouse=True, scope="session")
def _signals_of_a_terminal() -> None:
    """Let programs that tests start obey signals, also where pytest itself ignores them (`nohup`, `&` in a script).

    A child inherits that a signal is ignored; one that is caught it gets as its default.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An exporter that a test starts without a place for its state must not find that of the person who tests."""
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
    """Mark what needs built programs, keep a network's tests on one worker, and begin with what takes the longest.

    With several workers the last minutes are short tests then, and all workers have something to do until the end.
    """
    for item in items:
        if item.get_closest_marker("network") or "programs" in _fixtures(item):
            item.add_marker("programs")
        if world := _world(item):
            item.add_marker(pytest.mark.xdist_group(world))
            item.add_marker("slow")
    items.sort(key=_turn)


REAL, SIMULATED = "real", "simulated"


def _world(item: pytest.Item) -> str:
    """Which network a test shares with others, "" if none: each worker would start one of its own."""
    if item.get_closest_marker("network"):
        return REAL
    return SIMULATED if {"world", "labs"} & {*_fixtures(item)} else ""


def _turn(item: pytest.Item) -> int:
    """Whose turn it is: the real network has the most to wait for; sorting leaves the rest as it is."""
    turns = {REAL: 0, SIMULATED: 1, "": 3}
    return 2 if item.get_closest_marker("programs") and not _world(item) else turns[_world(item)]


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything must run (`CI=true`), a test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longreprtext}"
    return report
