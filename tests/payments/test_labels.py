"""Values of labels: bands, kinds, causes."""

import pytest

from exporter.payments.cause import attempt_cause, payment_cause
from exporter.payments.event import PaymentFailed
from exporter.payments.inflight import age_band, blocks_left
from exporter.payments.labels import (
    PURPOSE,
    Age,
    AmountBand,
    BlocksLeft,
    Cause,
    Code,
    FailureSource,
    Kind,
    Reason,
    amount_band,
)
from exporter.payments.payment import Attempt, Payment
from tests.payments.build import FAILED, IN_FLIGHT, SECOND, Observer, failed, flying, payment, refused

SAT = 1000


@pytest.mark.parametrize(
    ("msat", "band"),
    [
        (0, AmountBand.UNDER_1K),
        (1_000 * SAT - 1, AmountBand.UNDER_1K),
        (1_000 * SAT, AmountBand.UNDER_10K),
        (10_000 * SAT - 1, AmountBand.UNDER_10K),
        (10_000 * SAT, AmountBand.UNDER_100K),
        (100_000 * SAT, AmountBand.UNDER_1M),
        (1_000_000 * SAT, AmountBand.UNDER_10M),
        (10_000_000 * SAT - 1, AmountBand.UNDER_10M),
        (10_000_000 * SAT, AmountBand.OVER),
        (2**62, AmountBand.OVER),
    ],
)
def test_amount_band(msat: int, band: AmountBand) -> None:
    """A boundary belongs to the band above it."""
    assert amount_band(msat) is band


def test_age_band_and_blocks_left_band() -> None:
    """At their boundaries."""
    ages = [age_band(seconds * SECOND) for seconds in (-5, 0, 59, 60, 599, 600, 3599, 3600, 86399, 86400)]
    assert ages == [Age.UNDER_1M] * 3 + [Age.UNDER_10M] * 2 + [Age.UNDER_1H] * 2 + [Age.UNDER_1D] * 2 + [Age.OVER]
    blocks = [blocks_left(blocks) for blocks in (-1, 0, 1, 35, 36, 143, 144)]
    assert blocks == (
        [BlocksLeft.EXPIRED] * 2 + [BlocksLeft.UNDER_36] * 2 + [BlocksLeft.UNDER_144] * 2 + [BlocksLeft.OVER]
    )


def kind_of(*updates: Payment) -> Kind:
    """Return the kind under which a payment with these updates is counted."""
    observer = Observer()
    for update in updates:
        observer.receive(update, 1)
    observer.release(9)
    (end,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    return end.ending.kind


def end(*attempts: Attempt, invoice: bool = False, pays_self: bool = False) -> Payment:
    """Return a failed payment."""
    return payment(FAILED, *attempts, reason=Reason.NO_ROUTE, invoice=invoice, pays_self=pays_self)


SELF, AMP, KEYSEND = (flying(1, hint=hint) for hint in (Kind.REBALANCE, Kind.AMP, Kind.KEYSEND))


@pytest.mark.parametrize(
    ("updates", "kind"),
    [
        ([end(failed(SELF), invoice=True)], Kind.REBALANCE),
        ([end(invoice=True, pays_self=True)], Kind.REBALANCE),
        ([end(refused(SELF))], Kind.REBALANCE),
        ([end(failed(AMP), invoice=True)], Kind.AMP),
        ([end(failed(KEYSEND))], Kind.KEYSEND),
        ([end(refused(KEYSEND))], Kind.KEYSEND),
        ([end(refused(flying()), invoice=True)], Kind.INVOICE),
        ([end(invoice=True)], Kind.INVOICE),
        ([end(refused(flying()))], Kind.PROBE),
        ([end(failed(flying()))], Kind.OTHER),
        ([end()], Kind.UNKNOWN),
        ([payment(IN_FLIGHT, SELF), end()], Kind.REBALANCE),
        ([payment(IN_FLIGHT, refused(flying()), invoice=False), end()], Kind.PROBE),
        ([payment(IN_FLIGHT, flying(1), invoice=False), end()], Kind.OTHER),
        ([payment(IN_FLIGHT, flying(2), flying(3, hint=Kind.KEYSEND), SELF, invoice=False), end()], Kind.REBALANCE),
    ],
)
def test_first_kind_that_matches(updates: list[Payment], kind: Kind) -> None:
    """By everything that was ever seen: an attempt that vanished still counts."""
    assert kind_of(*updates) is kind


def test_each_kind_has_a_purpose() -> None:
    """None is left out of the table."""
    assert set(PURPOSE) == set(Kind)


SELF_, FIRST, MIDDLE, LAST, UNKNOWN = FailureSource


@pytest.mark.parametrize(
    ("code", "source", "cause"),
    [
        (Code.TEMPORARY_CHANNEL_FAILURE, SELF_, Cause.OWN_LIQUIDITY),
        (Code.TEMPORARY_CHANNEL_FAILURE, FIRST, Cause.ROUTE_LIQUIDITY),
        (Code.TEMPORARY_CHANNEL_FAILURE, MIDDLE, Cause.ROUTE_LIQUIDITY),
        (Code.UNKNOWN_NEXT_PEER, SELF_, Cause.OWN_CHANNEL),
        (Code.UNKNOWN_NEXT_PEER, MIDDLE, Cause.ROUTE_POLICY),
        (Code.CHANNEL_DISABLED, SELF_, Cause.OWN_CHANNEL),
        (Code.FEE_INSUFFICIENT, FIRST, Cause.ROUTE_POLICY),
        (Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, LAST, Cause.RECIPIENT),
        (Code.MPP_TIMEOUT, LAST, Cause.ROUTE_LIQUIDITY),
        (Code.UNREADABLE_FAILURE, UNKNOWN, Cause.UNREADABLE),
        (Code.INTERNAL_FAILURE, UNKNOWN, Cause.OTHER),
        (Code.OTHER, MIDDLE, Cause.OTHER),
    ],
)
def test_attempt_cause(code: Code, source: FailureSource, cause: Cause) -> None:
    """It depends on the code, and on where the attempt failed."""
    assert attempt_cause(code, source) is cause


@pytest.mark.parametrize("source", [FIRST, MIDDLE])
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (Code.TEMPORARY_CHANNEL_FAILURE, Cause.RECIPIENT_LIQUIDITY),
        (Code.UNKNOWN_NEXT_PEER, Cause.RECIPIENT_UNREACHABLE),
        (Code.CHANNEL_DISABLED, Cause.RECIPIENT_UNREACHABLE),
        (Code.PERMANENT_CHANNEL_FAILURE, Cause.RECIPIENT_UNREACHABLE),
        (Code.FEE_INSUFFICIENT, Cause.ROUTE_POLICY),
        (Code.TEMPORARY_NODE_FAILURE, Cause.ROUTE_POLICY),
        (Code.INVALID_ONION_BLINDING, Cause.ROUTE_POLICY),
    ],
)
def test_attempt_cause_before_the_recipient(code: Code, source: FailureSource, cause: Cause) -> None:
    """The node before the recipient tells whether the recipient can be reached, also if it is the direct peer."""
    assert attempt_cause(code, source, before_recipient=True) is cause


@pytest.mark.parametrize(
    ("reason", "failures", "held", "cause"),
    [
        (Reason.CANCELED, {Cause.RECIPIENT: 1}, True, Cause.CALLER),
        (Reason.INCORRECT_PAYMENT_DETAILS, {Cause.ROUTE_LIQUIDITY: 9}, True, Cause.RECIPIENT),
        (Reason.INSUFFICIENT_BALANCE, {Cause.ROUTE_LIQUIDITY: 9}, False, Cause.OWN_LIQUIDITY),
        (Reason.TIMEOUT, {Cause.ROUTE_LIQUIDITY: 3, Cause.ROUTE_POLICY: 1}, True, Cause.HELD),
        (Reason.TIMEOUT, {Cause.ROUTE_LIQUIDITY: 3, Cause.ROUTE_POLICY: 4}, False, Cause.ROUTE_POLICY),
        (Reason.TIMEOUT, {}, False, Cause.NO_ROUTE),
        (Reason.NO_ROUTE, {}, False, Cause.NO_ROUTE),
        (Reason.NO_ROUTE, {Cause.OWN_LIQUIDITY: 2, Cause.ROUTE_LIQUIDITY: 2}, True, Cause.OWN_LIQUIDITY),
        (Reason.ERROR, {}, False, Cause.OTHER),
        (Reason.ERROR, {Cause.UNREADABLE: 1}, False, Cause.UNREADABLE),
        (Reason.NONE, {Cause.ROUTE_LIQUIDITY: 1}, False, Cause.OTHER),
        (Reason.OTHER, {Cause.ROUTE_LIQUIDITY: 1}, False, Cause.OTHER),
    ],
)
def test_payment_cause(reason: Reason, failures: dict[Cause, int], held: bool, cause: Cause) -> None:  # noqa: FBT001
    """The reason if it determines the cause, else the most frequent cause of failed attempts."""
    assert payment_cause(reason, failures, held=held) is cause


def test_waiting_for_other_parts_is_not_held() -> None:
    """The recipient gives up an incomplete payment after two minutes: it held nothing, liquidity was missing."""
    observer = Observer()
    part = flying(1)
    observer.receive(payment(IN_FLIGHT, part), 1)
    end = failed(part, Code.MPP_TIMEOUT, FailureSource.RECIPIENT, end_s=121)
    observer.receive(payment(FAILED, end, reason=Reason.TIMEOUT), 121)
    observer.release(122)
    assert [event.cause for event in observer.events if isinstance(event, PaymentFailed)] == [Cause.ROUTE_LIQUIDITY]


def test_recipient_that_cannot_be_reached() -> None:
    """Two nodes before it say so, one of them the direct peer; a failure elsewhere doesn't outweigh them."""
    observer = Observer()
    ends = [
        failed(flying(number), code, source)._replace(before_recipient=before)
        for number, code, source, before in (
            (1, Code.UNKNOWN_NEXT_PEER, FIRST, True),
            (2, Code.TEMPORARY_CHANNEL_FAILURE, MIDDLE, False),
            (3, Code.UNKNOWN_NEXT_PEER, MIDDLE, True),
        )
    ]
    observer.receive(payment(IN_FLIGHT), 1)
    observer.receive(payment(FAILED, *ends, reason=Reason.NO_ROUTE), 3)
    observer.release(5)
    assert [event.cause for event in observer.events if isinstance(event, PaymentFailed)] == [
        Cause.RECIPIENT_UNREACHABLE
    ]
