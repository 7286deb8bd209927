"""Which payments are looked into, and what the answers of lnd are counted as."""

from dataclasses import replace
from typing import Any

import pytest

from exporter.explain.answers import Found, NotAnswered
from exporter.explain.check import check
from exporter.payments.ended import is_unexplained
from exporter.payments.event import Ending, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.findings import Route
from exporter.payments.labels import Cause, Kind, Lost, Reason, RouteCheck
from tests.payments.build import FAILED, IN_FLIGHT, PEER, RUN, SUCCEEDED, failed, flying
from tests.why.scene import DRAINED, IN_PIECES, NO_PATH, OFFLINE, ROUTE, TO_PEER, TOO_LITTLE, UNLIKELY, answers

NO_ROUTE, TIMEOUT = Reason.NO_ROUTE, Reason.TIMEOUT
ENDING = Ending(
    run=RUN,
    kind=Kind.INVOICE,
    reason=NO_ROUTE,
    value_msat=1_000_000,
    fee_msat=0,
    parts=0,
    duration_ns=1,
    attempts=0,
    recovered=False,
)


@pytest.mark.parametrize("reason", [NO_ROUTE, TIMEOUT])
def test_without_route_and_attempt(reason: Reason) -> None:
    """These leave nothing behind that says why."""
    assert is_unexplained(PaymentFailed(ENDING._replace(reason=reason), Cause.NO_ROUTE))


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": 1},
        {"attempts": None},
        {"recovered": True},
        *({"reason": reason} for reason in Reason if reason not in (NO_ROUTE, TIMEOUT)),
        *({"kind": kind} for kind in Kind if kind is not Kind.INVOICE),
    ],
    ids=str,
)
def test_what_is_not_looked_into(changes: dict[str, Any]) -> None:
    """What attempts say, what ended long ago, and what lnd can't be asked about."""
    assert not is_unexplained(PaymentFailed(ENDING._replace(**changes), Cause.NO_ROUTE))


def test_other_ends() -> None:
    """They didn't fail."""
    assert not is_unexplained(PaymentSucceeded(ENDING))
    assert not is_unexplained(PaymentLost(ENDING, Lost.DELETED))


@pytest.mark.parametrize(
    ("reason", "changes", "expected"),
    [
        (NO_ROUTE, {"found": Found(ROUTE)}, RouteCheck.FEE_LIMIT),
        (TIMEOUT, {"found": Found(ROUTE)}, RouteCheck.TIMEOUT),
        (TIMEOUT, {"found": Found(NO_PATH, NO_PATH)}, RouteCheck.NO_ROUTE),
        (NO_ROUTE, {"found": Found(NO_PATH, NO_PATH)}, RouteCheck.NO_ROUTE),
        (NO_ROUTE, {"found": Found(NO_PATH, NO_PATH, None, ROUTE, 2)}, RouteCheck.TOO_LARGE),
        (NO_ROUTE, {"found": Found(NO_PATH, NO_PATH), "channels": IN_PIECES}, RouteCheck.TOO_LARGE),
        (NO_ROUTE, {"found": Found(TOO_LITTLE), "channels": DRAINED}, RouteCheck.OWN_LIQUIDITY),
        (NO_ROUTE, {"found": Found(TOO_LITTLE), "channels": OFFLINE}, RouteCheck.OWN_INACTIVE),
        (NO_ROUTE, {"found": Found(NO_PATH, ROUTE, TO_PEER)}, RouteCheck.RECIPIENT_AVOIDED),
        (NO_ROUTE, {"found": Found(UNLIKELY, None, TO_PEER)}, RouteCheck.RECIPIENT_AVOIDED),
        (NO_ROUTE, {"found": Found(NO_PATH, Route(1, 1.0, (PEER,)), NO_PATH)}, RouteCheck.ROUTE_AVOIDED),
        (NO_ROUTE, {"found": Found(), "invoice": None}, RouteCheck.UNKNOWN),
    ],
)
def test_verdicts(reason: Reason, changes: dict[str, Any], expected: RouteCheck) -> None:
    """As `why` would guess; but with a timeout there was no attempt, which `why` can't know."""
    assert check(answers(FAILED, reason=reason, **changes), RUN) is expected


@pytest.mark.parametrize(("denied", "expected"), [(True, RouteCheck.DENIED), (False, RouteCheck.FAILED)])
@pytest.mark.parametrize("call", ["DecodePayReq", "QueryRoutes"])
def test_a_question_without_answer(call: str, denied: bool, expected: RouteCheck) -> None:  # noqa: FBT001
    """Whatever else was found: half an answer isn't one. Without the channels nearly all can be said."""
    known = answers(FAILED, reason=NO_ROUTE, found=Found(NO_PATH))
    missing = NotAnswered(call, "no", denied)
    assert check(replace(known, not_answered=(missing,)), RUN) is expected
    channels = NotAnswered("ListChannels", "no", denied)
    without = replace(known, not_answered=(channels,), found=Found(ROUTE), channels=None)
    assert check(without, RUN) is RouteCheck.FEE_LIMIT


def test_another_run_of_the_hash() -> None:
    """It has been paid again since: the answers are about that."""
    known = answers(FAILED, reason=NO_ROUTE, found=Found(ROUTE))
    assert check(known, RUN._replace(created_us=RUN.created_us - 1)) is RouteCheck.UNKNOWN
    for other in (
        answers(IN_FLIGHT),
        answers(SUCCEEDED),
        answers(FAILED, failed(flying()), reason=NO_ROUTE, found=Found(ROUTE)),
    ):
        assert check(other, RUN) is RouteCheck.UNKNOWN
