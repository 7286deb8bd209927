"""`--metrics.without`: groups of series that the pages lack."""

import pytest

from exporter.config import load
from exporter.config.problems import Problem
from exporter.config.usage import usage
from exporter.metrics.groups import Group
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

ALL = "amounts, attempt-histograms, fee-histograms, peers, destinations"


def test_default_is_complete(home: Home) -> None:
    """Nothing is left out."""
    del home
    assert config_of("--lnd.dir=.lnd").without == ()


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("--metrics.without=peers,amounts", {}),
        ("--metrics.without peers --metrics.without=Amounts", {}),
        ("--metrics.without=amounts,peers,amounts", {}),
        ("", {"METRICS_WITHOUT": "peers, amounts"}),
        ("--config.file=text.yml", {}),
        ("--config.file=list.yml", {}),
    ],
)
def test_groups(home: Home, line: str, environ: dict[str, str]) -> None:
    """In each way, in any order, each group once."""
    home.write("text.yml", "metrics: {without: 'peers,amounts'}\n")
    home.write("list.yml", "metrics:\n  without:\n    - peers\n    - amounts\n")
    assert config_of(f"--lnd.dir=.lnd {line}", **environ).without == (Group.AMOUNTS, Group.PEERS)


def test_none_overrides_what_is_set_elsewhere(home: Home) -> None:
    """A flag overrides the environment."""
    del home
    assert config_of("--lnd.dir=.lnd --metrics.without=none", METRICS_WITHOUT="peers").without == ()


@pytest.mark.parametrize(
    ("given", "wrong", "hint"),
    [
        ("amount", "amount", " Did you mean amounts?"),
        ("peers,hodl", "hodl", ""),
        ("peers,,amounts", "", ""),
        ("none,peers", "none", ""),
    ],
)
def test_unknown_groups(home: Home, given: str, wrong: str, hint: str) -> None:
    """The error names all groups."""
    del home
    fix = f"Use one of {ALL}.{hint}"
    assert problems_of(f"--lnd.dir=.lnd --metrics.without={given}") == [
        Problem("--metrics.without", f"{wrong!r} is not a valid value.", fix)
    ]


def test_help_lists_the_groups() -> None:
    """That of every command that serves pages."""
    for command in ("run", "demo", "check"):
        assert ALL in " ".join(usage(command).split())


def test_demo_has_it(home: Home) -> None:
    """The demo shows what a page without groups looks like."""
    del home
    assert load(["--metrics.without=peers"], {}, "demo").without == (Group.PEERS,)
