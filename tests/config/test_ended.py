"""Settings of the command `ended`."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, StorageConfig, load
from exporter.config.model import EndedConfig
from exporter.config.problems import Problem
from exporter.payments.labels import Cause, Lost
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of
from tests.config.test_open import ENVIRONMENT


def problems_of_ended(line: str, **environ: str) -> list[Problem]:
    """Return the problems with flags of `ended`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), environ, "ended")
    return list(caught.value.problems)


def test_environment_of_the_exporter_is_enough(home: Home) -> None:
    """Node and certificate aren't looked at; a table has a limit."""
    config = load([], ENVIRONMENT, "ended")
    assert (config.nodes, config.storage.path, config.ended) == ((), Path("/kept/state"), EndedConfig(limit=50))


def test_all_flags_of_ended(home: Home) -> None:
    """Several values with commas or by repeating the flag; in upper case, too."""
    line = (
        "--since=1h30m --failed --late --lost --cause=Held,caller --cause no_route --reason=timeout --kind=keysend,amp"
        " --min-sat=100000 --peer=Harbour --limit=7 --json --lnd.name=alice --storage.path=x"
    )
    config = load(line.split(), {}, "ended")
    assert config.ended == EndedConfig(
        since_s=5400,
        failed=True,
        late=True,
        lost=True,
        causes=("held", "caller", "no_route"),
        reasons=("timeout",),
        kinds=("keysend", "amp"),
        min_sat=100_000,
        peer="harbour",
        limit=7,
        json=True,
        node="alice",
    )
    assert config.storage == StorageConfig(home.path / "x")


def test_limit_of_a_table_and_of_json(home: Home) -> None:
    """50 and none, unless it is given; 0 is none."""
    lines: tuple[list[str], ...] = ([], ["--json"], ["--limit=0"], ["--json", "--limit=3"])
    assert [load(line, {}, "ended").ended.limit for line in lines] == [50, None, None, 3]


@pytest.mark.parametrize(
    ("flag", "what", "fix"),
    [
        ("--since=1", "'1' is not a duration.", "Write a number and s, m, h, d or w, such as 10m, 1h or 2d."),
        (
            "--cause=held,route",
            "'route' is not a valid value.",
            f"Use one of {', '.join((*Cause, *Lost))}. Did you mean no_route?",
        ),
        ("--min-sat=1.5", "'1.5' is not an amount in sat.", "Write a whole number, such as 100000."),
        (
            "--min-sat=2100000000000001",
            "'2100000000000001' is not an amount in sat.",
            "Write a whole number, such as 100000.",
        ),
        ("--limit=-1", "'-1' is not a number of payments.", "Use 0 to 1000000, such as 10000."),
    ],
)
def test_invalid_values(home: Home, flag: str, what: str, fix: str) -> None:
    """One problem each."""
    with pytest.raises(ConfigError) as caught:
        load([flag], {}, "ended")
    assert list(caught.value.problems) == [Problem(flag.partition("=")[0], what, fix)]


@pytest.mark.parametrize(
    ("line", "flag", "what"),
    [
        ("--late --cause=held", "--cause", "has no effect with --late: a payment that succeeded has no cause."),
        ("--lost --reason=timeout", "--reason", "has no effect with --lost: a payment that was lost has no reason."),
    ],
)
def test_filters_without_effect(home: Home, line: str, flag: str, what: str) -> None:
    """With --failed, too, they have one."""
    fix = "Leave one of them out, or add --failed: then it selects among those that failed."
    assert problems_of_ended(line) == [Problem(flag, what, fix)]
    load([*line.split(), "--failed"], {}, "ended")


def test_storage_memory_leaves_nothing_to_read(home: Home) -> None:
    """The log may have it."""
    what = "leaves nothing on disk that could be listed."
    fix = "Start the exporter with --storage.path=FILE, or have it log payments that end: --log.ended=failed"
    assert problems_of_ended("--storage.memory") == [Problem("--storage.memory", what, fix)]


@pytest.mark.parametrize("flag", ["--failed", "--late", "--lost", "--cause=held", "--peer=x", "--limit=1"])
def test_flags_of_ended_with_another_command(home: Home, flag: str) -> None:
    """The fix is the command that was probably forgotten."""
    name = flag.partition("=")[0]
    fix = f"Leave it out, or write: lnd-payments-exporter ended {name}"
    owners = "commands ended, report and backfill" if name == "--since" else "command ended"
    assert problems_of(f"--lnd.dir=.lnd {flag}") == [Problem(name, f"is for the {owners}.", fix)]


def test_settings_of_the_list_are_in_the_file(home: Home) -> None:
    """Beside those of the log."""
    home.write(
        "exporter.yml",
        "storage: {path: s, ended: 500, ended_destinations: false}\nlog: {ended: failed}\nlnd: {dir: .lnd}\n",
    )
    config = config_of("--config.file=exporter.yml")
    assert config.storage == StorageConfig(home.path / "s", None, 500, ended_destinations=False)
    assert config.log.ended == "failed"
