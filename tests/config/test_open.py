"""Settings of the command `open`, and of the log's warnings about single payments."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, LogConfig, OpenConfig, StorageConfig, load
from exporter.config.problems import Problem
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

ENVIRONMENT = {
    "LND_PAYMENTS_EXPORTER_LND_DIR": "/nowhere",
    "LND_PAYMENTS_EXPORTER_STORAGE_PATH": "/kept/state",
    "LND_PAYMENTS_EXPORTER_WEB_LISTEN_ADDRESS": ":9000",
}
"""As in the container of an exporter."""


def problems_of_open(line: str, **environ: str) -> list[Problem]:
    """Return the problems with flags of `open`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), environ, "open")
    return list(caught.value.problems)


def test_environment_of_the_exporter_is_enough(home: Home) -> None:
    """Node and certificate aren't looked at."""
    config = load([], ENVIRONMENT, "open")
    assert (config.nodes, config.storage, config.open) == ((), StorageConfig(Path("/kept/state")), OpenConfig())


def test_all_flags_of_open(home: Home) -> None:
    """The default of --lnd.name selects no node."""
    config = load(["--older-than", "1h30m", "--json", "--lnd.name=alice", "--storage.path=x"], {}, "open")
    assert config.open == OpenConfig(older_than_s=5400, json=True, node="alice")
    assert config.storage.path == home.path / "x"


def test_file_with_several_nodes(home: Home) -> None:
    """Their certificates and macaroons needn't be readable; --lnd.name selects one node."""
    home.write("etc/exporter.yml", "nodes: [{name: a, dir: /nowhere}, {name: b, dir: /nowhere}]\nstorage: {path: s}\n")
    config = load(["--config.file=etc/exporter.yml", "--lnd.name=b"], {}, "open")
    assert (config.storage.path, config.open.node) == (home.path / "etc" / "s", "b")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("1w2d3h4m5s", 788_645), ("24H", 86_400), ("0s", 0)],
)
def test_valid_durations(home: Home, text: str, seconds: int) -> None:
    """Written as in Prometheus, and several units in one."""
    assert load([f"--older-than={text}"], {}, "open").open.older_than_s == seconds


@pytest.mark.parametrize("text", ["10", "10min", "1,5h", "-10m", "m10", "1m1h", "tomorrow", "1234567d"])
def test_invalid_durations(home: Home, text: str) -> None:
    """The message shows the format."""
    fix = "Write a number and s, m, h, d or w, such as 10m, 1h or 2d."
    assert problems_of_open(f"--older-than={text}") == [Problem("--older-than", f"{text!r} is not a duration.", fix)]


def test_storage_memory_leaves_nothing_to_read(home: Home) -> None:
    """A file that a flag names is read all the same."""
    variable = "LND_PAYMENTS_EXPORTER_STORAGE_MEMORY"
    what = "leaves nothing on disk that could be listed."
    fix = "Start the exporter with --storage.path=FILE, or ask lnd: lncli listpayments --include_incomplete"
    assert problems_of_open("", **{variable: "true"}) == [Problem(variable, what, fix)]
    assert problems_of_open("--storage.memory") == [Problem("--storage.memory", what, fix)]
    assert load(["--storage.path=/kept"], {variable: "true"}, "open").storage == StorageConfig(Path("/kept"))


@pytest.mark.parametrize(
    ("flag", "whose"),
    [("--json", "commands open, ended, track, why, check and report"), ("--older-than=10m", "command open")],
)
def test_flags_of_open_with_another_command(home: Home, flag: str, whose: str) -> None:
    """The fix is the command that was probably forgotten. The YAML file can't hold them."""
    name = flag.partition("=")[0]
    fix = f"Leave it out, or write: lnd-payments-exporter open {name}"
    assert problems_of(f"--lnd.dir=.lnd {flag}") == [Problem(name, f"is for the {whose}.", fix)]
    home.write("exporter.yml", f"{name[2:].replace('-', '_')}: 1h\n")
    assert [problem.what for problem in problems_of("--lnd.dir=.lnd --config.file=exporter.yml")] == [
        "Unknown setting."
    ]


def test_limits_of_warnings_about_payments(home: Home) -> None:
    """In any order, none of one kind, or no warnings at all without payment hashes."""
    line = "--lnd.dir=.lnd --log.open-after=2d,10m"
    assert config_of(f"{line} --log.blocks-left=none").log == LogConfig("info", "auto", (172_800, 600), ())
    assert config_of(f"{line} --log.payment-hashes=false").log == LogConfig("info", "auto", payment_hashes=False)
