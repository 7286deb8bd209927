"""Payments that ended before anybody watched: which facts they have, and when each of them happened."""

from collections import Counter as Tally
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.payments.destinations import Recipients
from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    AttemptUnresolved,
    BalanceLacked,
    Event,
    LastFailure,
    PaymentFailed,
    PaymentStarted,
    PaymentSucceeded,
    StatusChanged,
    UpdateReceived,
)
from exporter.payments.labels import (
    AttemptStatus,
    Cause,
    Code,
    FailureSource,
    Kind,
    Purpose,
    Reason,
    Source,
    Unresolved,
)
from exporter.payments.past import replay
from exporter.payments.payment import Attempt, Payment
from exporter.payments.tracker import Tracker
from tests.payments.build import (
    FAILED,
    HASH,
    OTHER_HASH,
    PEER,
    RUN,
    SECOND,
    SUCCEEDED,
    T0,
    at,
    failed,
    flying,
    payment,
    refused,
    settled,
)

OTHER_PEER = "03" + "22" * 32
DESTINATION = "02" + "33" * 32
UNSHOWN = (UpdateReceived, StatusChanged, BalanceLacked)
"""Facts of the live side that a list of the past doesn't show, or that count nothing."""


def replayed(snapshot: Payment, recipients: Recipients | None = None) -> list[tuple[float, Event]]:
    """Return the facts of a payment, each with its time in seconds after `T0`."""
    return [((fact.at_ns - T0) / SECOND, fact.event) for fact in replay(snapshot, recipients or Recipients())]


def end_of(snapshot: Payment) -> PaymentSucceeded | PaymentFailed:
    """Return the last fact of a payment."""
    end = replayed(snapshot)[-1][1]
    assert isinstance(end, PaymentSucceeded | PaymentFailed)
    return end


def test_an_ordinary_payment() -> None:
    """Created, sent after a second, settled after two: each fact has lnd's time, and the end is that of the HTLC."""
    attempt = settled(flying())
    snapshot = payment(SUCCEEDED, attempt)._replace(destination=DESTINATION)
    end = PaymentSucceeded(end_of(snapshot).ending)
    assert replayed(snapshot) == [
        (0, PaymentStarted(RUN)),
        (1, AttemptStarted(attempt)),
        (2, AttemptSettled(attempt, Purpose.PAYMENT)),
        (2, end),
    ]
    assert end.ending._asdict() == {
        "run": RUN,
        "kind": Kind.INVOICE,
        "reason": Reason.NONE,
        "value_msat": 1_000_000,
        "fee_msat": 10,
        "parts": 1,
        "duration_ns": 2 * SECOND,
        "attempts": None,  # lnd may have deleted some that failed
        "recovered": True,
        "first_hops": (PEER,),
        "destination": DESTINATION,
        "last_failure": None,
        "group": "",
    }


class Kept(NamedTuple):
    """What lnd's list says of a payment, and what it is replayed as."""

    payment: Payment
    facts: list[tuple[float, type[Event]]]
    """Time and class of each fact, in seconds after `T0`, after the start at 0."""
    duration_s: float | None
    attempts: int | None
    """`Ending.attempts`."""
    kind: Kind = Kind.INVOICE
    cause: Cause | None = None
    """Why it failed."""


BARE = payment(SUCCEEDED, settled(flying(hint=Kind.KEYSEND)), invoice=False)
TRIED = failed(flying(1, sent_s=1), end_s=2)
MOST_OF_ITS_LIFE = failed(flying(1, sent_s=1), end_s=31)
STARTED, SETTLED, BROKEN, UNRESOLVED = AttemptStarted, AttemptSettled, AttemptFailed, AttemptUnresolved
PAID, NOT_PAID = PaymentSucceeded, PaymentFailed
CASES = {
    "keysend": Kept(BARE, [(1, STARTED), (2, SETTLED), (2, PAID)], 2, None, Kind.KEYSEND),
    "amp": Kept(
        payment(SUCCEEDED, settled(flying(hint=Kind.AMP)), invoice=False),
        [(1, STARTED), (2, SETTLED), (2, PAID)], 2, None, Kind.AMP,
    ),
    "rebalance": Kept(
        payment(SUCCEEDED, settled(flying(hint=Kind.REBALANCE))),
        [(1, STARTED), (2, SETTLED), (2, PAID)], 2, None, Kind.REBALANCE,
    ),
    "rebalance for which no attempt is left": Kept(
        payment(FAILED, reason=Reason.NO_ROUTE, pays_self=True),
        [(0, NOT_PAID)], None, None, Kind.REBALANCE, Cause.NO_ROUTE,
    ),
    "probe": Kept(
        payment(FAILED, refused(flying()), reason=Reason.INCORRECT_PAYMENT_DETAILS, invoice=False),
        [(1, STARTED), (2, BROKEN), (2, NOT_PAID)], 2, 1, Kind.PROBE, Cause.RECIPIENT,
    ),
    "to a route of one's own": Kept(
        payment(FAILED, failed(flying()), reason=Reason.NO_ROUTE, invoice=False),
        [(1, STARTED), (2, BROKEN), (2, NOT_PAID)], 2, 1, Kind.OTHER, Cause.ROUTE_LIQUIDITY,
    ),
    "nothing shows what it was": Kept(
        payment(FAILED, reason=Reason.NO_ROUTE, invoice=False),
        [(0, NOT_PAID)], None, None, Kind.UNKNOWN, Cause.NO_ROUTE,
    ),
    "three parts, of which the first to be sent is the last to settle": Kept(
        payment(SUCCEEDED, *(settled(flying(n, sent_s=n), end_s=9 - n) for n in (1, 2, 3))),
        [(1, STARTED), (2, STARTED), (3, STARTED), (6, SETTLED), (7, SETTLED), (8, SETTLED), (8, PAID)], 8, None,
    ),
    "the second attempt settles, the first is kept": Kept(
        payment(SUCCEEDED, TRIED, settled(flying(2, sent_s=3), end_s=4)),
        [(1, STARTED), (2, BROKEN), (3, STARTED), (4, SETTLED), (4, PAID)], 4, 2,
    ),
    "succeeded after lnd gave it up": Kept(
        payment(SUCCEEDED, settled(flying(), end_s=99), reason=Reason.TIMEOUT),
        [(1, STARTED), (99, SETTLED), (99, PAID)], 99, None,
    ),
    "failed without any attempt": Kept(
        payment(FAILED, reason=Reason.INSUFFICIENT_BALANCE),
        [(0, NOT_PAID)], None, None, Kind.INVOICE, Cause.OWN_LIQUIDITY,
    ),
    "failed on the way, all attempts kept": Kept(
        payment(FAILED, TRIED, failed(flying(2, sent_s=3), Code.FEE_INSUFFICIENT, end_s=4), reason=Reason.NO_ROUTE),
        [(1, STARTED), (2, BROKEN), (3, STARTED), (4, BROKEN), (4, NOT_PAID)],
        4, 2, Kind.INVOICE, Cause.ROUTE_LIQUIDITY,
    ),
    "timed out while one attempt was held": Kept(
        payment(FAILED, MOST_OF_ITS_LIFE, reason=Reason.TIMEOUT),
        [(1, STARTED), (31, BROKEN), (31, NOT_PAID)], 31, 1, Kind.INVOICE, Cause.HELD,
    ),
    "one attempt was never resolved": Kept(
        payment(SUCCEEDED, flying(1), settled(flying(2), end_s=3)),
        [(1, STARTED), (1, STARTED), (3, SETTLED), (3, UNRESOLVED), (3, PAID)], 3, None,
    ),
    "failed, and its only attempt was never resolved": Kept(
        payment(FAILED, flying(sent_s=5), reason=Reason.ERROR),
        [(5, STARTED), (5, UNRESOLVED), (5, NOT_PAID)], None, None, Kind.INVOICE, Cause.OTHER,
    ),
    "one attempt, listed twice": Kept(
        payment(SUCCEEDED, settled(flying()), settled(flying(), end_s=3)),
        [(1, STARTED), (2, SETTLED), (3, PAID)], 2, None,
    ),
    "resolved before it was sent": Kept(
        payment(SUCCEEDED, settled(flying(sent_s=5), end_s=3)),
        [(5, STARTED), (5, SETTLED), (5, PAID)], 3, None,
    ),
    "sent and resolved before it was created": Kept(
        payment(SUCCEEDED, settled(flying(sent_s=-9), end_s=-8)),
        [(0, STARTED), (0, SETTLED), (0, PAID)], 0, None,
    ),
    "settled at no known time": Kept(
        payment(SUCCEEDED, settled(flying())._replace(resolve_ns=0)),
        [(1, STARTED), (1, SETTLED), (1, PAID)], None, None,
    ),
}  # fmt: skip
"""By what happened."""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_kind_of_past(case: Kept) -> None:
    """Its facts, their times and their order; how long it took and how many attempts it had, if that is known."""
    facts = replayed(case.payment)
    assert [(seconds, type(fact)) for seconds, fact in facts] == [(0, PaymentStarted), *case.facts]
    end = end_of(case.payment)
    duration_ns = None if case.duration_s is None else int(case.duration_s * SECOND)
    assert (end.ending.duration_ns, end.ending.attempts, end.ending.kind) == (duration_ns, case.attempts, case.kind)
    assert end.ending.reason is case.payment.reason
    assert (end.cause if isinstance(end, PaymentFailed) else None) is case.cause


def test_attempts_that_were_never_resolved_are_called_deleted() -> None:
    """As on the live side, if lnd doesn't tell how an HTLC of a payment that is over ended."""
    attempt = flying()
    assert replayed(payment(FAILED, attempt, reason=Reason.ERROR))[2][1] == AttemptUnresolved(
        attempt, Unresolved.DELETED
    )


def test_first_hops() -> None:
    """Those through which parts settled, the largest amount first; else those that were tried, the last one first."""
    small, large = flying(1, msat=10), flying(2, msat=20)._replace(peer=OTHER_PEER)
    assert end_of(payment(SUCCEEDED, settled(small), settled(large))).ending.first_hops == (OTHER_PEER, PEER)
    assert end_of(payment(SUCCEEDED, failed(large), settled(small))).ending.first_hops == (PEER,)
    assert end_of(payment(FAILED, failed(small), failed(large))).ending.first_hops == (OTHER_PEER, PEER)
    assert end_of(payment(SUCCEEDED, settled(flying(msat=0)))).ending.first_hops == ()


def test_the_last_failure() -> None:
    """That of the attempt that failed last by lnd's clock, wherever it is in the list."""
    late, early = refused(flying(1), end_s=9), failed(flying(2), Code.FEE_INSUFFICIENT, end_s=2)
    code, recipient = Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, FailureSource.RECIPIENT
    assert end_of(payment(FAILED, late, early)).ending.last_failure == LastFailure(code, recipient, "", T0 + 9 * SECOND)


def test_recipients() -> None:
    """The group of the recipient is known, also where the recipient isn't kept: then no key of theirs is."""
    recipients = Recipients()
    recipients.groups = {DESTINATION: "shops"}
    tried = failed(flying())._replace(failed_by=OTHER_PEER)
    snapshot = payment(FAILED, tried, reason=Reason.NO_ROUTE)._replace(destination=DESTINATION)
    for kept, key, failed_by in ((True, DESTINATION, OTHER_PEER), (False, "", "")):
        recipients.kept = kept
        facts = replayed(snapshot, recipients)
        end = facts[-1][1]
        assert isinstance(end, PaymentFailed)
        assert (end.ending.group, end.ending.destination) == ("shops", key)
        assert end.ending.last_failure is not None
        assert end.ending.last_failure.failed_by == failed_by
        assert facts[1][1] == AttemptStarted(tried._replace(failed_by=failed_by))


HINTS = (None, None, Kind.AMP, Kind.KEYSEND, Kind.REBALANCE)
NEAR = st.integers(-3, 20).map(lambda seconds: T0 + seconds * SECOND)
TIMES = st.one_of(NEAR, st.just(0), st.integers(0, 2**62))


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    """Generate an attempt as no sane lnd would keep it: ids that repeat, times out of order, any failure."""
    amount_msat = draw(st.integers(0, 10**12))
    status = draw(st.sampled_from(AttemptStatus))
    has_failure = status is AttemptStatus.FAILED and draw(st.booleans())
    return Attempt(
        attempt_id=draw(st.integers(0, 9)),
        status=status,
        attempt_ns=draw(TIMES),
        resolve_ns=draw(TIMES),
        amount_msat=amount_msat,
        fee_msat=draw(st.integers(0, amount_msat)),
        hops=draw(st.integers(0, 9)),
        peer=draw(st.sampled_from(["", PEER, OTHER_PEER])),
        hint=draw(st.sampled_from(HINTS)),
        code=draw(st.sampled_from(Code)) if has_failure else None,
        source=draw(st.sampled_from(FailureSource)) if has_failure else None,
        before_recipient=has_failure and draw(st.booleans()),
        failed_by=draw(st.sampled_from(["", OTHER_PEER])),
        back_peer=draw(st.sampled_from(["", OTHER_PEER])),
    )


@st.composite
def pasts(draw: st.DrawFn) -> Payment:
    """Generate a payment that is over."""
    own, of_group = draw(st.booleans()), draw(st.sampled_from(["", DESTINATION]))
    return Payment(
        payment_hash=HASH,
        created_ns=draw(st.one_of(NEAR, st.integers(1000, 2**62))),
        payment_index=draw(st.integers(1, 99)),
        status=draw(st.sampled_from([SUCCEEDED, FAILED])),
        reason=draw(st.sampled_from(Reason)),
        value_msat=draw(st.integers(0, 10**12)),
        fee_msat=draw(st.integers(0, 10**9)),
        invoice=draw(st.booleans()),
        pays_self=draw(st.sampled_from([None, lambda: own])),
        attempts=tuple(draw(st.lists(attempts(), max_size=6))),
        destination=draw(st.sampled_from(["", DESTINATION])),
        payee_among=draw(st.sampled_from([None, lambda keys: of_group if of_group in keys else ""])),
    )


def lived(snapshot: Payment, *, kept: bool, groups: dict[str, str]) -> list[Event]:
    """Return what the live side learns of a payment that it asks for a long time after its end."""
    tracker = Tracker()
    tracker.recipients.kept, tracker.recipients.groups = kept, groups
    tracker.begin([], 0, at(0))
    after_ns = max(snapshot.latest_ns, snapshot.created_ns) + 3600 * SECOND
    later = payment(payment_hash=OTHER_HASH, payment_index=100)._replace(created_ns=after_ns)
    tracker.update(later, Source.LIST, at(0))  # what is old by lnd's clock is final
    return [*tracker.update(snapshot, Source.LIST, at(1)), *tracker.release(at(3))]


@given(pasts(), st.booleans(), st.sampled_from([{}, {DESTINATION: "shops"}]))
def test_the_past_has_the_facts_that_the_live_side_learns(
    snapshot: Payment,
    kept: bool,  # noqa: FBT001
    groups: dict[str, str],
) -> None:
    """Exactly these, of any payment; it starts first, ends last, and time never goes back."""
    recipients = Recipients()
    recipients.kept, recipients.groups = kept, groups
    facts = replay(snapshot, recipients)
    learnt = [fact for fact in lived(snapshot, kept=kept, groups=groups) if not isinstance(fact, UNSHOWN)]
    assert Tally((type(fact.event), fact.event) for fact in facts) == Tally((type(fact), fact) for fact in learnt)
    assert [facts[0].event, facts[-1].event] == [learnt[0], learnt[-1]]
    times = [fact.at_ns for fact in facts]
    assert times == sorted(times)
    assert times[0] == snapshot.created_ns
