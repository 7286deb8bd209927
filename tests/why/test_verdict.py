"""The table of verdicts: what lnd said and finds, and what follows."""

import re
from pathlib import Path
from typing import Any

import pytest

from exporter.explain.answers import Found
from exporter.explain.verdict import Judgement, Verdict, judge
from exporter.payments.labels import Cause, Code, FailureSource, Reason
from exporter.payments.payment import Attempt
from exporter.why.advice import _ADVICE
from exporter.why.texts import _BECAUSE
from tests.payments.build import FAILED, IN_FLIGHT, INITIATED, SUCCEEDED, failed, flying, refused, settled
from tests.why.scene import (
    ACTIVE,
    DRAINED,
    ENOUGH,
    IN_PIECES,
    LISTED,
    NO_PATH,
    OFFLINE,
    ROUTE,
    TO_PEER,
    TOO_LITTLE,
    UNLIKELY,
    answers,
    before_recipient,
    invoice,
    over_channel,
    with_htlcs,
)

TABLE = Path(__file__).parents[2] / "docs" / "why.md"
NO_ROUTE, TIMEOUT, ERROR, BALANCE = Reason.NO_ROUTE, Reason.TIMEOUT, Reason.ERROR, Reason.INSUFFICIENT_BALANCE
DETAILS = Reason.INCORRECT_PAYMENT_DETAILS


def test_paid() -> None:
    """Perhaps after lnd had given it up."""
    assert judge(answers(SUCCEEDED, settled(flying()))) == Judgement(Verdict.PAID)
    assert judge(answers(SUCCEEDED, settled(flying()), reason=TIMEOUT)) == Judgement(Verdict.PAID_LATE)


@pytest.mark.parametrize(
    ("attempts", "at_s", "verdict"),
    [
        ([flying(sent_s=1)], 60.9, Verdict.ON_ITS_WAY),
        ([flying(sent_s=1)], 61, Verdict.HELD_NOW),
        ([flying(1, sent_s=1), flying(2, sent_s=50)], 61, Verdict.HELD_NOW),
        ([failed(flying(1), end_s=2), flying(2, sent_s=50)], 61, Verdict.ON_ITS_WAY),
        ([], 599, Verdict.BETWEEN_ATTEMPTS),
        ([], 600, Verdict.STUCK),
        ([failed(flying(1), end_s=2)], 601.9, Verdict.BETWEEN_ATTEMPTS),
        ([failed(flying(1), end_s=2)], 602, Verdict.STUCK),
        ([settled(flying(1), end_s=2), flying(2, sent_s=50)], 120, Verdict.HELD_NOW),
    ],
)
def test_in_flight(attempts: list[Attempt], at_s: float, verdict: Verdict) -> None:
    """The oldest HTLC that is outstanding decides; without any the last thing that happened."""
    assert judge(answers(IN_FLIGHT, *attempts, at_s=at_s)) == Judgement(verdict)
    assert judge(answers(IN_FLIGHT, *attempts, at_s=at_s, reason=TIMEOUT)) == Judgement(verdict)
    if not attempts:
        assert judge(answers(INITIATED, at_s=at_s)) == Judgement(verdict)


GHOST = Judgement(Verdict.GHOST, guess=True)
SENT = over_channel(flying(1, sent_s=1))


@pytest.mark.parametrize(
    ("attempts", "at_s", "channels", "expected"),
    [
        ([SENT], 301, (ACTIVE,), GHOST),
        ([SENT], 300.9, (ACTIVE,), Judgement(Verdict.HELD_NOW)),  # the peer may not have acknowledged it
        ([SENT], 301, with_htlcs(LISTED), Judgement(Verdict.HELD_NOW)),
        ([SENT], 301, (ACTIVE._replace(active=False),), Judgement(Verdict.HELD_NOW)),
        ([SENT], 301, ENOUGH, Judgement(Verdict.HELD_NOW)),  # the channel is closed: the HTLC is resolved on chain
        ([SENT], 301, (), Judgement(Verdict.HELD_NOW)),
        ([SENT], 301, None, Judgement(Verdict.HELD_NOW)),
        ([flying(1, sent_s=1)], 301, (ACTIVE,), Judgement(Verdict.HELD_NOW)),  # AMP
        ([SENT, SENT._replace(attempt_id=2)], 301, with_htlcs(LISTED), GHOST),
        ([SENT, over_channel(flying(2, sent_s=299))], 301, with_htlcs(LISTED), Judgement(Verdict.HELD_NOW)),
        ([settled(SENT, end_s=2), over_channel(flying(2, sent_s=299))], 301, (ACTIVE,), Judgement(Verdict.ON_ITS_WAY)),
    ],
)
def test_ghost(attempts: list[Attempt], at_s: float, channels: Any, expected: Judgement) -> None:
    """An HTLC sent long ago isn't on its channel, which is active. It is a guess: lnd may just be removing it."""
    assert judge(answers(IN_FLIGHT, *attempts, at_s=at_s, channels=channels)) == expected


POLICY = failed(flying(2), Code.FEE_INSUFFICIENT, FailureSource.FIRST_HOP)
GONE = before_recipient(flying(1), Code.UNKNOWN_NEXT_PEER)
FULL = before_recipient(flying(1), Code.TEMPORARY_CHANNEL_FAILURE)


@pytest.mark.parametrize(
    ("reason", "attempts", "verdict"),
    [
        (NO_ROUTE, [GONE], Verdict.RECIPIENT_UNREACHABLE),
        (NO_ROUTE, [FULL], Verdict.RECIPIENT_LIQUIDITY),
        (NO_ROUTE, [FULL, POLICY, POLICY._replace(attempt_id=3)], Verdict.ROUTE_POLICY),
        (ERROR, [failed(flying(), Code.UNKNOWN_NEXT_PEER, FailureSource.SELF)], Verdict.OWN_CHANNEL),
        (TIMEOUT, [refused(flying(), end_s=80)], Verdict.HELD),
        (TIMEOUT, [FULL], Verdict.RECIPIENT_LIQUIDITY),
        (TIMEOUT, [FULL._replace(resolve_ns=FULL.attempt_ns + 60 * 10**9)], Verdict.HELD),
        (DETAILS, [refused(flying())], Verdict.RECIPIENT),
        (DETAILS, [], Verdict.RECIPIENT),
        (Reason.CANCELED, [FULL], Verdict.CALLER),
        (ERROR, [], Verdict.OTHER),
        (Reason.OTHER, [], Verdict.OTHER),
        (TIMEOUT, [], Verdict.TIMEOUT),
    ],
)
def test_failed_by_what_lnd_says(reason: Reason, attempts: list[Attempt], verdict: Verdict) -> None:
    """The cause by which the exporter counts it, whatever lnd finds now."""
    for found in (Found(), Found(ROUTE), Found(NO_PATH, NO_PATH), Found(TOO_LITTLE)):
        assert judge(answers(FAILED, *attempts, reason=reason, found=found)) == Judgement(verdict)


@pytest.mark.parametrize(
    ("found", "channels", "verdict"),
    [
        (Found(ROUTE), ENOUGH, Verdict.FEE_LIMIT),
        (Found(ROUTE), None, Verdict.FEE_LIMIT),
        (Found(UNLIKELY, None, TO_PEER), ENOUGH, Verdict.RECIPIENT_AVOIDED),
        (Found(UNLIKELY, None, UNLIKELY), ENOUGH, Verdict.ROUTE_AVOIDED),
        (Found(UNLIKELY), ENOUGH, Verdict.ROUTE_AVOIDED),
        (Found(NO_PATH, ROUTE, TO_PEER), ENOUGH, Verdict.RECIPIENT_AVOIDED),
        (Found(NO_PATH, ROUTE, TO_PEER, ROUTE, 2), ENOUGH, Verdict.RECIPIENT_AVOIDED),
        (Found(NO_PATH, ROUTE, NO_PATH), ENOUGH, Verdict.ROUTE_AVOIDED),
        (Found(NO_PATH, ROUTE), ENOUGH, Verdict.ROUTE_AVOIDED),
        (Found(NO_PATH, NO_PATH, None, ROUTE, 2), ENOUGH, Verdict.TOO_LARGE),
        (Found(NO_PATH, NO_PATH), IN_PIECES, Verdict.TOO_LARGE),
        (Found(NO_PATH, NO_PATH), ENOUGH, Verdict.NO_ROUTE),
        (Found(NO_PATH, NO_PATH), None, Verdict.NO_ROUTE),
        (Found(TOO_LITTLE), DRAINED, Verdict.OWN_LIQUIDITY),
        (Found(TOO_LITTLE), None, Verdict.OWN_LIQUIDITY),
        (Found(TOO_LITTLE), OFFLINE, Verdict.OWN_INACTIVE),
        (Found(), DRAINED, Verdict.OWN_LIQUIDITY),
        (Found(), OFFLINE, Verdict.OWN_INACTIVE),
        (Found(), IN_PIECES, Verdict.TOO_LARGE),
        (Found(), ENOUGH, Verdict.UNEXPLAINED),
        (Found(), None, Verdict.UNEXPLAINED),
    ],
)
def test_no_route_by_what_lnd_finds_now(found: Found, channels: Any, verdict: Verdict) -> None:
    """Without attempts only this is left; it is a guess, and says so."""
    guess = verdict is not Verdict.UNEXPLAINED
    assert judge(answers(FAILED, reason=NO_ROUTE, found=found, channels=channels)) == Judgement(verdict, guess)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (ENOUGH, Judgement(Verdict.OWN_LIQUIDITY)),
        (DRAINED, Judgement(Verdict.OWN_LIQUIDITY)),
        (None, Judgement(Verdict.OWN_LIQUIDITY)),
        (OFFLINE, Judgement(Verdict.OWN_INACTIVE, guess=True)),
        ((*DRAINED, *OFFLINE), Judgement(Verdict.OWN_INACTIVE, guess=True)),
        ((OFFLINE[0]._replace(spendable_msat=999_999),), Judgement(Verdict.OWN_LIQUIDITY)),
    ],
)
def test_insufficient_balance(channels: Any, expected: Judgement) -> None:
    """lnd says so; whether peers are offline is known only of now."""
    assert judge(answers(FAILED, reason=BALANCE, channels=channels)) == expected


def test_invoice_that_had_expired() -> None:
    """It explains a refusal only if it expired before the end of the last attempt."""
    refusal = refused(flying(), end_s=30)
    for expires_s, attempts, verdict in (
        (30, [refusal], Verdict.INVOICE_EXPIRED),
        (31, [refusal], Verdict.RECIPIENT),
        (0, [], Verdict.INVOICE_EXPIRED),
        (1, [], Verdict.RECIPIENT),
    ):
        known = answers(FAILED, *attempts, reason=DETAILS, invoice=invoice(expires_s))
        assert judge(known) == Judgement(verdict)


def test_verdicts_with_the_name_of_a_cause_are_causes() -> None:
    """All causes are verdicts, and each verdict has a sentence, advice and a row in the documentation."""
    assert {cause.value for cause in Cause} < {verdict.value for verdict in Verdict}
    assert set(_BECAUSE) | {Verdict.PAID, Verdict.PAID_LATE} == set(_ADVICE) == set(Verdict)
    documented = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", TABLE.read_text(), flags=re.MULTILINE)
    assert documented == [verdict.value for verdict in Verdict]
