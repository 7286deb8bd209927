"""What the command `open` is told, and what the log says of single payments."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, LogConfig, OpenConfig, StorageConfig, load
from exporter.config.problems import Problem
from tests.config.asking import given, wrong
from tests.config.conftest import Home

ENVIRONMENT = {
    "LND_PAYMENTS_EXPORTER_LND_DIR": "/nowhere",
    "LND_PAYMENTS_EXPORTER_STORAGE_PATH": "/kept/state",
    "LND_PAYMENTS_EXPORTER_WEB_LISTEN_ADDRESS": ":9000",
}
"""In the container of an exporter."""


def refused(line: str, **environ: str) -> list[Problem]:
    """What is wrong with the flags of `open`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), environ, "open")
    return list(caught.value.problems)


def test_where_an_exporter_runs(home: Home) -> None:
    """Its environment is enough; of its node and certificate nothing is looked at."""
    config = load([], ENVIRONMENT, "open")
    assert (config.nodes, config.storage, config.open) == ((), StorageConfig(Path("/kept/state")), OpenConfig())


def test_all_that_can_be_said(home: Home) -> None:
    """In flags; the default of a name chooses no node."""
    config = load(["--older-than", "1h30m", "--json", "--lnd.name=alice", "--storage.path=x"], {}, "open")
    assert config.open == OpenConfig(older_than_s=5400, json=True, node="alice")
    assert config.storage.path == home.path / "x"


def test_the_file_of_an_exporter_with_several_nodes(home: Home) -> None:
    """Its nodes need not be readable; one of them may be chosen."""
    home.write("etc/exporter.yml", "nodes: [{name: a, dir: /nowhere}, {name: b, dir: /nowhere}]\nstorage: {path: s}\n")
    config = load(["--config.file=etc/exporter.yml", "--lnd.name=b"], {}, "open")
    assert (config.storage.path, config.open.node) == (home.path / "etc" / "s", "b")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("1w2d3h4m5s", 788_645), ("24H", 86_400), ("0s", 0)],
)
def test_lengths_of_time(home: Home, text: str, seconds: int) -> None:
    """As Prometheus writes them."""
    assert load([f"--older-than={text}"], {}, "open").open.older_than_s == seconds


@pytest.mark.parametrize("text", ["10", "10min", "1,5h", "-10m", "m10", "1m1h", "tomorrow", "1234567d"])
def test_no_lengths_of_time(home: Home, text: str) -> None:
    """What is wrong, and what would be right."""
    fix = "Write a number and s, m, h, d or w, such as 10m, 1h or 2d."
    assert refused(f"--older-than={text}") == [Problem("--older-than", f"{text!r} is not a duration.", fix)]


def test_an_exporter_that_keeps_nothing(home: Home) -> None:
    """There is nothing to read; a file that is named nevertheless is read."""
    variable = "LND_PAYMENTS_EXPORTER_STORAGE_MEMORY"
    what = "leaves nothing on disk that could be listed."
    fix = "Start the exporter with --storage.path=FILE, or ask lnd: lncli listpayments --include_incomplete"
    assert refused("", **{variable: "true"}) == [Problem(variable, what, fix)]
    assert refused("--storage.memory") == [Problem("--storage.memory", what, fix)]
    assert load(["--storage.path=/kept"], {variable: "true"}, "open").storage == StorageConfig(Path("/kept"))


@pytest.mark.parametrize(
    ("flag", "whose"), [("--json", "commands open and track"), ("--older-than=10m", "command open")]
)
def test_flags_of_open_elsewhere(home: Home, flag: str, whose: str) -> None:
    """Whoever forgot the command is told it; the file has no place for them."""
    name = flag.partition("=")[0]
    fix = f"Leave it out, or write: lnd-payments-exporter open {name}"
    assert wrong(f"--lnd.dir=.lnd {flag}") == [Problem(name, f"is for the {whose}.", fix)]
    home.write("exporter.yml", f"{name[2:].replace('-', '_')}: 1h\n")
    assert [problem.what for problem in wrong("--lnd.dir=.lnd --config.file=exporter.yml")] == ["Unknown setting."]


def test_what_the_log_says_of_payments(home: Home) -> None:
    """Limits in any order, none of a kind, or nothing at all where hashes aren't wanted."""
    line = "--lnd.dir=.lnd --log.open-after=2d,10m"
    assert given(f"{line} --log.blocks-left=none").log == LogConfig("info", "auto", (172_800, 600), ())
    assert given(f"{line} --log.payment-hashes=false").log == LogConfig("info", "auto")
