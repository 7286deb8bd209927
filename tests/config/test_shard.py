"""Which shard a node belongs to, and the setting `--shard`."""

import socket
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import load
from exporter.config.problems import InvalidValue, Problem
from exporter.config.shard import Shard, ordinal, parse_shard, shard_of
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of
from tests.test_house import ROOT

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
COUNTS = st.integers(1, 40)
VECTORS = {
    "alice": [0, 1, 1, 1, 1, 5, 15],
    "bob": [0, 0, 2, 2, 2, 9, 68],
    "erin": [0, 0, 0, 3, 3, 3, 68],
    "routing-1": [0, 1, 1, 1, 1, 8, 35],
    "eu/lnd:1@café": [0, 0, 0, 0, 0, 0, 37],
}
"""Shards of some names among 1, 2, 3, 4, 5, 10 and 100."""


def test_vectors() -> None:
    """They are the same for ever, in every process, and as docs/shards.md tells them to other programs."""
    of = (1, 2, 3, 4, 5, 10, 100)
    assert {name: [shard_of(name, count) for count in of] for name in VECTORS} == VECTORS
    text = (ROOT / "docs" / "shards.md").read_text()
    for name, shards in VECTORS.items():
        assert f"| `{name}` | {' | '.join(map(str, shards))} |" in text


def test_the_function_in_the_documentation() -> None:
    """The code in docs/shards.md gives the same, in a process with another seed for Python's own hashes."""
    code = (ROOT / "docs" / "shards.md").read_text().partition("```python\n")[2].partition("```")[0]
    code += f"\nprint({{name: [shard_of(name, n) for n in (1, 2, 3, 4, 5, 10, 100)] for name in {[*VECTORS]}}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == str(VECTORS)


@given(NAMES, COUNTS)
def test_each_node_is_on_exactly_one_shard(name: str, count: int) -> None:
    """All exporters agree about it."""
    having = [index for index in range(count) if Shard(index, count).has(name)]
    assert having == [shard_of(name, count)]


@given(NAMES, COUNTS)
def test_a_shard_more_takes_nodes_and_moves_no_others(name: str, count: int) -> None:
    """A node stays where it is, or it moves to the new shard."""
    assert shard_of(name, count + 1) in (shard_of(name, count), count)


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_shards_are_about_equal(count: int) -> None:
    """Of 4,000 nodes each shard has its share, up to a quarter of it: five times the standard deviation at least."""
    sizes = Counter(shard_of(f"node-{number}", count) for number in range(4000))
    share = 4000 / count
    allowed = max(0.25 * share, 5 * share**0.5)
    assert [index for index in range(count) if abs(sizes[index] - share) > allowed] == []


@pytest.mark.parametrize(
    ("given_", "shard"),
    [("0/1", Shard(0, 1)), ("2/3", Shard(2, 3)), ("02/3", Shard(2, 3)), ("999/1000", Shard(999, 1000))],
)
def test_valid_shards(given_: str, shard: Shard) -> None:
    """Counted from 0."""
    assert parse_shard(given_) == shard


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("3/3", "There is no shard 3/3: they are counted from 0.", "Of 3, they are 0/3 to 2/3."),
        ("1/1", "There is no shard 1/1: they are counted from 0.", "Of 1, the only one is 0/1."),
        ("0/0", "'0/0' has 0 shards.", "Use 1 to 1000 shards."),
        ("0/1001", "'0/1001' has 1001 shards.", "Use 1 to 1000 shards."),
        *(
            (
                text,
                f"{text!r} is not a shard.",
                "Write I/N, such as 0/3, 1/3 and 2/3 for three exporters, or auto/3.",
            )
            for text in ("1", "auto", "1/", "/3", "-1/3", "1/3/5", "1.0/3", "a/b", "٣/٤", "1 / 3", "1of3", "auto/auto")
        ),
    ],
)
def test_invalid_shards(text: str, what: str, fix: str) -> None:
    """The message shows what would be right."""
    with pytest.raises(InvalidValue) as caught:
        parse_shard(text)
    assert (caught.value.what, caught.value.fix) == (what, fix)


@pytest.mark.parametrize(
    ("host", "index"),
    [("exporter-0", 0), ("exporter-3", 3), ("exporter-3.exporter.monitoring.svc", 3), ("a-1-2", 2), ("e-03", 3)],
)
def test_ordinal_of_a_host(host: str, index: int) -> None:
    """The number at the end of the first label."""
    assert ordinal(host, 4) == index


@pytest.mark.parametrize(
    ("host", "what", "fix"),
    [
        *(
            (
                host,
                f"The host name {host!a} has no ordinal at its end, such as exporter-0.",
                "Give the number of this exporter: --shard=I/4",
            )
            for host in ("exporter", "exporter3", "", "exporter-", "exporter-7d9f8-x2k4q", "exporter.zone-3")
        ),
        (
            "exporter-4",
            "The host name 'exporter-4' has the ordinal 4, but there are 4 shards.",
            "Run 4 exporters, exporter-0 to exporter-3, or give a greater N to all of them.",
        ),
    ],
)
def test_hosts_without_an_ordinal(host: str, what: str, fix: str) -> None:
    """It would be a wrong guess that two exporters could make."""
    with pytest.raises(InvalidValue) as caught:
        ordinal(host, 4)
    assert (caught.value.what, caught.value.fix) == (what, fix)


FILE = """\
nodes:
  - {name: alice, address: a.example, tls_cert: gone/a.cert, macaroon: gone/a.macaroon}
  - {name: bob, dir: .lnd}
  - {name: erin, dir: gone, address: e.example}
  - {name: frank, dir: gone/frank, network: signet, address: f.example}
"""
"""Of three shards alice and frank belong to 1, bob to 2, erin to 0."""


def test_other_nodes_need_no_files_here(home: Home) -> None:
    """Only bob belongs to this one."""
    home.write("exporter.yml", FILE)
    config = config_of("--config.file=exporter.yml --shard=2/3")
    assert ([node.name for node in config.nodes], config.other_nodes, config.shard) == (["bob"], 3, Shard(2, 3))
    config = config_of("--config.file=exporter.yml", SHARD="2/3")
    assert [node.name for node in config.nodes] == ["bob"]
    assert [problem.what for problem in problems_of("--config.file=exporter.yml --shard=0/3")] == [
        f"{home.path}/gone does not exist."
    ]


def test_the_order_of_the_file_does_not_matter(home: Home) -> None:
    """A node belongs to its shard by its name alone."""
    head, *nodes = FILE.splitlines(keepends=True)
    for lines in (nodes, nodes[::-1], nodes[1:2]):
        home.write("exporter.yml", "".join([head, *lines]))
        assert [node.name for node in config_of("--config.file=exporter.yml --shard=2/3").nodes] == ["bob"]


def test_what_is_wrong_with_other_nodes_is_reported(home: Home) -> None:
    """All that doesn't need their files: the file is one for all exporters, and must be right as a whole."""
    wrong = """\
  - {name: alice, dir: gone}
  - {name: frank, adress: f.example, tls_cert: x, macaroon: x}
  - {name: "a b", dir: gone, address: j.example}
  - {dir: gone2, address: k.example, mode: fast}
  - {name: grace, address: g.example}
"""
    home.write("exporter.yml", FILE + wrong)
    problems = problems_of("--config.file=exporter.yml --shard=2/3")
    assert [problem.where.removeprefix(f"{home.path}/exporter.yml:") for problem in problems] == [
        "7 nodes[5].adress",
        "6 nodes[4].name",
        "6 nodes[4]",
        "7 nodes[5].name",
        "7 nodes[5].adress",
        "8 nodes[6].name",
        "9 nodes[7]",
        "9 nodes[7].mode",
        "10 nodes[8].tls_cert",
        "10 nodes[8].macaroon",
    ]


def test_a_shard_without_nodes(home: Home) -> None:
    """It is valid."""
    home.write("exporter.yml", FILE)
    config = config_of("--config.file=exporter.yml --shard=3/50")
    assert (config.nodes, config.other_nodes) == ((), 4)


def test_a_single_node_has_no_shards(home: Home) -> None:
    """Each exporter would follow it."""
    fix = "Write the nodes of all exporters into one file (nodes:) and name it with --config.file."
    what = "needs a list of nodes, and there is none."
    assert problems_of("--lnd.dir=.lnd --shard=0/3") == [Problem("--shard", what, fix)]
    variable = "LND_PAYMENTS_EXPORTER_SHARD"
    assert problems_of("--lnd.dir=.lnd", SHARD="0/3") == [Problem(variable, what, fix)]


def test_the_file_cannot_hold_it(home: Home) -> None:
    """Each process has its own."""
    home.write("exporter.yml", FILE + "shard: 2/3\n")
    (problem,) = problems_of("--config.file=exporter.yml --shard=2/3")
    assert (problem.where, problem.what) == (f"{home.path}/exporter.yml:6 shard", "Unknown setting.")


def test_the_ordinal_of_this_host(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the pod of a StatefulSet."""
    home.write("exporter.yml", FILE)
    monkeypatch.setattr(socket, "gethostname", lambda: "exporter-2")
    assert config_of("--config.file=exporter.yml --shard=auto/3").shard == Shard(2, 3)
    assert [problem.where for problem in problems_of("--config.file=exporter.yml --shard=auto/2")] == ["--shard"]


def test_other_commands_ignore_it(home: Home) -> None:
    """In an exporter's environment `open`, `track` and `healthcheck` work as without."""
    home.write("exporter.yml", FILE)
    environ = {"LND_PAYMENTS_EXPORTER_SHARD": "auto/3", "LND_PAYMENTS_EXPORTER_CONFIG_FILE": "exporter.yml"}
    assert load([], environ, "open").shard is None
    assert load(["ab" * 32, "--lnd.name=bob"], environ, "track").nodes[0].name == "bob"


def test_size_of_the_file(home: Home) -> None:
    """Ten thousand nodes take more than a mebibyte."""
    path = home.write("exporter.yml", FILE + "#" * (1 << 20))
    assert len(config_of("--config.file=exporter.yml --shard=2/3").nodes) == 1
    home.write("exporter.yml", "#" * (17 << 20))
    (problem,) = problems_of("--config.file=exporter.yml --shard=2/3")
    assert problem.what == f"{path} is larger than 16 MiB."
