"""Replays payments that ended before anybody watched: the facts of each, with the time of each fact by lnd's clock.

The facts are those that the live side learns if it asks for a payment after its end, so both have one understanding.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from exporter.payments.destinations import Recipients
from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    AttemptUnresolved,
    Ending,
    Event,
    PaymentFailed,
    PaymentStarted,
    PaymentSucceeded,
)
from exporter.payments.labels import Lost, Source
from exporter.payments.payment import NS_PER_US, Moment, Payment
from exporter.payments.receipt import Receipt, Subscription
from exporter.payments.run import OpenRun


class PastFact(NamedTuple):
    """A fact, and when it happened."""

    at_ns: int
    """lnd's clock, nanoseconds since 1970."""
    event: Event


_AT_NS: Callable[[PastFact], int] = itemgetter(0)
_DELETED = Lost.DELETED  # Python 3.11 takes longer to look up the member of an enum than a global name
_NO_TIME = Moment(0, 0)
_ASKED = Receipt(Source.LIST, _NO_TIME, _NO_TIME, Subscription())
"""Our own times matter only for ends that are seen live."""


def replay(payment: Payment, recipients: Recipients) -> list[PastFact]:
    """Return the facts of an ended payment, in the order in which they happened; it must not be malformed.

    Changes of status aren't among them, for a list doesn't show them. If the end time isn't known anywhere (lnd has
    deleted the attempts of a payment that failed), the end has the time of the last thing that is known of the payment.
    """
    run = OpenRun(
        run=payment.run,
        payment_index=payment.payment_index,
        value_msat=payment.value_msat,
        from_beginning=False,
        news_mono_ns=0,
        invoice=payment.invoice,
    )
    payment = recipients.note(run, payment)
    attempts = run.receive(payment, _ASKED)
    ends = run.close(_DELETED, None)
    assert run.terminal is not None, "it hasn't ended"
    created_ns = payment.created_ns
    latest_ns = max(created_ns, run.terminal.latest_ns)
    facts = [PastFact(created_ns, PaymentStarted(run.run))]
    for event in attempts:
        match event:
            case AttemptStarted():
                facts.append(PastFact(max(created_ns, event.attempt.attempt_ns), event))
            case AttemptSettled() | AttemptFailed():
                attempt = event.attempt
                facts.append(PastFact(max(created_ns, attempt.attempt_ns, attempt.resolve_ns), event))
    for event in ends:
        match event:
            case PaymentSucceeded() | PaymentFailed():
                facts.append(PastFact(_ended_ns(event.ending, latest_ns), event))
            case AttemptUnresolved():
                facts.append(PastFact(latest_ns, event))
    facts.sort(key=_AT_NS)  # stable: what happens at one time stays in order
    return facts


def _ended_ns(ending: Ending, latest_ns: int) -> int:
    if ending.duration_ns is None:
        return latest_ns
    return max(latest_ns, ending.run.created_us * NS_PER_US + ending.duration_ns)
