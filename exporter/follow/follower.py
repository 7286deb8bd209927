"""One node's life: wait until lnd accepts calls, subscribe, catch up, record; on loss wait and start again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from exporter.backoff import Backoff
from exporter.lnd.client import Client, Page, Trouble
from exporter.payments.event import CaughtUp, Event, LndCalled, PaymentDoubted, StreamInterrupted
from exporter.payments.labels import CallOutcome, Interruption, Lost, Method, NodeState, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import Info, NodeStatus
from exporter.payments.payment import Moment, Payment
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture

T = TypeVar("T")

PAGE = 500
"""Payments asked for at once; halved when an answer is too large for one message."""
ASKING = 8
"""Questions about single payments under way at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for what, seconds."""

    first_info_s: float = 10.0
    """`GetInfo` before a subscription: some nodes take minutes, and payments must not wait for it."""
    info_s: float = 300.0
    """`GetInfo` otherwise."""
    state_s: float = 30.0
    """The first word of `SubscribeState`."""
    again_s: float = 5.0
    """From the first catch-up to the second: lnd never says when a subscription has begun; the first may be early."""
    beat_s: float = 60.0
    """Between two cheap calls to an idle node."""
    channels_every: int = 5
    """Each so-manieth beat asks `ListChannels` instead of `GetInfo`."""


class Follower:
    """Follows one node for ever. At every await its tracker and ledger agree."""

    def __init__(
        self,
        name: str,
        client: Client,
        *,
        now: Callable[[], Moment],
        max_peers: int = 50,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`name` is the label `node`; `now` is both clocks; `max_peers` first-hop peers get a label of their own."""
        self.name = name
        self.tracker = Tracker()
        self.ledger = Ledger(max_peers)
        self.status = NodeStatus()
        self._client = client
        self._now = now
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._log = structlog.get_logger("exporter.follow").bind(node=name)
        self._begun = False  # counting has begun: it is known where history ends
        self._pubkey = ""  # of the node that is counted, once GetInfo has answered
        self._identified = False  # in this session
        self._renewed = False  # lnd's database knows nothing of what it knew before
        self._page = PAGE
        self._table = 0  # payments that lnd scans for a subscription; the highest index is near enough
        self._subscribed_at: int | None = None
        self._doubted: dict[str, None] = {}  # at most what lnd has in flight
        self._doubts = asyncio.Event()
        self._complaint: Interruption | None = None  # what the log said last

    def view(self) -> View:
        """What a page shows of the node now."""
        now = self._now()
        self.ledger.apply(self.tracker.release(now))
        return capture(self.name, self.tracker, self.ledger, self.status, now)

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow until cancelled. Whatever lnd or the network does is counted, told once and tried again."""
        try:
            while True:
                try:
                    await self._session()
                except Trouble as trouble:
                    lived_s = self._lost(trouble)
                    table = 0 if lived_s is None else self._table
                    delay_s = self._backoff.delay_s(lived_s or 0.0, table)
                    self._log.debug("waiting before the next try", seconds=round(delay_s, 1))
                    await sleep(delay_s)
        finally:
            await self._client.close()

    async def _session(self) -> None:
        """From a fresh connection to its loss; ends with `Trouble`."""
        expiry_s = await self._client.connect()
        self._identified = False
        self._set(certificate_expiry_s=expiry_s)
        await self._wait_until_ready()
        await self._identify(self._pace.first_info_s)
        await self._learn_numbering()
        self.tracker.stream_started()
        self._subscribed_at = self._now().mono_ns
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._tend())
                group.create_task(self._settle_doubts())
        except BaseExceptionGroup as problems:
            weather, bugs = problems.split(Trouble)
            if bugs or weather is None:
                raise
            raise _first(weather) from None

    def _lost(self, trouble: Trouble) -> float | None:
        """Account for the end of a session; seconds that its subscription lived, None if there was none."""
        now = self._now()
        if self.status.stream_up:
            self.ledger.apply([StreamInterrupted(trouble.cause)])
        if self.status.stream_up or trouble.cause is not self._complaint:
            self._complaint = trouble.cause
            log = self._log.error if trouble.state in (NodeState.DENIED, NodeState.WRONG_NODE) else self._log.warning
            log("not following", cause=trouble.cause.value, state=trouble.state.value, advice=trouble.advice)
        self._set(state=trouble.state, stream_up=False, catching_up=False, detail=trouble.advice)
        subscribed_at, self._subscribed_at = self._subscribed_at, None
        if subscribed_at is None:
            return None
        self.tracker.stream_lost()
        return (now.mono_ns - subscribed_at) / 1e9

    # Before the subscription.

    async def _wait_until_ready(self) -> None:
        """Wait, for days if need be, until lnd accepts calls; a locked wallet is noticed the moment it is unlocked."""
        states = self._client.states()
        try:
            async with asyncio.timeout(self._pace.state_s) as first_word:
                async for state in states:
                    first_word.reschedule(None)
                    if state is NodeState.READY:
                        self._called(Method.SUBSCRIBE_STATE)
                        return
                    self._waiting(state)
        except TimeoutError:
            self._called(Method.SUBSCRIBE_STATE, CallOutcome.ERROR)
            raise Trouble(
                Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd accepts connections but doesn't answer: restart it?"
            ) from None
        except Trouble:
            self._called(Method.SUBSCRIBE_STATE, CallOutcome.ERROR)
            raise
        finally:
            await _close(states)
        raise Trouble(Interruption.ENDED, NodeState.UNREACHABLE, "lnd ended the stream SubscribeState without an error")

    def _waiting(self, state: NodeState) -> None:
        cause, advice = _WAITING[state]
        if cause is not self._complaint:
            self._complaint = cause
            self._log.warning("waiting for lnd", state=state.value, advice=advice)
        self._set(state=state, detail=advice)

    async def _identify(self, timeout_s: float) -> None:
        """Ask who this is. A node that takes too long is taken at its word until it answers."""
        try:
            info = await self._ask(Method.GET_INFO, self._client.info(timeout_s))
        except Trouble as trouble:
            if trouble.cause is not Interruption.TIMEOUT:
                raise
            self._log.info("GetInfo takes long: following without it", seconds=timeout_s)
        else:
            self._meet(info)

    def _meet(self, info: Info) -> None:
        """Take note of what a node says of itself, and of its being the one that is counted."""
        if self._pubkey and info.pubkey != self._pubkey:
            raise Trouble(
                Interruption.WRONG_NODE,
                NodeState.WRONG_NODE,
                f"another node ({info.pubkey}) answers than the one that is counted as {self.name!r} ({self._pubkey}): "
                "set the address right, or restart the exporter with another name to count this one",
            )
        self._pubkey = info.pubkey
        self._identified = True
        self._set(info=info)

    async def _learn_numbering(self) -> None:
        """Learn where lnd's history ends, or whether its indexes still mean what they meant."""
        memory = self.tracker.memory
        if not self._begun:
            page = await self._list(newest_first=True)
            whole = len(page.payments) < self._page
            floor = 0 if whole else page.payments[0].payment_index - 1
            self._apply(self.tracker.begin(page.payments, floor, self._now()))
            self._begun = True
            self._log.info("counting begins", history_ends=page.last_index, in_flight=len(self.tracker.open))
        elif memory.by_time or (len(memory) and not await self._numbers_hold()):
            if not self._identified:
                await self._identify(self._pace.info_s)  # an unknown history may be another node's
            await self._renumber()

    async def _numbers_hold(self) -> bool:
        """True if lnd still shows one of the remembered runs where it was."""
        page = await self._list(after=self.tracker.memory.floor_index)
        return self.tracker.memory.vouches(page.payments)

    async def _renumber(self) -> None:
        """Read back from the newest payment until known ones show where the floor is in the new numbering."""
        memory = self.tracker.memory
        memory.distrust_indexes()
        self._log.warning("lnd's payments are numbered anew: reading back to known ones")
        floor, before, known = 0, 0, 0
        while True:
            page = await self._list(after=before, newest_first=True)
            fresh = [p for p in page.payments if p.run.created_us > memory.floor_us]
            here = [p for p in page.payments if memory.is_over(p) or p.run in self.tracker.open]
            history = [p.payment_index for p in page.payments if p not in fresh and p not in here]
            known += len(here)
            floor = max([floor, *history])
            if not page.payments or not fresh:
                break
            before = page.payments[0].payment_index
        memory.trust_indexes(floor)
        self._renewed = known == 0
        self._log.warning("numbering learnt", floor=floor, known=known)

    # While the stream is there.

    async def _read(self) -> None:
        """Take updates until the stream is lost."""
        updates = self._client.updates()
        try:
            async for payment in updates:
                self._record(payment, Source.STREAM)
        except Trouble:
            self._called(Method.TRACK_PAYMENTS, CallOutcome.ERROR)
            raise
        finally:
            await _close(updates)

    def _record(self, payment: Payment, source: Source) -> None:
        """Take in one snapshot: from here to the end there is no await."""
        at = self._now()
        self._table = max(self._table, payment.payment_index)
        self._apply(self.tracker.update(payment, source, at))
        # After the update, not before: if this process was stalled, the last word of a run may have waited here too.
        self._apply(self.tracker.release(at))

    def _apply(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, PaymentDoubted):
                self._doubted[event.payment_hash] = None
                self._doubts.set()
        self.ledger.apply(events)

    async def _tend(self) -> None:
        """Catch up, declare the stream up, and do what is due from time to time."""
        self._set(catching_up=True)
        await self._catch_up()
        self._set(state=NodeState.READY, stream_up=True, catching_up=False, detail="")
        self._log.info("following", in_flight=len(self.tracker.open))
        self._complaint = None
        await asyncio.sleep(self._pace.again_s)
        await self._catch_up()
        beat, with_channels = 0, True
        while True:
            if with_channels and beat % self._pace.channels_every == 0:
                with_channels = await self._look_at_channels()
            else:
                await self._look_at_node()
            await asyncio.sleep(self._pace.beat_s)
            beat += 1
            if self.tracker.memory.by_time:
                await self._learn_numbering()
                await self._catch_up()
            # All others have been shown by the stream: these wait for a second answer, or for lnd's scan to end.
            await self._ask_for(self.tracker.unseen())

    async def _catch_up(self) -> None:
        """Find what began or ended while nobody listened."""
        memory = self.tracker.memory
        memory.reading = memory.floor_index
        try:
            while (page := await self._list(after=memory.reading)).payments:
                self.ledger.apply([CaughtUp(len(page.payments))])
                for payment in page.payments:
                    if not memory.is_over(payment):
                        self._record(payment, Source.LIST)
                memory.reading = page.payments[-1].payment_index
        finally:
            memory.reading = None
        await self._ask_for(self.tracker.unseen())

    async def _settle_doubts(self) -> None:
        """Ask about runs that may have ended before the stream showed them in flight."""
        while True:
            await self._doubts.wait()
            self._doubts.clear()
            doubted, self._doubted = self._doubted, {}
            await self._ask_for(doubted)

    async def _ask_for(self, hashes: Iterable[str]) -> None:
        """Ask lnd for payments by hash, a few at a time."""
        slots = asyncio.Semaphore(ASKING)

        async def ask(payment_hash: str) -> None:
            async with slots:
                payment = await self._ask(Method.TRACK_PAYMENT, self._client.payment(payment_hash))
                if payment is not None:
                    self._record(payment, Source.TRACK)
                else:
                    cause = Lost.DATABASE_RENEWED if self._renewed else Lost.DELETED
                    self._apply(self.tracker.missing(payment_hash, self._now(), cause))

        async with asyncio.TaskGroup() as group:
            for payment_hash in hashes:
                group.create_task(ask(payment_hash))

    async def _look_at_node(self) -> None:
        """Refresh height, synchronisation and channels; its failure says nothing about payments."""
        try:
            info = await self._ask(Method.GET_INFO, self._client.info(self._pace.info_s))
        except Trouble as trouble:
            self._log.debug("GetInfo failed", advice=trouble.advice)
        else:
            self._meet(info)

    async def _look_at_channels(self) -> bool:
        """Refresh aliases and balance; False if the macaroon doesn't allow it."""
        try:
            self._set(channels=await self._ask(Method.LIST_CHANNELS, self._client.channels()))
        except Trouble as trouble:
            self._set(channels=None)
            if trouble.state is NodeState.DENIED:
                self._log.info("the macaroon doesn't allow ListChannels: no aliases of peers, no spendable balance")
                return False
        return True

    # Asking.

    async def _list(self, *, after: int = 0, newest_first: bool = False) -> Page:
        """One page of payments, smaller ones if they don't fit into a message."""
        while True:
            try:
                page = await self._ask(
                    Method.LIST_PAYMENTS,
                    self._client.payments(after=after, limit=self._page, newest_first=newest_first),
                )
            except Trouble as trouble:
                if trouble.cause is not Interruption.TOO_LARGE or self._page == 1:
                    raise
                self._page //= 2
            else:
                self._table = max(self._table, page.last_index)
                return page

    async def _ask(self, method: Method, call: Awaitable[T]) -> T:
        """Wait for an answer and count the call."""
        try:
            answer = await call
        except Trouble:
            self._called(method, CallOutcome.ERROR)
            raise
        self._called(method)
        return answer

    def _called(self, method: Method, outcome: CallOutcome = CallOutcome.OK) -> None:
        self.ledger.apply([LndCalled(method, outcome)])

    def _set(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]  # one place to change a frozen status


_WAITING: dict[NodeState, tuple[Interruption, str]] = {
    NodeState.NO_WALLET: (Interruption.NO_WALLET, "lnd has no wallet yet: create one with `lncli create`"),
    NodeState.LOCKED: (Interruption.LOCKED, "the wallet is locked: unlock it with `lncli unlock`"),
    NodeState.STARTING: (Interruption.STARTING, "lnd is starting: wait"),
}


def _first(group: BaseExceptionGroup[Trouble]) -> Trouble:
    """The first trouble of a group, however deep."""
    problem: BaseException = group
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if not isinstance(problem, Trouble):
        raise TypeError(f"not a Trouble: {problem!r}")
    return problem


async def _close(stream: AsyncIterator[object]) -> None:
    """Close a generator now, not when it is collected: its call is cancelled there."""
    if (aclose := getattr(stream, "aclose", None)) is not None:
        await aclose()
