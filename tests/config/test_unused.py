"""Settings that would have no effect: flags of other commands, and what contradicts --storage.memory."""

import pytest

from exporter.config import ConfigError, StorageConfig, load
from exporter.config.commands import COMMANDS, Command
from exporter.config.problems import Problem
from exporter.config.settings import SETTINGS
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

HASH = "ab" * 32
ARGUMENTS: dict[Command, list[str]] = {
    "track": [HASH],
    "why": [HASH],
    "state export": ["alice", "-"],
    "state import": ["-"],
}
"""Of commands that need some."""
MEMORY = "has no effect if nothing is kept (--storage.memory)."


def refused(command: Command, flag: str) -> Problem | None:
    """Return the problem that this flag is not for this command."""
    try:
        load([*ARGUMENTS.get(command, []), flag], {}, command)
    except ConfigError as error:
        name = flag.partition("=")[0]
        return next((problem for problem in error.problems if problem.where == name), None)
    return None


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_the_flags_that_it_does_not_use(home: Home, command: Command) -> None:
    """Its `--help` lists those that it uses."""
    del home
    unused = [setting for setting in SETTINGS.values() if command not in setting.commands]
    found = [setting.flag for setting in unused if refused(command, f"{setting.flag}={setting.default or '1'}")]
    assert found == [setting.flag for setting in unused]


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("open", "--lnd.dir=/nowhere"),
        ("open", "--web.listen-address=:1"),
        ("ended", "--storage.ended=5"),
        ("track", "--storage.path=x"),
        ("why", "--log.level=debug"),
        ("healthcheck", "--web.telemetry-path=/x"),
        ("demo", "--web.systemd-socket"),
        ("demo", "--web.enable-lifecycle"),
        ("demo", "--storage.path=x"),
        ("check", "--storage.reset=alice"),
        ("state export", "--storage.memory=false"),
    ],
)
def test_the_fix_is_the_help_of_the_command(home: Home, command: Command, flag: str) -> None:
    """In the environment the same settings are an exporter's, and don't matter."""
    del home
    fix = f"Leave it out; lnd-payments-exporter {command} --help lists the flags of this command."
    where, _, text = flag.partition("=")
    assert refused(command, flag) == Problem(where, f"is not for the command {command}.", fix)
    variable = SETTINGS[where.removeprefix("--")].variable
    if command in ("open", "ended", "demo"):
        load([], {variable: text or "true"}, command)


def test_a_list_in_memory(home: Home) -> None:
    """A number of payments to keep contradicts it, unless it is none; a nearer source wins."""
    fix = "Leave one of them out."
    assert problems_of("--lnd.dir=.lnd --storage.memory --storage.ended=500") == [
        Problem("--storage.ended", MEMORY, fix)
    ]
    assert problems_of("--lnd.dir=.lnd --storage.ended=500", STORAGE_MEMORY="true") == [
        Problem("--storage.ended", MEMORY, fix)
    ]
    home.write("exporter.yml", "storage: {memory: true, ended: 500}\nlnd: {dir: .lnd}\n")
    assert [problem.what for problem in problems_of("--config.file=exporter.yml")] == [MEMORY]
    nothing = StorageConfig(None)
    assert config_of("--lnd.dir=.lnd --storage.memory --storage.ended=0").storage == nothing
    assert config_of("--lnd.dir=.lnd --storage.memory", STORAGE_ENDED="500").storage == nothing
    without = config_of("--lnd.dir=.lnd --storage.memory --storage.ended-destinations=false").storage
    assert without == StorageConfig(None, ended_destinations=False), "the log obeys it"


def test_an_empty_list_in_the_file(home: Home) -> None:
    """It means none where there is a word for that; at least one address is needed."""
    home.write("exporter.yml", "metrics: {without: []}\nlnd: {dir: .lnd}\n")
    assert config_of("--config.file=exporter.yml").without == ()
    home.write("exporter.yml", "web: {listen_address: []}\nlnd: {dir: .lnd}\n")
    assert [problem.what for problem in problems_of("--config.file=exporter.yml")] == ["is not a list of values."]
