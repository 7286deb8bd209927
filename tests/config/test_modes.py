"""How a node's payments are to be followed: all by one stream, which may tell of ends only, or each by its own."""

from exporter.config.nodes import NO_NODE
from exporter.config.problems import Problem
from tests.config.asking import given, wrong
from tests.config.conftest import Home


def test_defaults(home: Home) -> None:
    """Whatever the node can, and all updates; each node of the list has its own."""
    assert [(node.mode, node.final_only) for node in given("--lnd.dir=.lnd").nodes] == [("auto", False)]
    assert [(node.mode, node.final_only) for node in given("--lnd.dir=.lnd --lnd.mode=Track").nodes] == [
        ("track", False)
    ]
    home.write(
        "exporter.yml",
        """
        nodes:
          - {name: alice, dir: .lnd, final_updates_only: true}
          - {name: bob, dir: .lnd, address: "bob:10009", mode: firehose, final_updates_only: true}
          - {name: carol, dir: .lnd, address: "carol:10009", mode: track, final_updates_only: false}
        """,
    )
    assert [(node.mode, node.final_only) for node in given("--config.file=exporter.yml").nodes] == [
        ("auto", True),
        ("firehose", True),
        ("track", False),
    ]


def test_what_does_not_exist(home: Home) -> None:
    """The words are named."""
    assert wrong("--lnd.dir=.lnd --lnd.mode=fire --lnd.final-updates-only=maybe") == [
        Problem(
            "--lnd.mode",
            "'fire' is not a valid value.",
            "Use one of auto, firehose, track. Did you mean firehose?",
        ),
        Problem("--lnd.final-updates-only", "'maybe' is not a valid value.", "Use one of true, false."),
    ]


def test_final_updates_of_no_stream(home: Home) -> None:
    """What is followed each by itself is followed on its way."""
    assert wrong("--lnd.dir=.lnd --lnd.mode=track --lnd.final-updates-only") == [
        Problem(
            "--lnd.final-updates-only",
            "has no effect with --lnd.mode=track.",
            "Leave one of them out: a stream for each payment always sends all updates.",
        )
    ]


def test_they_are_no_node(home: Home) -> None:
    """They don't say where one is."""
    assert wrong("--lnd.mode=track --lnd.final-updates-only=false") == [NO_NODE]
