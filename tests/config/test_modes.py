"""Settings for how the payments of a node are followed: its mode, and whether lnd is asked why there was no route."""

from exporter.config.nodes import NO_NODE
from exporter.config.problems import Problem
from exporter.summary import summarise
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of


def test_default_is_auto_with_all_updates(home: Home) -> None:
    """Each node of the list has its own."""
    assert [(node.mode, node.final_only) for node in config_of("--lnd.dir=.lnd").nodes] == [("auto", False)]
    assert [(node.mode, node.final_only) for node in config_of("--lnd.dir=.lnd --lnd.mode=Track").nodes] == [
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
    assert [(node.mode, node.final_only) for node in config_of("--config.file=exporter.yml").nodes] == [
        ("auto", True),
        ("firehose", True),
        ("track", False),
    ]


def test_unknown_mode_is_a_problem(home: Home) -> None:
    """It names the valid ones."""
    assert problems_of("--lnd.dir=.lnd --lnd.mode=fire --lnd.final-updates-only=maybe") == [
        Problem(
            "--lnd.mode",
            "'fire' is not a valid value.",
            "Use one of auto, firehose, track. Did you mean firehose?",
        ),
        Problem("--lnd.final-updates-only", "'maybe' is not a valid value.", "Use one of true, false."),
    ]


def test_final_updates_only_needs_the_stream_of_all_payments(home: Home) -> None:
    """TrackPaymentV2 of a single payment always sends all updates."""
    assert problems_of("--lnd.dir=.lnd --lnd.mode=track --lnd.final-updates-only") == [
        Problem(
            "--lnd.final-updates-only",
            "has no effect with --lnd.mode=track.",
            "Leave one of them out: a stream for each payment always sends all updates.",
        )
    ]


def test_modes_alone_are_not_a_node(home: Home) -> None:
    """They don't say where lnd is."""
    assert problems_of("--lnd.mode=track --lnd.final-updates-only=false") == [NO_NODE]


def test_explaining_is_off_by_default(home: Home) -> None:
    """Each node of the list has its own, and `check` says what the macaroon must allow."""
    assert [node.explain_no_route for node in config_of("--lnd.dir=.lnd").nodes] == [False]
    home.write(
        "exporter.yml",
        """
        nodes:
          - {name: alice, dir: .lnd, explain_no_route: true}
          - {name: bob, dir: .lnd, address: "bob:10009"}
        """,
    )
    config = config_of("--config.file=exporter.yml")
    assert [node.explain_no_route for node in config.nodes] == [True, False]
    lines = [line.strip() for line in summarise(config, ()) if "explains" in line]
    assert lines == ["explains no route: its macaroon must also allow DecodePayReq and QueryRoutes"]


def test_explaining_needs_grpc(home: Home) -> None:
    """Over REST the calls would put keys and invoices into URLs, which proxies log."""
    for transport in ("rest", "websocket"):
        assert problems_of(f"--lnd.dir=.lnd --lnd.transport={transport} --lnd.explain-no-route") == [
            Problem(
                "--lnd.explain-no-route",
                "needs gRPC: REST would put keys and invoices into URLs.",
                "Use --lnd.transport=grpc, or leave it out.",
            )
        ]
