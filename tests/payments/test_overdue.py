"""Open payments that have passed a limit: each limit once, the highest of several, the most urgent first."""

import pytest

from exporter.payments import inflight
from exporter.payments.overdue import Limits, mark_overdue
from exporter.payments.payment import Attempt, Payment
from tests.payments.build import FAILED, IN_FLIGHT, Observer, at, failed, flying, payment

LIMITS = Limits(ages_s=(86_400, 600, 3600), blocks=(144, 36))
EXPIRY = flying().expiry_height
HELD_S = inflight.HELD_NS / 1e9 + 2
"""Seconds after `T0` when an attempt that was sent at 1 s is held."""


def observing(*snapshots: Payment) -> Observer:
    """Return an observer that has received these at 1 s."""
    observer = Observer()
    for snapshot in snapshots:
        observer.receive(snapshot, 1)
    return observer


def passed(
    observer: Observer, seconds: float, left: int | None = 1000, limits: Limits = LIMITS
) -> list[tuple[int | None, int | None]]:
    """Return the limits of age and of blocks that were passed by then, with `left` blocks until `EXPIRY`."""
    height = None if left is None else EXPIRY - left
    return [
        (o.limit_s, o.limit_blocks) for o in mark_overdue(observer.tracker.open.values(), at(seconds), height, limits)
    ]


def test_each_limit_of_age_is_passed_once() -> None:
    """At the very second."""
    observer = observing(payment(IN_FLIGHT))
    assert passed(observer, 599.9) == []
    assert passed(observer, 600) == [(600, None)]
    assert passed(observer, 3599) == []
    assert passed(observer, 3600) == [(3600, None)]
    assert passed(observer, 90_000) == [(86_400, None)]
    assert passed(observer, 900_000) == []


def test_highest_of_several_ages_is_passed() -> None:
    """The lower ones are not passed afterwards."""
    observer = observing(payment(IN_FLIGHT))
    assert passed(observer, 90_000) == [(86_400, None)]
    assert passed(observer, 90_001) == []


def test_each_limit_of_blocks_is_passed_once() -> None:
    """When fewer are left; not again if a reorganisation adds a block."""
    observer = observing(payment(IN_FLIGHT, flying()))
    only = LIMITS._replace(ages_s=())
    assert [passed(observer, HELD_S, left, only) for left in (145, 144, 143, 142, 145, 143, 36, 35, 35, -5)] == [
        [],
        [],
        [(None, 144)],
        [],
        [],
        [],
        [],
        [(None, 36)],
        [],
        [],
    ]


def test_fewest_of_several_blocks_is_passed() -> None:
    """Together with a limit of age it is one result."""
    observer = observing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=20) == [(600, 36)]
    assert passed(observer, HELD_S, left=20) == []


def test_blocks_count_only_for_held_htlcs() -> None:
    """A new HTLC to a direct peer always has few blocks left; a failed one has none."""
    observer = observing(payment(IN_FLIGHT, flying()))
    assert passed(observer, 599, left=20) == []
    assert passed(observing(payment(IN_FLIGHT, failed(flying()))), HELD_S, left=20) == [(600, None)]


@pytest.mark.parametrize(
    "attempt", [flying()._replace(expiry_height=0), flying(2)._replace(expiry_height=EXPIRY + 500)]
)
def test_first_htlc_to_expire_counts(attempt: Attempt) -> None:
    """The other part has more blocks left, or an unknown expiry height."""
    observer = observing(payment(IN_FLIGHT, attempt, flying(3)))
    assert passed(observer, HELD_S, left=100) == [(600, 144)]


def test_no_limit_of_blocks_while_the_height_is_unknown() -> None:
    """It is passed later, when the height is known."""
    observer = observing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=None) == [(600, None)]
    assert passed(observer, HELD_S, left=100) == [(None, 144)]


def test_ended_run_passes_no_limit() -> None:
    """Even while it is on hold."""
    observer = observing(payment(IN_FLIGHT))
    observer.receive(payment(FAILED), 599)
    assert passed(observer, 3600) == []


def test_no_limits() -> None:
    """Nothing is passed, and nothing is marked as reported."""
    observer = observing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=1, limits=Limits()) == []
    assert passed(observer, HELD_S, left=1) == [(600, 36)]


def test_limits_may_change() -> None:
    """A new limit below one that was passed is not passed; a higher one is."""
    observer = observing(payment(IN_FLIGHT))
    assert passed(observer, 4000) == [(3600, None)]
    assert passed(observer, 4000, limits=Limits((1800, 3900))) == [(3900, None)]


def test_most_urgent_first() -> None:
    """Those that passed a limit of blocks, fewest left first; then the oldest."""
    observer = observing(
        payment(IN_FLIGHT, payment_hash="01" * 32, created_s=-9),
        payment(IN_FLIGHT, flying(2), payment_hash="02" * 32, created_s=-1),
        payment(IN_FLIGHT, flying(3)._replace(expiry_height=EXPIRY - 50), payment_hash="03" * 32),
        payment(IN_FLIGHT, payment_hash="04" * 32, created_s=-10_000),
    )
    overdue = mark_overdue(observer.tracker.open.values(), at(HELD_S), EXPIRY - 90, LIMITS)
    assert [(o.run.run.payment_hash[:2], o.blocks_left) for o in overdue] == [
        ("03", 40),
        ("02", 90),
        ("04", None),
        ("01", None),
    ]
    assert [o.age_s for o in overdue] == [1802, 1803, 11_802, 1811]
