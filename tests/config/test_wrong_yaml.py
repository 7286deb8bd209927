"""Mistakes in the YAML file: each problem has its line."""

from textwrap import dedent

import pytest

from exporter.config.nodes import MISSING
from exporter.config.problems import Problem
from tests.config.conftest import Home
from tests.config.shortcuts import problems_of

CORRECT = "Correct it there. Indent with blanks, not with tabs."


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("lnd:\n\taddress: x\n", "line 2, column 1: found character '\\t' that cannot start any token."),
        ("lnd: {dir: x\nweb: 3", "line 2, column 4: expected ',' or '}', but got ':'."),
        ("lnd: a: b", "line 1, column 7: mapping values are not allowed here."),
        ("a: 1\n---\nb: 1", "line 2, column 1: but found another document."),
    ],
)
def test_invalid_yaml(home: Home, content: str, what: str) -> None:
    """The message has line and column, and no content of the file; that no node is given isn't reported, too."""
    path = home.write("exporter.yml", content)
    assert problems_of("--config.file=exporter.yml") == [
        Problem("--config.file", f"{path} is not valid YAML: {what}", CORRECT)
    ]


def test_binary_file(home: Home) -> None:
    """Such as a macaroon in place of the configuration."""
    path = home.write("exporter.yml", b"\xff\xfe\x00")
    assert problems_of("--config.file=exporter.yml") == [
        Problem("--config.file", f"{path} is not valid YAML: it is not even text.", "Write it as UTF-8 text."),
    ]


def test_invalid_keys_and_sections(home: Home) -> None:
    """Unknown, repeated, at the wrong depth, of the wrong type."""
    path = home.write(
        "exporter.yml",
        dedent("""\
            lnd:
              dir: .lnd
              dir: .lnd
              name: [alice, bob]
            web: 10019
            loglevel: debug
            max_peers: 7
            colour: blue
        """),
    )
    everything = (
        "lnd.dir, lnd.network, lnd.address, lnd.transport, lnd.proxy, lnd.tls_cert, lnd.tls_server_name, lnd.macaroon,"
        " lnd.name, lnd.mode, lnd.final_updates_only, lnd.explain_no_route, web.listen_address, web.systemd_socket,"
        " web.telemetry_path, web.enable_lifecycle, web.config_file, web.health_without_password, metrics.max_peers,"
        " metrics.without, storage.path, storage.memory, storage.ended,"
        " storage.ended_destinations, log.level, log.format, log.open_after, log.blocks_left,"
        " log.payment_hashes, log.ended"
    )
    assert problems_of("--config.file=exporter.yml") == [
        Problem(f"{path}:3 lnd.dir", "is given twice.", "Leave one of them out."),
        Problem(f"{path}:4 lnd.name", "is a list or a section.", "Give one value: NAME"),
        Problem(f"{path}:5 web", "is not a section.", "Write `key: value` lines, indented by two blanks."),
        Problem(f"{path}:6 loglevel", "Unknown setting.", "Did you mean `level` in section `log`?"),
        Problem(f"{path}:7 max_peers", "Unknown setting.", "Did you mean `max_peers` in section `metrics`?"),
        Problem(f"{path}:8 colour", "Unknown setting.", f"Known settings: {everything}."),
    ]


def test_mistakes_in_the_list_of_nodes(home: Home) -> None:
    """A name or an address that two nodes share, missing names, and mistakes within a node."""
    path = home.write(
        "exporter.yml",
        dedent("""\
            nodes:
              - name: alice
                dir: .lnd
              - name: alice
                address: localhost
                tls_cert: system
                macaroon: .lnd/data/chain/bitcoin/mainnet/readonly.macaroon
              - address: bob.example
                tls_crt: system
              - carol
        """),
    )
    own = "Give each node its own;"
    assert problems_of("--config.file=exporter.yml") == [
        Problem(f"{path}:9 nodes[2].tls_crt", "Unknown setting.", "Did you mean `tls_cert`?"),
        Problem(f"{path}:10 nodes[3]", "is not a section.", "Write `key: value` lines, indented by two blanks."),
        Problem(f"{path}:4 nodes[1].name", "alice is used by two nodes.", f"{own} {path}:2 nodes[0].name is the same."),
        Problem(
            f"{path}:5 nodes[1].address",
            "localhost:10009 is used by two nodes.",
            f"{own} {path}:2 nodes[0] is the same.",
        ),
        Problem(f"{path}:8 nodes[2]", "has no name.", "Add `name: ...`: it becomes the label `node`."),
        Problem(f"{path}:8 nodes[2].macaroon", *MISSING["lnd.macaroon"]),
        Problem(f"{path}:10 nodes[3]", "has no name.", "Add `name: ...`: it becomes the label `node`."),
        Problem(f"{path}:10 nodes[3].address", *MISSING["lnd.address"]),
        Problem(f"{path}:10 nodes[3].tls_cert", *MISSING["lnd.tls-cert"]),
        Problem(f"{path}:10 nodes[3].macaroon", *MISSING["lnd.macaroon"]),
    ]


def test_single_node_beside_the_list(home: Home) -> None:
    """Its settings would be ignored, wherever they are given, so each is a problem."""
    path = home.write("exporter.yml", "lnd: {name: alice}\nnodes:\n  - {name: bob, dir: .lnd}\n")
    what = "is for a single node, but the file has a list of them (nodes:)."
    fix = "Put this node into the list too, or leave the list out."
    assert problems_of("--config.file=exporter.yml --lnd.address=localhost", LND_DIR=".lnd") == [
        Problem(f"{path}:1 lnd.name", what, fix),
        Problem("LND_PAYMENTS_EXPORTER_LND_DIR", what, fix),
        Problem("--lnd.address", what, fix),
    ]


@pytest.mark.parametrize("content", ["nodes: []", "nodes: {name: alice}", "nodes:"])
def test_list_without_nodes(home: Home, content: str) -> None:
    """The fix shows how a list looks."""
    path = home.write("exporter.yml", content)
    example = "Write at least one:\nnodes:\n  - name: alice\n    dir: /home/alice/.lnd"
    assert problems_of("--config.file=exporter.yml") == [Problem(f"{path}:1 nodes", "is not a list of nodes.", example)]
