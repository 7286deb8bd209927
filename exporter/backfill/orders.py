"""The two orders: history is read before the exporter counts the node, and adopted; or after counting has begun."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from exporter.backfill.adopt import Beginning, adopt, find_beginning
from exporter.backfill.border import Border, Continued, Side
from exporter.backfill.ledger import PastLedger
from exporter.backfill.reader import HistoryReader
from exporter.backfill.seam import BEFORE_NS, Seam
from exporter.backfill.timeline import SLACK_NS
from exporter.follow import Account
from exporter.payments.payment import Payment


class Order(Protocol):
    """Decides which payments are history, and when history ends."""

    reset: bool
    """Whether the series end with a zero, because the live ones begin there."""

    @property
    def waits(self) -> bool:
        """Return True if `rest` waits for the exporter."""

    def is_history(self, payment: Payment) -> bool:
        """Return True if a payment that was just read is history; what isn't decided yet is kept for `rest`."""

    def latest_ns(self) -> int:
        """Return a time up to which steps may be closed by the creation of payments, nanoseconds since 1970."""

    def state(self) -> Continued:
        """Return what is needed to continue, among it the runs kept for `rest`."""

    async def rest(self, last_index: int) -> Sequence[Payment]:
        """Return the other payments of history, when all up to `last_index` have been read.

        Raises `LndError`, `SeamError`, `StoreError`.
        """

    def ends_ns(self) -> int:
        """Return when the series of history end, nanoseconds since 1970; call it after `rest`."""

    def conclude(self, ledger: PastLedger) -> None:
        """Make the sums of history part of the live counters, or leave them. Raises `StoreError`."""


class BeforeCounting:
    """No exporter counts the node yet: all that has ended is history, and live counters begin with its sums."""

    reset = False
    waits = False

    def __init__(
        self,
        path: Path,
        account: Account,
        groups: Mapping[str, str],
        reader: HistoryReader,
        before: Continued | None,
    ) -> None:
        """`path` is the state file; `account` is a new one of the node, `groups` are those of destinations.

        `before` is the `state` of an earlier run, which was broken off.
        """
        self._path = path
        self._account = account
        self._groups = groups
        self._reader = reader
        self._in_flight = dict.fromkeys(before.kept if before else ())  # as many as lnd has in flight
        self._beginning: Beginning | None = None
        self._ends_ns = 0

    def is_history(self, payment: Payment) -> bool:
        """Return True if it has ended."""
        if payment.status.ended:
            self._in_flight.pop(payment.run, None)
        else:
            self._in_flight[payment.run] = None
        return payment.status.ended

    def latest_ns(self) -> int:
        """Return the present time."""
        return self._account.now().wall_ns

    def state(self) -> Continued:
        """Return the runs in flight."""
        return Continued((0, 0), (), tuple(self._in_flight))

    async def rest(self, last_index: int) -> Sequence[Payment]:
        """Return those that have ended since they were read, and those that lnd has listed since. Raises `LndError`.

        They are told by their runs: lnd on SQLite gives the index of a payment that failed last to its next run.
        """
        since: list[Payment] = []
        newest = await self._reader.newest()
        while not newest.is_last and newest.payments[0].payment_index > last_index + 1:  # some may be in between
            async for page in self._reader.pages(last_index):
                since += [each for each in page.payments if not each.malformed and self.is_history(each)]
                last_index = page.payments[-1].payment_index
            newest = await self._reader.newest()
        self._beginning = await find_beginning(newest, self._in_flight, self._reader.payment)
        self._ends_ns = self._account.now().wall_ns - BEFORE_NS
        read = {each.run: each.payment_index for each in self._reader.last_read}
        lowest = min(read.values(), default=last_index + 1)  # all below have been read, perhaps by an earlier run
        return since + [
            payment
            for payment in self._beginning.ended
            if payment.run in self._in_flight or (payment.payment_index >= lowest and payment.run not in read)
        ]

    def ends_ns(self) -> int:
        """Return one minute before the newest payments were listed."""
        return self._ends_ns

    def conclude(self, ledger: PastLedger) -> None:
        """Write the node to the state file. Raises `StoreError`."""
        assert self._beginning is not None, "`rest` comes before"
        pubkey = self._reader.client.own_key
        adopt(self._path, self._account, ledger, self._beginning, pubkey=pubkey, groups=self._groups)


class AfterCounting:
    """An exporter has counted the node, or counts it now: what is in its counters isn't history."""

    reset = True

    def __init__(self, seam: Seam, border: Border, reader: HistoryReader) -> None:
        """`border` decides about each payment; its first look at the state was `seam`."""
        self._seam = seam
        self._border = border
        self._reader = reader

    @property
    def waits(self) -> bool:
        """Return True if the exporter runs."""
        return self._seam.running

    def is_history(self, payment: Payment) -> bool:
        """Return True if it ended before counting began."""
        return self._border.side(payment) is Side.HISTORY

    def latest_ns(self) -> int:
        """Return a minute after the end of the series."""
        return self._seam.ends_ns + SLACK_NS

    def state(self) -> Continued:
        """Return the state of the border."""
        return self._border.state

    async def rest(self, last_index: int) -> Sequence[Payment]:  # noqa: ARG002 - the border has kept them
        """Return those that are found to be history. Raises `LndError`, `SeamError`, `StoreError`."""
        return await self._border.settle(self._reader.payment)

    def ends_ns(self) -> int:
        """Return a minute before counting began."""
        return self._seam.ends_ns

    def conclude(self, ledger: PastLedger) -> None:
        """Leave the state as it is."""
