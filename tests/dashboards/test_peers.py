"""The tables of direct peers: what is used of what a peer accepts, how long it takes, what came back through it."""

from pathlib import Path

import pytest

from tests.dashboards.panels import panel_query
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FAILURES, FLIGHT = "lnd-payments-failures", "lnd-payments-flight"
HELD, FAILS, COST = "HTLCs outstanding by peer", "Direct peers", "Direct peers: cost and balance"
NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
SPAN = "1h"
LATE = 120
"""Minute at which all is asked."""


def series(metric: str, values: str, peer: str = "bank", **labels: str) -> dict[str, str]:
    """Return a series of a peer."""
    more = "".join(f',{label}="{word}"' for label, word in labels.items())
    return {f'lnd_payments_{metric}{{{NODE},peer="{peer}"{more}}}': values}


def node(up: int = 1) -> dict[str, str]:
    """Return whether the node answers, and a peer with some attempts."""
    return {
        f"lnd_payments_node_up{{{NODE}}}": f"{up}x200",
        **series("peer_sent_msat_total", "0x200"),
        **series("peer_htlc_attempts_total", "0+1x200", outcome="settled"),
        **series("peer_htlc_attempts_total", "0+2x200", outcome="failed_beyond"),
        **series("peer_htlc_attempts_total", "0+5x200", outcome="failed_here"),
        **series("peer_in_flight_htlcs", "2x200"),
    }


def channels() -> dict[str, str]:
    """Return what the channels with the peer hold and accept: two channels, one of an lnd, one of another software."""
    return {
        **series("peer_offered_ratio", "0.75x200"),
        **series("peer_spendable_msat", "5000x200"),
        **series("peer_receivable_msat", "7000x200"),
        **series("peer_channels", "1x200", state="active"),
        **series("peer_channels", "1x200", state="inactive"),
    }


def shown(uid: str, title: str, letter: str) -> str:
    """Return a column of a table."""
    return panel_query(uid, title, letter, SPAN)


KNOWN: list[tuple[str, str, dict[str, float]]] = [
    (FLIGHT, HELD, {"D": 0.75, "E": 5}),
    (FAILURES, FAILS, {"H": 1, "I": 1, "J": 5}),
    (FAILURES, COST, {"G": 5, "H": 7}),
]


def test_use_of_what_a_peer_accepts(tmp_path: Path) -> None:
    """And of its channels' balance: what lnd has told."""
    expected = [
        Expected(shown(uid, title, letter), LATE, {'{peer="bank"}': value})
        for uid, title, columns in KNOWN
        for letter, value in columns.items()
    ]
    assert not query_errors(tmp_path, node() | channels(), expected, recorded())


@pytest.mark.parametrize("story", ["ListChannels isn't allowed", "the node is away"])
def test_what_is_not_known(story: str, tmp_path: Path) -> None:
    """The peer keeps its row, and the cells have a value without a number, for which there is a text."""
    told = node() if "List" in story else node(up=0) | channels()
    columns = [shown(uid, title, letter) for uid, title, letters in KNOWN for letter in letters]
    expected = [Expected(f"count({expr})", LATE, {"{}": 1}) for expr in columns]
    expected += [Expected(f"{expr} >= 0", LATE, {}) for expr in columns]
    assert not query_errors(tmp_path, told, expected, recorded())


def test_how_long_a_peer_takes(tmp_path: Path) -> None:
    """Attempts that never reached it don't count."""
    told = node() | series("peer_htlc_outstanding_seconds_total", "0+4x200", outcome="succeeded")
    told |= series("peer_htlc_outstanding_seconds_total", "0+2x200", outcome="failed")
    expected = [Expected(shown(FAILURES, FAILS, "G"), LATE, {'{peer="bank"}': 2})]
    assert not query_errors(tmp_path, told, expected, recorded())


@pytest.mark.parametrize(
    ("values", "sat"), [("_x90 5000x100", 5), ("_x90 5000x10 9000x90", 9), ("5000x90 9000x100", 4), ("5000x200", 0)]
)
def test_first_rebalance_through_a_peer(values: str, sat: float, tmp_path: Path) -> None:
    """Its series begins with what it counts: that is not lost. One that was there before counts what it grew by."""
    told = node() | series("peer_rebalanced_in_msat_total", values)
    expected = [Expected(f"round({shown(FAILURES, COST, 'E')}, 0.5)", LATE, {'{peer="bank"}': sat})]
    assert not query_errors(tmp_path, told, expected, recorded())


@pytest.mark.parametrize("of_rebalances", ["0+100x200", "_x200"], ids=["rebalances", "none counted yet"])
def test_fees_of_payments_and_of_rebalances(of_rebalances: str, tmp_path: Path) -> None:
    """The fees of payments are what the rebalances leave of all fees."""
    told = node() | series("peer_fees_msat_total", "0+300x200")
    told |= series("peer_rebalance_fees_msat_total", of_rebalances)
    cost = 6 if "100" in of_rebalances else 0
    expected = [
        Expected(f"round({shown(FAILURES, COST, letter)}, 0.5)", LATE, {'{peer="bank"}': sat})
        for letter, sat in (("C", 18 - cost), ("D", cost))
    ]
    assert not query_errors(tmp_path, told, expected, recorded())


def test_a_peer_without_rebalances(tmp_path: Path) -> None:
    """It shows zeros."""
    expected = [Expected(shown(FAILURES, COST, letter), LATE, {'{peer="bank"}': 0}) for letter in "BCDEF"]
    assert not query_errors(tmp_path, node(), expected, recorded())


@pytest.mark.parametrize(("uid", "title"), [(FAILURES, FAILS), (FAILURES, COST)])
def test_peers_have_names_while_the_exporter_is_away(uid: str, title: str, tmp_path: Path) -> None:
    """For all of the time shown; the beginning of the key, if the alias isn't known."""
    told = {
        **series("peer_sent_msat_total", "0x60 _x120"),
        **series("peer_info", "1x60 _x120", alias="The Bank"),
        **series("peer_sent_msat_total", "0x60 _x120", peer="02cd567890"),
    }
    names = f"count by (peer, alias) ({panel_query(uid, title, 'A', '4h')})"
    expected = {'{peer="bank", alias="The Bank"}': 1.0, '{peer="02cd567890", alias="02cd5678"}': 1.0}
    assert not query_errors(tmp_path, told, [Expected(names, 175, expected)], recorded())


def test_peer_that_has_changed_its_alias(tmp_path: Path) -> None:
    """It has the new one, also for the time before."""
    told = series("peer_sent_msat_total", "0x120") | series("peer_info", "1x59 _x60", alias="The Bank")
    told |= series("peer_info", "_x60 1x60", alias="A Bank")
    names = f"count by (alias) ({panel_query(FAILURES, COST, 'A', '4h')})"
    assert not query_errors(tmp_path, told, [Expected(names, LATE - 1, {'{alias="A Bank"}': 1})], recorded())
