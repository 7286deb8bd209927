"""The landing page: what a person reads."""

import re
from dataclasses import replace
from html import unescape

import pytest

from exporter.metrics import landing
from exporter.payments.labels import NodeState
from exporter.payments.node import CatchUpProgress, Info, NodeStatus
from tests.metrics import scene


def _cards(page: str) -> list[list[str]]:
    """The texts of each card, as they are read."""
    cards = re.findall(r"<article.*?</article>", page, flags=re.DOTALL)
    lines = (re.sub(r"(</?(p|h2|tr|article|table|thead|tbody)\b[^>]*>\s*)+", "\n", card) for card in cards)
    return [[unescape(re.sub(r"<[^>]*>", " ", line)).strip() for line in card.split("\n") if line] for card in lines]


def test_a_node_that_is_well() -> None:
    """Its card says that it is counted, who it is, and what was counted by purpose."""
    assert [[" ".join(line.split()) for line in card] for card in _cards(landing.page([scene.populated()], "/"))] == [
        [
            "lnd",
            "Counting: all is well.",
            'Alice "at\\home"\ufffd , regtest, lnd 0.21.2-beta, block 812345',
            "so far succeeded failed in flight",
            "Payments 3 3 3",
            "Rebalances 0 1 1",
            "Others 0 1 0",
        ]
    ]


def test_a_node_that_is_not() -> None:
    """What is wrong and what to do stands on its card, before who it is."""
    status = NodeStatus(state=NodeState.LOCKED, detail="Unlock the wallet: lncli unlock.")
    (card,) = _cards(landing.page([scene.untouched("cold", status)], "/metrics"))
    assert card[:4] == [
        "cold",
        "Not counting: the wallet is locked.",
        "Unlock the wallet: lncli unlock.",
        "It has not yet said who it is.",
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (NodeStatus(state=NodeState.UNREACHABLE), "Not counting: there is no connection to lnd."),
        (NodeStatus(state=NodeState.NO_WALLET), "Not counting: lnd has no wallet yet."),
        (NodeStatus(state=NodeState.LOCKED), "Not counting: the wallet is locked."),
        (NodeStatus(state=NodeState.STARTING), "Not counting: lnd is starting."),
        (NodeStatus(state=NodeState.DENIED), "Not counting: lnd doesn't let us in, because of the macaroon."),
        (NodeStatus(state=NodeState.WRONG_NODE), "Not counting: another node than before answers."),
        (NodeStatus(state=NodeState.READY), "lnd is ready, but its updates are not flowing yet."),
        (
            NodeStatus(state=NodeState.READY, catching_up=True),
            "Counting, and catching up with what was missed.",
        ),
        (
            NodeStatus(state=NodeState.READY, catching_up=True, reading=CatchUpProgress(100, 2500, 12000, 2400)),
            "Counting, and catching up with what was missed: 2,500 of 12,000 read.",
        ),
        (NodeStatus(state=NodeState.READY, stream_up=True), "Counting: all is well."),
    ],
)
def test_states_in_plain_words(status: NodeStatus, words: str) -> None:
    """Every state is a sentence."""
    (card,) = _cards(landing.page([scene.untouched(status=status)], "/metrics"))
    assert card[1] == words


def test_foreign_words_stay_words() -> None:
    """Whatever a node calls itself, and whatever stands in the configuration, is text and never markup."""
    evil = "\"><script>alert(1)</script>&amp;'\ud800\0"
    status = replace(scene.STATUS, detail=evil, info=Info(pubkey=evil, alias=evil, version=evil, network=evil))
    page = landing.page([scene.untouched(evil, status)], f"/{evil}")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") == 6
    assert page.encode()


def test_several_nodes() -> None:
    """Each node has its card, in the order of the configuration."""
    page = landing.page([scene.untouched(name) for name in ("zeta", "alpha")], "/metrics")
    assert [card[0] for card in _cards(page)] == ["zeta", "alpha"]
