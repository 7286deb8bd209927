"""The verdict about a payment. Pure: answers in, one value of a closed set out; docs/why.md has the table."""

from enum import StrEnum
from typing import NamedTuple

from exporter.explain.answers import Answers
from exporter.payments.attempts import SeenAttempts
from exporter.payments.balance import lacks_inactive
from exporter.payments.cause import payment_cause
from exporter.payments.findings import NoRoute, Route
from exporter.payments.labels import Cause, Reason, Status
from exporter.payments.payment import NS_PER_S

HELD_AFTER_NS = 60 * NS_PER_S
"""An HTLC that is outstanding for longer is called held: lnd's own time for a payment is over by then."""
STUCK_AFTER_NS = 600 * NS_PER_S
"""A payment in flight without HTLC for longer is called stuck: between two attempts lnd takes seconds."""


class Verdict(StrEnum):
    """What became of a payment. Words that are also values of the label `cause` mean the same."""

    PAID = "paid"
    PAID_LATE = "paid_late"
    """After lnd had given it up."""

    ON_ITS_WAY = "on_its_way"
    HELD_NOW = "held_now"
    GHOST = "ghost"
    """An HTLC is on no channel any more: nothing can end it."""
    BETWEEN_ATTEMPTS = "between_attempts"
    STUCK = "stuck"

    # Why it failed, as lnd and its attempts say.
    OWN_LIQUIDITY = Cause.OWN_LIQUIDITY.value
    OWN_CHANNEL = Cause.OWN_CHANNEL.value
    OWN_INACTIVE = Cause.OWN_INACTIVE.value
    ROUTE_LIQUIDITY = Cause.ROUTE_LIQUIDITY.value
    ROUTE_POLICY = Cause.ROUTE_POLICY.value
    NO_ROUTE = Cause.NO_ROUTE.value
    RECIPIENT = Cause.RECIPIENT.value
    RECIPIENT_LIQUIDITY = Cause.RECIPIENT_LIQUIDITY.value
    RECIPIENT_UNREACHABLE = Cause.RECIPIENT_UNREACHABLE.value
    HELD = Cause.HELD.value
    CALLER = Cause.CALLER.value
    UNREADABLE = Cause.UNREADABLE.value
    OTHER = Cause.OTHER.value

    # Why it failed, as far as what lnd finds now lets guess.
    INVOICE_EXPIRED = "invoice_expired"
    FEE_LIMIT = "fee_limit"
    TOO_LARGE = "too_large"
    RECIPIENT_AVOIDED = "recipient_avoided"
    ROUTE_AVOIDED = "route_avoided"
    TIMEOUT = "timeout"
    UNEXPLAINED = "unexplained"


class Judgement(NamedTuple):
    """A verdict, and what it rests on."""

    verdict: Verdict
    guess: bool = False
    """True if it follows from what lnd finds now, which may not be what it found then."""


def judge(answers: Answers) -> Judgement:
    """Return the verdict."""
    payment = answers.detail.payment
    if payment.status is Status.SUCCEEDED:
        return Judgement(Verdict.PAID if payment.reason is Reason.NONE else Verdict.PAID_LATE)
    if payment.status is not Status.FAILED:
        return Judgement(Verdict.GHOST, guess=True) if answers.ghosts else Judgement(_in_flight(answers))
    return _failed(answers)


def _failed(answers: Answers) -> Judgement:
    payment, counted = answers.detail.payment, answers.counted_cause
    if counted and not payment.attempts and not (counted is Cause.RECIPIENT and expired_in_time(answers)):
        return Judgement(Verdict(counted.value))
    if payment.reason is Reason.INSUFFICIENT_BALANCE:
        return _own_balance(answers, certain=True)
    cause = _cause(answers)
    if cause is Cause.RECIPIENT and expired_in_time(answers):
        return Judgement(Verdict.INVOICE_EXPIRED)
    if payment.attempts or cause not in (Cause.NO_ROUTE, Cause.OTHER):
        return Judgement(Verdict(cause.value))
    if payment.reason is Reason.TIMEOUT:
        return Judgement(Verdict.TIMEOUT)
    return judge_without_attempts(answers) if payment.reason is Reason.NO_ROUTE else Judgement(Verdict.OTHER)


def expired_in_time(answers: Answers) -> bool:
    """Return True if the invoice had expired when the last attempt ended, or when the payment was made without any."""
    payment, invoice = answers.detail.payment, answers.invoice
    return invoice is not None and invoice.expires_s * NS_PER_S <= (payment.latest_ns or payment.created_ns)


def _in_flight(answers: Answers) -> Verdict:
    payment = answers.detail.payment
    sent_ns = [one.attempt.attempt_ns for one in answers.detail.attempts if one.in_flight]
    if sent_ns:
        return Verdict.HELD_NOW if answers.at_ns - min(sent_ns) >= HELD_AFTER_NS else Verdict.ON_ITS_WAY
    idle_ns = answers.at_ns - (payment.latest_ns or payment.created_ns)
    return Verdict.STUCK if idle_ns >= STUCK_AFTER_NS else Verdict.BETWEEN_ATTEMPTS


def _cause(answers: Answers) -> Cause:
    """Return the cause by which the exporter would count it, by the attempts that lnd still has."""
    detail = answers.detail
    seen = SeenAttempts(run=detail.payment.run, from_beginning=False)
    seen.learn(detail.payment.attempts)
    elapsed_ns = detail.elapsed_ns(answers.at_ns)
    held = seen.refused or (elapsed_ns is not None and seen.longest_ns * 2 > elapsed_ns)
    return payment_cause(detail.payment.reason, seen.failures, held=held)


def _own_balance(answers: Answers, *, certain: bool) -> Judgement:
    """Return whether the node has too little, or has enough and its peers are offline, which is known only of now."""
    balance, amount_msat = answers.balance, answers.detail.payment.value_msat
    if balance and lacks_inactive(amount_msat, balance.active_msat, balance.inactive_msat):
        return Judgement(Verdict.OWN_INACTIVE, guess=True)
    return Judgement(Verdict.OWN_LIQUIDITY, guess=not certain)


def judge_without_attempts(answers: Answers) -> Judgement:
    """Return what is likely for a payment that found no route, and of which lnd has no attempt (any more)."""
    found, balance, amount_msat = answers.found, answers.balance, answers.detail.payment.value_msat
    if found.likely:
        return Judgement(Verdict.FEE_LIMIT, guess=True)
    if found.whole is NoRoute.INSUFFICIENT_BALANCE or (balance and balance.active_msat < amount_msat):
        return _own_balance(answers, certain=False)
    if found.avoided:
        before = found.before_recipient
        near = isinstance(before, Route) and before.likely
        return Judgement(Verdict.RECIPIENT_AVOIDED if near else Verdict.ROUTE_AVOIDED, guess=True)
    if found.part or (balance and balance.largest_msat < amount_msat):
        return Judgement(Verdict.TOO_LARGE, guess=True)
    if found.whole is NoRoute.NO_PATH:
        return Judgement(Verdict.NO_ROUTE, guess=True)
    return Judgement(Verdict.UNEXPLAINED)
