"""Which open payments have passed a limit: each limit once, the highest of several, the most urgent first."""

import pytest

from exporter.payments import inflight
from exporter.payments.overdue import Limits, pass_limits
from exporter.payments.payment import Attempt, Payment
from tests.payments.build import FAILED, IN_FLIGHT, Observer, at, failed, flying, payment

LIMITS = Limits(ages_s=(86_400, 600, 3600), blocks=(144, 36))
EXPIRY = flying().expiry_height
HELD_S = inflight.HELD_NS / 1e9 + 2
"""After this an attempt that was sent in the first second is held."""


def hearing(*snapshots: Payment) -> Observer:
    """A node that has just shown these."""
    observer = Observer()
    for snapshot in snapshots:
        observer.hear(snapshot, 1)
    return observer


def passed(
    observer: Observer, seconds: float, left: int | None = 1000, limits: Limits = LIMITS
) -> list[tuple[int | None, int | None]]:
    """Limits of age and blocks that were passed by then, with so many blocks left to everybody's expiry."""
    height = None if left is None else EXPIRY - left
    return [
        (o.limit_s, o.limit_blocks) for o in pass_limits(observer.tracker.open.values(), at(seconds), height, limits)
    ]


def test_each_limit_of_its_age_once() -> None:
    """The very second counts; afterwards nothing more is said until the next limit."""
    observer = hearing(payment(IN_FLIGHT))
    assert passed(observer, 599.9) == []
    assert passed(observer, 600) == [(600, None)]
    assert passed(observer, 3599) == []
    assert passed(observer, 3600) == [(3600, None)]
    assert passed(observer, 90_000) == [(86_400, None)]
    assert passed(observer, 900_000) == []


def test_several_at_once_are_one() -> None:
    """Who first looks after a day is told of a day."""
    observer = hearing(payment(IN_FLIGHT))
    assert passed(observer, 90_000) == [(86_400, None)]
    assert passed(observer, 90_001) == []


def test_each_limit_of_blocks_once() -> None:
    """Fewer than the limit; also where a block more is left again, after a reorganisation."""
    observer = hearing(payment(IN_FLIGHT, flying()))
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


def test_several_blocks_at_once_are_one() -> None:
    """The fewest; with the age it is one, too."""
    observer = hearing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=20) == [(600, 36)]
    assert passed(observer, HELD_S, left=20) == []


def test_only_what_is_held() -> None:
    """A fresh HTLC to a direct peer has few blocks left from the start; one that failed holds nothing."""
    observer = hearing(payment(IN_FLIGHT, flying()))
    assert passed(observer, 599, left=20) == []
    assert passed(hearing(payment(IN_FLIGHT, failed(flying()))), HELD_S, left=20) == [(600, None)]


@pytest.mark.parametrize(
    "attempt", [flying()._replace(expiry_height=0), flying(2)._replace(expiry_height=EXPIRY + 500)]
)
def test_the_first_to_expire_counts(attempt: Attempt) -> None:
    """Another part may have more blocks left, or an expiry that lnd hasn't said."""
    observer = hearing(payment(IN_FLIGHT, attempt, flying(3)))
    assert passed(observer, HELD_S, left=100) == [(600, 144)]


def test_while_the_height_is_not_known() -> None:
    """Nothing is said of blocks; later it is."""
    observer = hearing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=None) == [(600, None)]
    assert passed(observer, HELD_S, left=100) == [(None, 144)]


def test_what_has_ended_is_not_open() -> None:
    """Not even while it is on hold."""
    observer = hearing(payment(IN_FLIGHT))
    observer.hear(payment(FAILED), 599)
    assert passed(observer, 3600) == []


def test_no_limits() -> None:
    """Nothing is told, and nothing is remembered."""
    observer = hearing(payment(IN_FLIGHT, flying()))
    assert passed(observer, HELD_S, left=1, limits=Limits()) == []
    assert passed(observer, HELD_S, left=1) == [(600, 36)]


def test_other_limits_than_before() -> None:
    """A limit between two that were passed isn't told; a higher one is."""
    observer = hearing(payment(IN_FLIGHT))
    assert passed(observer, 4000) == [(3600, None)]
    assert passed(observer, 4000, limits=Limits((1800, 3900))) == [(3900, None)]


def test_the_most_urgent_first() -> None:
    """Those that came closer to their expiry, then the oldest."""
    observer = hearing(
        payment(IN_FLIGHT, payment_hash="01" * 32, created_s=-9),
        payment(IN_FLIGHT, flying(2), payment_hash="02" * 32, created_s=-1),
        payment(IN_FLIGHT, flying(3)._replace(expiry_height=EXPIRY - 50), payment_hash="03" * 32),
        payment(IN_FLIGHT, payment_hash="04" * 32, created_s=-10_000),
    )
    overdue = pass_limits(observer.tracker.open.values(), at(HELD_S), EXPIRY - 90, LIMITS)
    assert [(o.run.run.payment_hash[:2], o.blocks_left) for o in overdue] == [
        ("03", 40),
        ("02", 90),
        ("04", None),
        ("01", None),
    ]
    assert [o.age_s for o in overdue] == [1802, 1803, 11_802, 1811]
