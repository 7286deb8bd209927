"""A payment that lacked balance only because channels were inactive has a cause of its own."""

import pytest

from exporter.payments.balance import Balance
from exporter.payments.event import BalanceLacked, PaymentFailed
from exporter.payments.labels import Cause, Reason, Source
from exporter.payments.node import Channels
from exporter.payments.payment import Payment
from tests.payments.build import FAILED, IN_FLIGHT, Observer, at, failed, flying, payment

VALUE = 1_000_000
LACKS = payment(FAILED, reason=Reason.INSUFFICIENT_BALANCE)
DOES = Channels(VALUE - 1, inactive_msat=1)
"""Just enough with the inactive channels, and just too little without."""


def cause(end: Payment, channels: Channels | None, asked_s: float, source: Source = Source.STREAM) -> Cause:
    """Return the cause of a payment that ended 20 s after `T0`, if lnd was asked for the channels at `asked_s`."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, *end.attempts), 1)
    observer.receive(end, 20, source)
    if channels is not None:
        observer.tracker.balance = Balance.of(channels, at(asked_s))
    if source is not Source.STREAM:
        observer.receive(end, 22, source)  # the answer a second later confirms it
    observer.release(24)
    (event,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    return event.cause


@pytest.mark.parametrize(
    ("active_msat", "inactive_msat", "expected"),
    [
        (VALUE - 1, 1, Cause.OWN_INACTIVE),
        (0, VALUE, Cause.OWN_INACTIVE),
        (VALUE - 1, 0, Cause.OWN_LIQUIDITY),
        (0, VALUE - 1, Cause.OWN_LIQUIDITY),
        (VALUE, VALUE, Cause.OWN_LIQUIDITY),  # active channels had it: the caller restricted them, or a fee came on top
    ],
)
def test_inactive_channels_make_the_difference(active_msat: int, inactive_msat: int, expected: Cause) -> None:
    """The amount is above what active channels had, and not above what all had."""
    assert cause(LACKS, Channels(active_msat, inactive_msat=inactive_msat), 20.1) is expected


@pytest.mark.parametrize(
    ("asked_s", "expected"),
    [
        (9.9, Cause.OWN_LIQUIDITY),
        (10, Cause.OWN_INACTIVE),
        (30, Cause.OWN_INACTIVE),
        (30.1, Cause.OWN_LIQUIDITY),
    ],
)
def test_an_answer_tells_about_ten_seconds(asked_s: float, expected: Cause) -> None:
    """Before it and after it: peers come and go."""
    assert cause(LACKS, DOES, asked_s) is expected


def test_without_an_answer_the_cause_is_what_lnd_says() -> None:
    """The macaroon doesn't allow `ListChannels`, or the answer came too late."""
    assert cause(LACKS, None, 20) is Cause.OWN_LIQUIDITY


def test_an_end_that_was_not_seen_live_keeps_the_cause() -> None:
    """The channels may have been different when it ended."""
    assert cause(LACKS, DOES, 20, Source.LIST) is Cause.OWN_LIQUIDITY


def test_after_an_attempt_channels_don_t_explain_the_end() -> None:
    """lnd had the balance to begin with."""
    tried = payment(FAILED, failed(flying(1)), reason=Reason.INSUFFICIENT_BALANCE)
    assert cause(tried, DOES, 20) is Cause.OWN_LIQUIDITY


def test_other_reasons_keep_their_cause() -> None:
    """`no_route` is not about balance."""
    assert cause(payment(FAILED, reason=Reason.NO_ROUTE), DOES, 20) is Cause.NO_ROUTE


def test_lnd_is_to_be_asked_when_balance_lacks() -> None:
    """At once: the payment is on hold for a second. Not for other ends, and not again for a repeated update."""
    observer = Observer()
    wanted = [
        BalanceLacked() in observer.receive(snapshot, 2)
        for snapshot in (
            payment(IN_FLIGHT),
            LACKS,
            LACKS,
            payment(FAILED, reason=Reason.NO_ROUTE, payment_hash="cd" * 32, payment_index=11),
        )
    ]
    assert wanted == [False, True, False, False]
