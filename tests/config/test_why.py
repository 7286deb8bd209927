"""Settings of the command `why`: those of `track`, but no flags of its own display."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, TrackConfig, load
from exporter.config.macaroons import BAKE_FOR_WHY
from exporter.config.problems import Problem
from exporter.payments.labels import Method
from exporter.simulator.calls import Question
from exporter.simulator.service import METHOD_PATHS
from tests.config.conftest import Home

HASH = "5c" * 32


def test_all_flags_of_why(home: Home) -> None:
    """The node is given as to the exporter; its state file is read, if it has one."""
    line = f"{HASH} --lnd.dir=.lnd --lnd.name=alice --json"
    config = load(line.split(), {"LND_PAYMENTS_EXPORTER_STORAGE_PATH": "/kept/state"}, "why")
    assert config.storage.path == Path("/kept/state")
    assert load(line.split(), {"LND_PAYMENTS_EXPORTER_STORAGE_MEMORY": "true"}, "why").storage.path is None
    assert load(line.split(), {"STATE_DIRECTORY": "/var/lib/x"}, "why").storage.path == Path("/var/lib/x/state.sqlite")
    assert config.track == TrackConfig(HASH, json=True)
    assert [node.name for node in config.nodes] == ["alice"]


def problem_of_why(line: str) -> Problem:
    """Return the only problem with arguments of `why`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), {}, "why")
    (problem,) = caught.value.problems
    return problem


def test_problems_name_the_command(home: Home) -> None:
    """The fixes are commands that explain, not those that follow."""
    assert problem_of_why("--lnd.dir=.lnd") == Problem(
        "HASH",
        "The hash of a payment is missing.",
        "Write: lnd-payments-exporter why HASH; `open` lists the payments in flight, `ended` those that ended.",
    )
    assert "lnd-payments-exporter why HASH --lnd.dir ~/.lnd\n" in problem_of_why(HASH).fix
    assert problem_of_why(f"{HASH} --lnd.dir=.lnd --show-secrets").what == "is for the command track."


def test_the_macaroon_allows_what_is_asked() -> None:
    """Nothing more, and nothing that only the exporter calls."""
    given = {word.removeprefix("uri:") for word in BAKE_FOR_WHY.split() if word.startswith("uri:")}
    asked = (Method.TRACK_PAYMENT, Method.GET_INFO, Method.LIST_CHANNELS, *Question)
    assert given == {METHOD_PATHS[call] for call in asked}
