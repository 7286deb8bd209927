"""What the exporter has seen of a payment whose attempts lnd has deleted: cause, number of attempts, last failure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.explain.answers import Found
from exporter.explain.verdict import Judgement, Verdict, judge
from exporter.payments.ended import EndedPayment
from exporter.payments.labels import Reason
from exporter.store import Store, StoreError
from exporter.why.counted import find_counted
from tests.payments.build import FAILED, PEER, RUN, failed, flying
from tests.store.ended_entries import DESTINATION, FAR, entry
from tests.store.test_ended import node
from tests.store.test_store import busy_node, saved_node
from tests.why.scene import ALIASES, NO_PATH, OFFLINE, ROUTE, answers, invoice
from tests.why.test_text import DENIED, lines

NO_ROUTE, TIMEOUT, BALANCE = Reason.NO_ROUTE, Reason.TIMEOUT, Reason.INSUFFICIENT_BALANCE


def counted(**changes: Any) -> EndedPayment:
    """Return the entry of the payment of the other tests."""
    return entry(1, run=RUN, **changes)


def test_the_run_is_found_in_the_state_file(tmp_path: Path) -> None:
    """Of this node, and not another run of the same hash; a file without the node, or that isn't there, is an error."""
    path = tmp_path / "state.sqlite"
    earlier = entry(1, run=RUN._replace(created_us=RUN.created_us - 1))
    store = Store(path)
    store.save({"alice": node(earlier, entry(2, run=RUN), entry(3)), "bob": node(earlier)})
    assert find_counted(path, "alice", "", RUN) == entry(2, run=RUN)
    assert find_counted(path, "bob", "", RUN) is None
    for key in ("", "02" + "77" * 32):
        with pytest.raises(StoreError, match="has no node carol; its nodes: alice, bob"):
            find_counted(path, "carol", key, RUN)
    store.close()
    with pytest.raises(StoreError, match="does not exist"):
        find_counted(tmp_path / "nothing", "alice", "", RUN)


def test_the_node_is_found_by_its_key(tmp_path: Path) -> None:
    """If the address is given by flags, the command doesn't know the name that the node has in the file."""
    path, kept = tmp_path / "state.sqlite", saved_node(busy_node())
    assert kept.state.pubkey
    store = Store(path)
    store.save({"alice": node(entry(2, run=RUN))})
    store.close()
    assert find_counted(path, "lnd", kept.state.pubkey, RUN) == entry(2, run=RUN)


@pytest.mark.parametrize(
    ("reason", "changes", "expected"),
    [
        (NO_ROUTE, {"cause": "recipient_unreachable"}, Judgement(Verdict.RECIPIENT_UNREACHABLE)),
        (TIMEOUT, {"cause": "held"}, Judgement(Verdict.HELD)),
        (BALANCE, {"cause": "own_inactive"}, Judgement(Verdict.OWN_INACTIVE)),
        (BALANCE, {"cause": "own_liquidity"}, Judgement(Verdict.OWN_LIQUIDITY)),
        (NO_ROUTE, {"cause": "no_route", "attempts": 0}, Judgement(Verdict.FEE_LIMIT, guess=True)),
        (NO_ROUTE, {"cause": "of a newer version"}, Judgement(Verdict.FEE_LIMIT, guess=True)),
        (NO_ROUTE, {"outcome": "lost", "cause": "retried"}, Judgement(Verdict.FEE_LIMIT, guess=True)),
        (TIMEOUT, {"cause": "other"}, Judgement(Verdict.TIMEOUT)),
    ],
)
def test_what_was_counted_is_no_guess(reason: Reason, changes: dict[str, Any], expected: Judgement) -> None:
    """It wins over what lnd finds now; without a cause that says more, that is all there is."""
    known = answers(FAILED, reason=reason, found=Found(ROUTE), counted=counted(**changes), channels=None)
    assert judge(known) == expected


def test_attempts_that_lnd_still_has_come_first() -> None:
    """And an invoice that had expired explains a refusal."""
    known = answers(FAILED, failed(flying()), reason=NO_ROUTE, counted=counted(cause="held"))
    assert judge(known) == Judgement(Verdict.ROUTE_LIQUIDITY)
    refusal = answers(FAILED, reason=Reason.INCORRECT_PAYMENT_DETAILS, counted=counted(cause="recipient"))
    assert judge(refusal) == Judgement(Verdict.RECIPIENT)
    assert judge(replace(refusal, invoice=invoice(0))) == Judgement(Verdict.INVOICE_EXPIRED)


def test_recipient_is_known_without_invoice() -> None:
    """By the list, if nothing else shows it."""
    assert answers(FAILED, invoice=None, counted=counted()).recipient == DESTINATION
    assert answers(FAILED, invoice=None, counted=counted(destination="")).recipient == ""


LAST = "the last failed with temporary channel failure, by"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f" as route_liquidity; lnd has deleted 2 attempts through Harbour Bank, router; {LAST} router"),
        (
            {"attempts": 1, "first_hops": (PEER,), "failure_source": "first_hop", "failed_by": ""},
            f" as route_liquidity; lnd has deleted 1 attempt through Harbour Bank; {LAST} the first hop",
        ),
        (
            {"attempts": None, "first_hops": (), "failure_code": "", "failure_source": ""},
            " as route_liquidity; lnd has deleted its attempts",
        ),
        (
            {"first_hops": (), "failure_code": "unreadable_failure", "failure_source": "unknown", "failed_by": ""},
            (
                " as route_liquidity; lnd has deleted 2 attempts; the last failed with unreadable failure,"
                " by an unknown node"
            ),
        ),
        ({"cause": "no_route", "attempts": 0}, ", and saw that lnd made no attempt"),
    ],
)
def test_what_was_seen_is_told(changes: dict[str, Any], line: str) -> None:
    """Instead of the doubt whether there were attempts."""
    aliases = {**ALIASES, FAR: "router"}
    known = answers(FAILED, reason=NO_ROUTE, found=Found(NO_PATH), channels=OFFLINE, counted=counted(**changes))
    told = lines(replace(known, aliases=aliases))
    assert f"  the exporter counted it at 2026-05-28 20:26:41 UTC{line}" in told
    assert not any("it made none, or deleted them" in each for each in told)


def test_no_attempt_and_no_route_asked_for() -> None:
    """The exporter knows that there was none, where lnd only has none."""
    known = answers(FAILED, reason=NO_ROUTE, counted=counted(attempts=0, cause="no_route"), not_answered=(DENIED,))
    assert lines(known)[0] == (
        "alice: failed: no route; lnd made no attempt; the reason is not known, because the macaroon doesn't allow to"
        " ask lnd for a route now"
    )
