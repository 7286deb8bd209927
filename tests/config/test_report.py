"""Settings of the command `report`: which nodes it asks, what it adds up, and how it prints that."""

import pytest

from exporter.config import ConfigError, load
from exporter.config.grouping import By, ReportConfig
from exporter.config.problems import Problem
from tests.config.conftest import Home

NODES = "nodes:\n  - {name: alice, dir: .lnd}\n  - {name: bob, dir: .lnd, address: bob}\n"
KEY = "02" + "11" * 32


def problems_of_report(line: str) -> list[Problem]:
    """Return the problems with arguments of `report`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), {}, "report")
    return list(caught.value.problems)


def test_all_flags_of_report(home: Home) -> None:
    """By default all payments by month, as a table; it has nothing to do with a state file."""
    config = load(["--lnd.dir=.lnd"], {"LND_PAYMENTS_EXPORTER_STORAGE_MEMORY": "true"}, "report")
    assert config.report == ReportConfig(since_s=None, by=By.MONTH, csv=False, json=False)
    assert config.storage.path is None
    config = load(["--lnd.dir=.lnd", "--since=30d", "--by=kind", "--csv"], {}, "report")
    assert config.report == ReportConfig(since_s=30 * 86_400, by=By.KIND, csv=True, json=False)
    assert load(["--lnd.dir=.lnd", "--json"], {}, "report").report.json


def test_all_nodes_of_the_file_or_one(home: Home) -> None:
    """One after the other, unless one is chosen by its name; a shard is for exporters only."""
    home.write("exporter.yml", NODES)
    environ = {"LND_PAYMENTS_EXPORTER_SHARD": "0/2"}
    config = load(["--config.file=exporter.yml"], environ, "report")
    assert [node.name for node in config.nodes] == ["alice", "bob"]
    config = load(["--config.file=exporter.yml", "--lnd.name=bob"], environ, "report")
    assert [node.name for node in config.nodes] == ["bob"]
    assert problems_of_report("--config.file=exporter.yml --lnd.name=carol") == [
        Problem("--lnd.name", "carol is not in the list.", "The list has alice, bob.")
    ]


def test_no_node(home: Home) -> None:
    """The fix has examples of this command, without a payment hash."""
    (problem,) = problems_of_report("--by=day")
    assert problem.what == "No node is given."
    assert "lnd-payments-exporter report --lnd.dir ~/.lnd\n" in problem.fix


def test_csv_or_json(home: Home) -> None:
    """Both as flags are a contradiction; in the environment JSON is for other commands, too, and CSV overrides it."""
    assert problems_of_report("--lnd.dir=.lnd --csv --json") == [
        Problem("--csv", "contradicts --json.", "Leave one of them out.")
    ]
    config = load(["--lnd.dir=.lnd", "--csv"], {"LND_PAYMENTS_EXPORTER_JSON": "true"}, "report")
    assert (config.report.csv, config.report.json) == (True, False)


def test_destinations_must_be_named(home: Home) -> None:
    """In the file; then they are what payments are grouped by."""
    assert problems_of_report("--lnd.dir=.lnd --by=destination") == [
        Problem(
            "--by",
            "needs groups of recipients, and there are none.",
            "Name some in the YAML file (destinations:), or choose other groups.",
        )
    ]
    home.write("exporter.yml", f"lnd: {{dir: .lnd}}\ndestinations:\n  exchange: [{KEY}]\n")
    config = load(["--config.file=exporter.yml", "--by=destination"], {}, "report")
    assert (config.report.by, config.destinations) == (By.DESTINATION, {KEY: "exchange"})


def test_unknown_group(home: Home) -> None:
    """The fix lists all."""
    (problem,) = problems_of_report("--lnd.dir=.lnd --by=year")
    assert problem.where == "--by"
    assert "month, day, kind, cause, peer, destination" in problem.what + problem.fix
