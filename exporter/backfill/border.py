"""Puts each payment on one side of the seam, history's or live's, while the exporter goes on counting."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import NamedTuple

from exporter.backfill.seam import Seam
from exporter.follow.backoff import scan_s
from exporter.payments.payment import NS_PER_S, Moment, Payment, Run

RECENT_NS = 900 * NS_PER_S
"""What ended so shortly before the first look at the state, or later, may not have been in it yet."""
LAG_S = 10.0
"""The longest time, besides lnd's scan, from the end of a payment until the stream has told the exporter, seconds."""
WAIT_S = 300.0
"""How long a checkpoint is waited for at most, seconds; an exporter that is idle makes one a minute."""
LOOK_S = 1.0
"""Between two looks at the state file, seconds."""


class SeamError(Exception):
    """It can't be told which payments are live's. The message is one sentence for a person, and what to do."""


class MustBeginAnew(SeamError):
    """What has been put into history is not right any more: reading can't be continued, only begun again."""


class Side(Enum):
    """Where a payment belongs."""

    HISTORY = auto()
    LIVE = auto()
    LATER = auto()
    """It is decided by `Border.settle`."""


class Continued(NamedTuple):
    """What has to be kept if reading is broken off."""

    began: tuple[int, int]
    """`Seam.began`."""
    old_runs: tuple[Run, ...]
    """`Seam.old_runs` of the first look."""
    kept: tuple[Run, ...]
    """The runs that are to be decided in the end."""


class Border:
    """Decides about the payments of one node that are read from lnd, each once; `docs/reasons.md` says why it is exact.

    It keeps those of before counting began that are in flight and unknown to the exporter, or have just ended: as many
    as lnd has in flight, and those that ended within `RECENT_NS`, or while history was read.
    """

    def __init__(
        self,
        seam: Seam,
        look: Callable[[], Seam | None],
        now: Callable[[], Moment],
        before: Continued | None = None,
    ) -> None:
        """Begin with a first look at the state, which must precede the first page; `look` takes another one.

        `before` is the `state` of an earlier border, which was broken off. Raises `MustBeginAnew` if the exporter has
        learnt of a payment since that the earlier one may have put into history.
        """
        self._first = seam
        self._look = look
        self._now = now
        self._recent_ns = now().wall_ns - RECENT_NS
        self._kept: dict[Run, Payment | None] = dict.fromkeys(before.kept) if before else {}
        if before and (before.began != seam.began or seam.old_runs - {*before.old_runs, *before.kept}):
            raise MustBeginAnew("the exporter's counting of the node has changed since its history was read in part")

    @property
    def state(self) -> Continued:
        """Return what another border needs to continue, when the payments that this one decided have been recorded."""
        return Continued(self._first.began, tuple(self._first.old_runs), tuple(self._kept))

    def side(self, payment: Payment) -> Side:
        """Return where a payment belongs that lnd has just listed and that isn't malformed."""
        run = payment.run
        self._kept.pop(run, None)  # if an earlier border kept it
        if self._first.is_live(run, payment.payment_index):
            return Side.LIVE
        if payment.status.ended and (
            self._first.is_surely_history(run) or max(payment.latest_ns, payment.created_ns) < self._recent_ns
        ):
            return Side.HISTORY
        self._kept[run] = payment
        return Side.LATER

    async def settle(self, fetch: Callable[[str], Awaitable[Payment | None]]) -> list[Payment]:
        """Decide what `side` left open, when all has been read; return the payments that belong to history.

        `fetch` asks lnd for a payment by its hash. If an exporter runs, this waits for a checkpoint of it, typically a
        minute. What is still in flight belongs to nobody yet. Raises `SeamError`, `StoreError`, and what `fetch` does.
        """
        for run, payment in self._kept.items():
            if payment is None or not payment.status.ended:
                answer = await fetch(run.payment_hash)
                if answer is not None and answer.run == run and not answer.malformed:
                    self._kept[run] = answer
        seam = await self._settled()
        if any(self._was_decided(run, seam) for run in seam.old_runs - self._first.old_runs - self._kept.keys()):
            raise MustBeginAnew(
                "a payment that had been in flight since before counting began ended while history was read, and is now"
                " counted both by the exporter and in what was written"
            )
        return [
            payment
            for run, payment in self._kept.items()
            if payment is not None and payment.status.ended and not seam.is_live(run, payment.payment_index)
        ]

    def _was_decided(self, run: Run, seam: Seam) -> bool:
        """Return True if `side` said that the run is history, though it is live's: the stream was too late."""
        payment_index = seam.counting.open.get(run) or seam.counting.finished.get(run) or 0
        return not self._first.is_live(run, payment_index)

    async def _settled(self) -> Seam:
        """Return the state once it has all that the exporter's stream will ever say about what has ended by now."""
        asked, state = self._now(), self._first.counting.state
        lag_ns = int((LAG_S + scan_s(state.table)) * NS_PER_S)
        while True:
            seam = self._look()
            if seam is None or seam.began != self._first.began:
                raise MustBeginAnew("the exporter's counting of the node began anew while its history was read")
            if not seam.running or seam.saved_ns >= asked.wall_ns + lag_ns:
                return seam
            if self._now().mono_ns - asked.mono_ns > lag_ns + WAIT_S * NS_PER_S:
                raise SeamError(
                    "the exporter runs but hasn't written its state for minutes, so it isn't known what it has counted:"
                    " look into its log"
                )
            await asyncio.sleep(LOOK_S)
