"""The hashes that failed: so that a run that succeeds tells how many failed runs of its hash it made good.

Who pays sees the hash, not its runs: a failure that a later run made good was none to that person.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

from exporter.payments.event import Ending, Event, FailedRuns, PaymentFailed, PaymentSucceeded
from exporter.payments.labels import REPAYABLE, amount_band
from exporter.payments.noted import NotedDict
from exporter.payments.payment import NS_PER_US

REMEMBERED = 10_000
"""Number of hashes remembered for each node: 3.0 MB, with the copies that are compared for the disk 3.7 MB."""
SUCCESSES = 1000
"""Number of successes remembered for failures that are learnt after them: 0.3 MB."""
_FORGOTTEN_AT_ONCE = 100  # so that not each failure looks through all
FORGOTTEN_US = 86_400_000_000
"""A run makes good the failures of its hash if it was created at most this long after the last one: a day."""


class FailedHash(NamedTuple):
    """A hash of which runs failed and none has succeeded since."""

    ended_us: int
    """When its last run failed, lnd's clock, microseconds since 1970; when it was created, if the end isn't known."""
    runs: tuple[FailedRuns, ...]
    """Its failed runs, those with the same labels together: there are 336 combinations, of which one or two occur."""


@lru_cache(maxsize=1000)
def shared(runs: tuple[FailedRuns, ...]) -> tuple[FailedRuns, ...]:
    """Return equal runs as one object: most hashes failed once, under one of few combinations of labels."""
    return runs


class FailedHashes:
    """The last hashes that failed, about `REMEMBERED`; those whose hash nobody pays again are left out.

    Only lnd's times decide how long one counts, so what is learnt late, in a catch-up, is counted as if seen live.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.by_hash: NotedDict[str, FailedHash] = NotedDict()
        """By payment hash, the one that failed last at the end; at most 99 more than `REMEMBERED`."""
        self._added = 0
        # The last successes by hash: when their runs were created, microseconds since 1970. A stream or a list that is
        # late may still show the failure of a run before. Not saved: what is asked after a restart doesn't show it.
        self._succeeded: OrderedDict[str, int] = OrderedDict()

    def note(self, events: list[Event]) -> list[Event]:
        """Return the facts by which a run ended; a success has those failed runs added that it makes good."""
        end = events[-1]
        if isinstance(end, PaymentFailed):
            if self._succeeded.get(end.ending.run.payment_hash, 0) > end.ending.run.created_us:
                return [*events[:-1], end._replace(made_good=True)]
            if not end.made_good:
                self._add(end.ending)
        elif isinstance(end, PaymentSucceeded):
            self._note_success(end.ending)
            return [*events[:-1], end._replace(made_good=self._take(end.ending))]
        return events

    def _note_success(self, ending: Ending) -> None:
        if ending.kind in REPAYABLE:
            self._succeeded[ending.run.payment_hash] = ending.run.created_us
            if len(self._succeeded) > SUCCESSES:
                self._succeeded.popitem(last=False)

    def _add(self, ending: Ending) -> None:
        if ending.kind not in REPAYABLE:
            return
        created_us = ending.run.created_us
        labels = (ending.kind, amount_band(ending.value_msat), ending.reason)
        numbers = {runs[:-1]: runs.number for runs in self._take(ending)}
        numbers[labels] = numbers.get(labels, 0) + 1
        self.by_hash[ending.run.payment_hash] = FailedHash(
            created_us + (ending.duration_ns or 0) // NS_PER_US,
            shared(tuple(FailedRuns(*labels, number) for labels, number in numbers.items())),
        )
        self._added += 1
        if self._added % _FORGOTTEN_AT_ONCE == 0:
            self._forget(created_us - FORGOTTEN_US)

    def _forget(self, until_us: int) -> None:
        """Forget the hashes that failed first, except `REMEMBERED`, and of those the first that failed long ago."""
        too_many = len(self.by_hash) - REMEMBERED
        gone: list[str] = []
        for payment_hash, failed in self.by_hash.items():
            if len(gone) >= too_many and failed.ended_us >= until_us:
                break
            gone.append(payment_hash)
        for payment_hash in gone:
            del self.by_hash[payment_hash]

    def _take(self, ending: Ending) -> tuple[FailedRuns, ...]:
        """Remove and return the failed runs of this hash; none if the last of them was too long ago."""
        failed: FailedHash | None = self.by_hash.pop(ending.run.payment_hash, None)
        if failed is None or ending.run.created_us > failed.ended_us + FORGOTTEN_US:
            return ()
        return failed.runs
