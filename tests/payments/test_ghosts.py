"""HTLCs that lnd calls in flight although they are on no channel."""

from exporter.payments.ghosts import Ghosts
from exporter.payments.payment import Attempt
from tests.payments.build import FAILED, HASH, IN_FLIGHT, OTHER_HASH, Observer, at, failed, flying, payment, settled

CHANNEL, OTHER_CHANNEL = 7, 8
ON_IT = {CHANNEL: frozenset((HASH,)), OTHER_CHANNEL: frozenset[str]()}
NOT_ON_IT = {CHANNEL: frozenset((OTHER_HASH,)), OTHER_CHANNEL: frozenset((HASH,))}
CLOSING = {OTHER_CHANNEL: frozenset[str]()}


def sent(attempt_id: int = 1, channel: int = CHANNEL, sent_s: float = 1) -> Attempt:
    """Return an attempt over a channel."""
    return flying(attempt_id, sent_s=sent_s)._replace(channel_id=channel)


def compare(observer: Observer, offered: dict[int, frozenset[str]], *seconds: float) -> None:
    """Compare with the channels at these seconds after `T0`."""
    for second in seconds:
        observer.tracker.ghosts.compare(offered, observer.tracker.open.values(), at(second))


def ghosts(observer: Observer) -> tuple[int, int]:
    """Return number and amount of the ghosts."""
    return observer.tracker.ghosts.count(observer.tracker.open)


def observing(*attempts: Attempt) -> Observer:
    """Return an observer of a payment in flight."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, *attempts), 1)
    return observer


def test_an_htlc_is_a_ghost_after_ten_minutes() -> None:
    """Counted from the first list of channels without it; each of several parts."""
    observer = observing(sent(1), sent(2))
    compare(observer, NOT_ON_IT, 100, 400, 699)
    assert ghosts(observer) == (0, 0)
    compare(observer, NOT_ON_IT, 700)
    assert ghosts(observer) == (2, 2 * 1_000_010)


def test_without_further_lists_there_is_no_ghost() -> None:
    """One list was made a moment too early; then lnd is down, or doesn't answer, for hours."""
    observer = observing(sent())
    compare(observer, NOT_ON_IT, 100)
    assert ghosts(observer) == (0, 0)
    compare(observer, ON_IT, 9999)
    assert ghosts(observer) == (0, 0)


def test_an_htlc_on_its_channel_is_none() -> None:
    """However long."""
    observer = observing(sent())
    compare(observer, ON_IT, 100, 400, 700)
    assert ghosts(observer) == (0, 0)


def test_an_htlc_that_is_back_begins_anew() -> None:
    """A list may have been made a moment too early."""
    observer = observing(sent())
    compare(observer, NOT_ON_IT, 100)
    compare(observer, ON_IT, 400)
    compare(observer, NOT_ON_IT, 700, 1299)
    assert ghosts(observer) == (0, 0)
    compare(observer, NOT_ON_IT, 1300)
    assert ghosts(observer) == (1, 1_000_010)


def test_an_htlc_of_a_channel_that_is_closed_is_none() -> None:
    """It is resolved on chain: lists of channels lack the channel. So it is while its peer is offline."""
    observer = observing(sent())
    compare(observer, CLOSING, 100, 400, 700)
    assert ghosts(observer) == (0, 0)


def test_an_htlc_without_a_channel_is_none() -> None:
    """Of AMP, or seen by a version that didn't remember channels."""
    observer = observing(sent(channel=0))
    compare(observer, NOT_ON_IT, 100, 400, 700)
    assert ghosts(observer) == (0, 0)


def test_an_htlc_that_was_sent_after_the_question_is_none() -> None:
    """The answer is older than the HTLC."""
    observer = observing(sent(sent_s=100))
    compare(observer, NOT_ON_IT, 100)
    compare(observer, NOT_ON_IT, 101, 700)
    assert ghosts(observer) == (0, 0)


def test_a_ghost_that_ends_is_none_any_more() -> None:
    """The HTLC or its payment, also between two lists."""
    observer = observing(sent(1), sent(2))
    compare(observer, NOT_ON_IT, 100, 400, 700)
    observer.receive(payment(IN_FLIGHT, settled(sent(1)), sent(2)), 800)
    assert ghosts(observer) == (1, 1_000_010)
    observer.receive(payment(FAILED, settled(sent(1)), failed(sent(2))), 801)
    assert ghosts(observer) == (0, 0)
    observer.release(803)
    assert ghosts(observer) == (0, 0)
    compare(observer, NOT_ON_IT, 900)
    assert observer.tracker.ghosts._since_ns == {}


def test_without_payments_there_is_none() -> None:
    """And nothing is remembered."""
    assert Ghosts().count({}) == (0, 0)
