"""HTLCs that lnd calls in flight although they are on no channel."""

from exporter.payments.ghosts import Ghosts, missing
from exporter.payments.node import Offered, OfferedHtlc
from exporter.payments.payment import Attempt
from exporter.payments.run import OpenRun
from tests.payments.build import FAILED, HASH, IN_FLIGHT, OTHER_HASH, Observer, at, failed, flying, payment, settled

CHANNEL, OTHER_CHANNEL = 7, 8
EXPIRY = 800_144
LISTED = OfferedHtlc(1000, EXPIRY)
"""As lnd lists what `sent` sends, 1,000,010 msat."""
ON_IT: dict[int, Offered] = {CHANNEL: {HASH: (LISTED,)}, OTHER_CHANNEL: {}}
NOT_ON_IT: dict[int, Offered] = {CHANNEL: {OTHER_HASH: (LISTED,)}, OTHER_CHANNEL: {HASH: (LISTED,)}}
CLOSING: dict[int, Offered] = {OTHER_CHANNEL: {}}


def sent(attempt_id: int = 1, channel: int = CHANNEL, sent_s: float = 1) -> Attempt:
    """Return an attempt over a channel."""
    return flying(attempt_id, sent_s=sent_s)._replace(channel_id=channel, expiry_height=EXPIRY)


def compare(observer: Observer, offered: dict[int, Offered], *seconds: float, caught_up: bool = True) -> None:
    """Compare with the channels at these seconds after `T0`."""
    for second in seconds:
        observer.tracker.ghosts.compare(offered, observer.tracker.open.values(), at(second), caught_up=caught_up)


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


def test_of_several_parts_only_those_that_are_gone() -> None:
    """All have one hash; those on the channel are told by amount and expiry."""
    gone = sent(2)._replace(amount_msat=500_999, expiry_height=EXPIRY + 1)
    observer = observing(sent(1), gone, sent(3))
    compare(observer, {CHANNEL: {HASH: (LISTED, LISTED)}}, 100, 700)
    assert ghosts(observer) == (1, 500_999)


def test_of_equal_parts_as_many_as_are_gone() -> None:
    """Which of them doesn't matter."""
    observer = observing(sent(1), sent(2), sent(3))
    compare(observer, ON_IT, 100, 700)
    assert ghosts(observer) == (2, 2 * 1_000_010)


def test_as_many_as_were_sent_are_none() -> None:
    """Whatever lnd says of them: with custom channels the amount of the HTLC isn't that of the route."""
    observer = observing(sent(1), sent(2))
    other = OfferedHtlc(354, EXPIRY)
    compare(observer, {CHANNEL: {HASH: (other, other)}}, 100, 700)
    assert ghosts(observer) == (0, 0)
    assert list(missing([sent(1), sent(2)], HASH, {CHANNEL: {HASH: (other, other, other)}})) == []


def test_a_part_that_was_sent_after_the_question_hides_none() -> None:
    """It is on the channel when lnd answers; an older one isn't."""
    new = sent(2, sent_s=700)._replace(expiry_height=EXPIRY + 1)
    observer = observing(sent(1), new)
    compare(observer, {CHANNEL: {HASH: (OfferedHtlc(1000, EXPIRY + 1),)}}, 100, 700)
    assert ghosts(observer) == (1, 1_000_010)


def test_while_catching_up_none_becomes_a_ghost() -> None:
    """One list was made a moment too early; then lnd was down, and its end of the HTLC isn't known yet."""
    observer = observing(sent())
    compare(observer, NOT_ON_IT, 100)
    compare(observer, NOT_ON_IT, 9999, caught_up=False)
    assert ghosts(observer) == (0, 0)
    compare(observer, NOT_ON_IT, 10_000)
    assert ghosts(observer) == (1, 1_000_010)
    compare(observer, NOT_ON_IT, 10_001, caught_up=False)
    assert ghosts(observer) == (1, 1_000_010), "it is still there after a loss of the connection"
    compare(observer, ON_IT, 10_002, caught_up=False)
    assert ghosts(observer) == (0, 0)


def test_runs_that_have_changed_are_returned() -> None:
    """So that they are written to disk."""
    observer = observing(sent())
    tracker = observer.tracker
    (run,) = tracker.open.values()

    def changed(offered: dict[int, Offered], second: float) -> list[OpenRun]:
        return tracker.ghosts.compare(offered, tracker.open.values(), at(second), caught_up=True)

    assert changed(NOT_ON_IT, 100) == []
    assert changed(NOT_ON_IT, 700) == [run]
    assert run.ghosts == {1}
    assert changed(NOT_ON_IT, 701) == []
    assert changed(ON_IT, 702) == [run]
    assert run.ghosts == frozenset()


def test_without_payments_there_is_none() -> None:
    """And nothing is remembered."""
    assert Ghosts().count({}) == (0, 0)
