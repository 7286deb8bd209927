"""The landing page, as a person reads it."""

import re
from dataclasses import replace
from html import unescape

import pytest

from exporter.metrics import landing
from exporter.payments.labels import NodeState
from exporter.payments.node import CatchUpProgress, Info, NodeStatus
from tests.metrics import scene


def _cards(page: str) -> list[list[str]]:
    """Return the lines of text of each card."""
    cards = re.findall(r"<article.*?</article>", page, flags=re.DOTALL)
    lines = (re.sub(r"(</?(p|h2|tr|article|table|thead|tbody)\b[^>]*>\s*)+", "\n", card) for card in cards)
    return [[unescape(re.sub(r"<[^>]*>", " ", line)).strip() for line in card.split("\n") if line] for card in lines]


def test_card_of_a_followed_node() -> None:
    """Its state, its identity, and its payments by purpose."""
    assert [
        [" ".join(line.split()) for line in card] for card in _cards(landing.render_page([scene.populated()], "/"))
    ] == [
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


def test_card_of_a_locked_node() -> None:
    """The problem and the advice come before the identity."""
    status = NodeStatus(state=NodeState.LOCKED, detail="Unlock the wallet: lncli unlock.")
    (card,) = _cards(landing.render_page([scene.untouched("cold", status)], "/metrics"))
    assert card[:4] == [
        "cold",
        "Not counting: the wallet is locked.",
        "Unlock the wallet: lncli unlock.",
        "Its identity is not known yet.",
    ]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (NodeStatus(state=NodeState.UNREACHABLE), "Not counting: there is no connection to lnd."),
        (NodeStatus(state=NodeState.NO_WALLET), "Not counting: lnd has no wallet yet."),
        (NodeStatus(state=NodeState.LOCKED), "Not counting: the wallet is locked."),
        (NodeStatus(state=NodeState.STARTING), "Not counting: lnd is starting."),
        (NodeStatus(state=NodeState.DENIED), "Not counting: lnd refuses the macaroon."),
        (NodeStatus(state=NodeState.WRONG_NODE), "Not counting: a different node than before answers."),
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
def test_sentence_of_every_state(status: NodeStatus, sentence: str) -> None:
    """It is the second line of the card."""
    (card,) = _cards(landing.render_page([scene.untouched(status=status)], "/metrics"))
    assert card[1] == sentence


def test_foreign_text_is_escaped() -> None:
    """Text from a node or the configuration is never markup."""
    evil = "\"><script>alert(1)</script>&amp;'\ud800\0"
    status = replace(scene.STATUS, detail=evil, info=Info(pubkey=evil, alias=evil, version=evil, network=evil))
    page = landing.render_page([scene.untouched(evil, status)], f"/{evil}")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") == 6
    assert page.encode()


def test_cards_are_in_the_order_of_the_configuration() -> None:
    """One for each node."""
    page = landing.render_page([scene.untouched(name) for name in ("zeta", "alpha")], "/metrics")
    assert [card[0] for card in _cards(page)] == ["zeta", "alpha"]
