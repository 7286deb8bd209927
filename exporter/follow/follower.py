"""One node's life: wait until lnd accepts calls, subscribe, catch up, record; on loss wait and start again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from exporter.follow.account import PULSE_S, Account
from exporter.follow.acquaintance import Acquaintance
from exporter.follow.audit import Audit, Counted
from exporter.follow.backoff import Backoff
from exporter.follow.catch_up import CatchUp
from exporter.follow.one_by_one import OneByOne
from exporter.follow.pace import Pace
from exporter.follow.questions import Questions
from exporter.lnd.client import WAITING, Client, LndError
from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import CallOutcome, Interruption, Method, Mode, NodeState, Source
from exporter.payments.payment import Moment

_NO_STREAM = (Interruption.UNIMPLEMENTED, Interruption.DENIED)
"""Why lnd gives no stream of all payments: it is older than 0.16, or the macaroon doesn't allow just that."""


class Follower:
    """Follows one node for ever."""

    def __init__(
        self,
        name: str,
        client: Client,
        *,
        now: Callable[[], Moment],
        max_peers: int = 50,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
        counted: Counted | None = None,
        mode: Mode | None = None,
        final_only: bool = False,
    ) -> None:
        """`name` is the label `node`; `now` is both clocks; `max_peers` first-hop peers get a label of their own.

        `counted` looks runs up in what was counted; without it there is no audit. Without `mode` all payments are
        followed by one stream where lnd has it and lets us, else each by its own. With `final_only` that one stream
        tells of payments that have ended, and only of them.
        """
        self.account = Account(name, now, max_peers)
        self._client = client
        self._questions = Questions(client, self.account)
        self._catch_up = CatchUp(self._questions)
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._mode = mode
        self._one_stream = Mode.FINAL if final_only else Mode.FIREHOSE
        self._one_by_one = OneByOne(self._questions, self._pace)
        self._audit = Audit(self._questions, counted, self._pace) if counted else None
        self._acquaintance = Acquaintance(self._questions, self._pace)
        self._log = structlog.get_logger("exporter.follow").bind(node=name)
        self.account.set_status(mode=Mode.FINAL if final_only else None)
        self._caught_up = asyncio.Event()
        self._subscribed_at: int | None = None
        self._complaint: Interruption | None = None  # what the log said last

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow until cancelled. Whatever lnd or the network does is counted, told once and tried again."""
        try:
            while True:
                try:
                    await _alone(self._session())
                except LndError as trouble:
                    delay_s = self._lost(trouble)
                    self._log.debug("waiting before the next try", seconds=round(delay_s, 1))
                    await sleep(delay_s)
        finally:
            await self._client.close()

    async def _session(self) -> None:
        """From a fresh connection to its loss; ends with `LndError`."""
        self.account.set_status(certificate_expiry_s=await self._client.connect())
        self._questions.page_size.connected()
        self._caught_up.clear()
        await self._wait_until_ready()
        await self._acquaintance.begin()
        await self._prepare()
        self.account.tracker.stream_started(self._one_stream)
        self._subscribed_at = self.account.now().mono_ns
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear())
                group.create_task(self._tend())
                group.create_task(self._vouch())
                group.create_task(self._settle_doubts())
                group.create_task(self._release_holds())
                group.create_task(self._look_again())
                group.create_task(self._acquaintance.look())
        except BaseExceptionGroup as problems:
            weather, bugs = problems.split(LndError)
            if bugs or weather is None:
                raise
            raise _first(weather) from None

    def _lost(self, trouble: LndError) -> float:
        """Account for the end of a session; seconds to wait before the next."""
        account = self.account
        if account.status.stream_up or trouble.cause is not self._complaint:
            self._complaint = trouble.cause
            log = self._log.error if trouble.state in (NodeState.DENIED, NodeState.WRONG_NODE) else self._log.warning
            log(
                "not following",
                cause=trouble.cause.value,
                state=trouble.state.value,
                address=self._client.address,
                advice=trouble.advice,
            )
        account.set_status(state=trouble.state, stream_up=False, catching_up=False, detail=trouble.advice)
        subscribed_at, self._subscribed_at = self._subscribed_at, None
        if subscribed_at is None:
            return self._backoff.delay_s(0, 0)
        # A hold that was over while the stream still lived counts: nothing more was to come.
        account.release()
        account.apply([StreamInterrupted(trouble.cause)])
        account.tracker.stream_lost()
        return self._backoff.delay_s((account.now().mono_ns - subscribed_at) / 1e9, account.payment_count)

    async def _wait_until_ready(self) -> None:
        """Wait, for days if need be, until lnd accepts calls; a locked wallet is noticed the moment it is unlocked."""
        states = self._client.states()
        outcome = CallOutcome.ERROR
        try:
            async with asyncio.timeout(self._pace.state_s) as first_word:
                async for state in states:
                    first_word.reschedule(None)
                    if state is NodeState.READY:
                        outcome = CallOutcome.OK
                        return
                    self._waiting(state)
        except TimeoutError:
            raise LndError(
                Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd accepts connections but doesn't answer: restart it?"
            ) from None
        finally:
            self._questions.called(Method.SUBSCRIBE_STATE, outcome)
            await _close(states)
        raise LndError(
            Interruption.ENDED, NodeState.UNREACHABLE, "lnd ended the stream SubscribeState: is it stopping?"
        )

    def _waiting(self, state: NodeState) -> None:
        cause, advice = WAITING[state]
        if cause is not self._complaint:
            self._complaint = cause
            self._log.warning("waiting for lnd", state=state.value, advice=advice)
        self.account.set_status(state=state, detail=advice)

    async def _prepare(self) -> None:
        """Get ready to subscribe; it may take lnd minutes to list payments, so say meanwhile that it answers."""
        vouching = asyncio.create_task(self._vouch())
        try:
            await self._learn_where_history_ends()
        finally:
            vouching.cancel()

    async def _learn_where_history_ends(self) -> None:
        """Where counting begins, or whether lnd's indexes still mean what they meant."""
        if not self.account.tracker.begun:
            await self._catch_up.begin()
            return
        self.account.set_status(catching_up=True)
        if not await self._catch_up.indexes_hold():
            await self._acquaintance.insist()  # a history that is not known may be another node's
            if len(self.account.tracker.memory):
                await self._catch_up.learn_indexes()

    async def _hear(self) -> None:
        """Take updates until the stream is lost, or lnd where there is no stream of all payments."""
        if self._mode is not Mode.TRACK:
            try:
                self.account.set_status(mode=self._one_stream)
                await self._read()
            except LndError as refusal:
                if self._mode is Mode.FIREHOSE or refusal.cause not in _NO_STREAM:
                    raise
                also = ", all updates" if self._one_stream is Mode.FINAL else ""
                self._log.info(f"no stream of all payments: following each by itself{also}", advice=refusal.advice)
        self.account.set_status(mode=Mode.TRACK)
        self.account.tracker.stream_started(Mode.TRACK)
        await self._one_by_one.run()

    async def _read(self) -> None:
        """Take updates until the stream is lost."""
        updates = self._client.updates(final_only=self._one_stream is Mode.FINAL)
        try:
            async for payment in updates:
                self.account.record(payment, Source.STREAM)
        finally:
            self._questions.called(Method.TRACK_PAYMENTS, CallOutcome.ERROR)  # it never ends well
            await _close(updates)

    async def _tend(self) -> None:
        """Catch up, declare the stream up, and ask for what it doesn't show."""
        account = self.account
        account.set_status(catching_up=True)
        await self._catch_up.read()
        account.set_status(state=NodeState.READY, stream_up=True, catching_up=False, detail="")
        self._caught_up.set()
        mode, in_flight = account.status.mode, len(account.tracker.open)
        self._log.info("following", address=self._client.address, mode=mode and mode.value, in_flight=in_flight)
        self._complaint = None
        await asyncio.sleep(self._pace.again_s)
        await self._catch_up.read()
        while True:
            await asyncio.sleep(self._pace.beat_s)
            if account.tracker.memory.by_time:
                await self._catch_up.learn_indexes()
                await self._catch_up.read()
            elif account.tracker.memory.reading is not None:
                await self._catch_up.look()  # nobody tells what begins, or did until now
            else:
                # All others have been shown by the stream: these wait for a second answer, or for lnd's scan to end.
                await self._questions.ask_for(account.tracker.unseen())

    async def _vouch(self) -> None:
        """Say, once a session has lasted, that lnd answers and lets us in, though it may take hours to catch up."""
        await asyncio.sleep(self._pace.lasting_s)
        if self._acquaintance.met or self._subscribed_at is not None:
            self.account.set_status(state=NodeState.READY, detail="")

    async def _release_holds(self) -> None:
        """Count runs when their hold is over, also if nothing else happens."""
        while True:
            await self.account.holding.wait()
            await asyncio.sleep(PULSE_S)
            self.account.release()

    async def _look_again(self) -> None:
        """Audit, once all that was missed has been found."""
        await self._caught_up.wait()
        if self._audit is not None:
            await self._audit.walk()

    async def _settle_doubts(self) -> None:
        """Ask about runs that may have ended before the stream showed them in flight."""
        while True:
            await self.account.doubts.wait()
            await self._questions.ask_for(self.account.doubted())


async def _alone(session: Coroutine[Any, Any, None]) -> None:
    """Run a session in a task of its own: before Python 3.13 a task group forgets a cancel that meets a failure."""
    task = asyncio.create_task(session)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            with suppress(LndError):  # lost at the same moment; a bug is not swallowed
                task.result()
        raise
    task.result()


def _first(group: BaseExceptionGroup[LndError]) -> LndError:
    """The first trouble of a group, however deep."""
    problem: BaseException = group
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if not isinstance(problem, LndError):
        raise TypeError(f"not an LndError: {problem!r}")
    return problem


async def _close(stream: AsyncIterator[object]) -> None:
    """Close a generator now, not when it is collected: its call is cancelled there."""
    if (aclose := getattr(stream, "aclose", None)) is not None:
        await aclose()
