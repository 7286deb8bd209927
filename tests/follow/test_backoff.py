"""The delay before a node is tried again."""

from random import Random

from exporter.follow import Backoff


def test_delays_are_exponential_with_full_jitter() -> None:
    """Each delay lies between a second and a bound that doubles up to a minute, anywhere in between."""
    many = [[backoff.delay_s(0, 0) for _ in range(9)] for backoff in (Backoff(Random(seed)) for seed in range(2000))]
    for nth, bound in enumerate((1, 2, 4, 8, 16, 32, 60, 60, 60)):
        delays = [delays[nth] for delays in many]
        assert min(delays) == 1
        assert bound * 0.98 <= max(delays) <= bound


def test_no_delay_after_a_stream_that_lived_long() -> None:
    """A stream that lived for a minute is opened again at once, one that breaks early is not."""
    backoff = Backoff(Random(1))
    for _ in range(8):
        backoff.delay_s(1, 0)
    assert backoff.delay_s(61, 0) == 0
    assert backoff.delay_s(59, 0) == 1, "and the bound starts over"


def test_stream_that_outlived_the_bound_starts_over() -> None:
    """Streams that live for 20 s each are opened again after a second, not later and later."""
    backoff = Backoff(Random(1))
    delays = [backoff.delay_s(20, 0) for _ in range(9)]
    assert delays == [1] * 9
    dying = [backoff.delay_s(3, 0) for _ in range(99)]
    assert max(dying) > 3, "a stream that dies before the bound raises it"


def test_delay_grows_with_the_payments_that_lnd_scans() -> None:
    """lnd reads its whole table for each subscription: 1 s per 50,000 payments, at most 5 minutes."""
    assert 100 < Backoff(Random(1)).delay_s(1, 5_000_000) <= 102
    assert 300 < Backoff(Random(1)).delay_s(1, 500_000_000) <= 302
    assert Backoff(Random(1)).delay_s(99, 5_000_000) > 100, "a stream that lived no longer than the scan"
    assert Backoff(Random(1)).delay_s(101, 5_000_000) == 0
    assert Backoff(Random(1)).delay_s(0, 0) <= 1, "nothing was scanned if there was no subscription"
