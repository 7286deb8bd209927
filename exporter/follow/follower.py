"""One node's life: wait until lnd accepts calls, subscribe, catch up, record; on loss wait and start again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog

from exporter.follow.account import Account
from exporter.follow.backoff import Backoff
from exporter.follow.catch_up import CatchUp
from exporter.follow.questions import Questions
from exporter.lnd.client import Client, Trouble
from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import CallOutcome, Interruption, Method, NodeState, Source
from exporter.payments.node import Info
from exporter.payments.payment import Moment
from exporter.payments.view import View


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
    ) -> None:
        """`name` is the label `node`; `now` is both clocks; `max_peers` first-hop peers get a label of their own."""
        self.account = Account(name, now, max_peers)
        self._client = client
        self._questions = Questions(client, self.account)
        self._catch_up = CatchUp(self._questions)
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._log = structlog.get_logger("exporter.follow").bind(node=name)
        self._pubkey = ""  # of the node that is counted, once GetInfo has answered
        self._identified = False  # in this session
        self._subscribed_at: int | None = None
        self._complaint: Interruption | None = None  # what the log said last

    def view(self) -> View:
        """What a page shows of the node now."""
        return self.account.view()

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow until cancelled. Whatever lnd or the network does is counted, told once and tried again."""
        try:
            while True:
                try:
                    await self._session()
                except Trouble as trouble:
                    delay_s = self._lost(trouble)
                    self._log.debug("waiting before the next try", seconds=round(delay_s, 1))
                    await sleep(delay_s)
        finally:
            await self._client.close()

    async def _session(self) -> None:
        """From a fresh connection to its loss; ends with `Trouble`."""
        expiry_s = await self._client.connect()
        self._identified = False
        self.account.set_status(certificate_expiry_s=expiry_s)
        await self._wait_until_ready()
        await self._identify(self._pace.first_info_s)
        await self._prepare()
        self.account.tracker.stream_started()
        self._subscribed_at = self.account.now().mono_ns
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

    def _lost(self, trouble: Trouble) -> float:
        """Account for the end of a session; seconds to wait before the next."""
        account = self.account
        if account.status.stream_up:
            account.apply([StreamInterrupted(trouble.cause)])
        if account.status.stream_up or trouble.cause is not self._complaint:
            self._complaint = trouble.cause
            log = self._log.error if trouble.state in (NodeState.DENIED, NodeState.WRONG_NODE) else self._log.warning
            log("not following", cause=trouble.cause.value, state=trouble.state.value, advice=trouble.advice)
        account.set_status(state=trouble.state, stream_up=False, catching_up=False, detail=trouble.advice)
        subscribed_at, self._subscribed_at = self._subscribed_at, None
        if subscribed_at is None:
            return self._backoff.delay_s(0, 0)
        account.tracker.stream_lost()
        return self._backoff.delay_s((account.now().mono_ns - subscribed_at) / 1e9, account.table)

    # Before the subscription.

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
            raise Trouble(
                Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd accepts connections but doesn't answer: restart it?"
            ) from None
        finally:
            self._questions.called(Method.SUBSCRIBE_STATE, outcome)
            await _close(states)
        raise Trouble(Interruption.ENDED, NodeState.UNREACHABLE, "lnd ended the stream SubscribeState without an error")

    def _waiting(self, state: NodeState) -> None:
        cause, advice = _WAITING[state]
        if cause is not self._complaint:
            self._complaint = cause
            self._log.warning("waiting for lnd", state=state.value, advice=advice)
        self.account.set_status(state=state, detail=advice)

    async def _identify(self, timeout_s: float) -> None:
        """Ask who this is. A node that takes too long is taken at its word until it answers."""
        try:
            info = await self._questions.ask(Method.GET_INFO, self._client.info(timeout_s))
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
                f"another node ({info.pubkey}) answers than the one that is counted here ({self._pubkey}): "
                "set the address right, or restart the exporter to count this one",
            )
        self._pubkey = info.pubkey
        self._identified = True
        self.account.set_status(info=info)

    async def _prepare(self) -> None:
        """Learn where lnd's history ends, or whether its indexes still mean what they meant."""
        if not self._catch_up.begun:
            await self._catch_up.begin()
        elif not await self._catch_up.indexes_hold():
            if not self._identified:
                await self._identify(self._pace.info_s)  # a history that is not known may be another node's
            await self._catch_up.learn_indexes()

    # While the stream is there.

    async def _read(self) -> None:
        """Take updates until the stream is lost."""
        updates = self._client.updates()
        try:
            async for payment in updates:
                self.account.record(payment, Source.STREAM)
        except Trouble:
            self._questions.called(Method.TRACK_PAYMENTS, CallOutcome.ERROR)
            raise
        finally:
            await _close(updates)

    async def _tend(self) -> None:
        """Catch up, declare the stream up, and do what is due from time to time."""
        account = self.account
        account.set_status(catching_up=True)
        await self._catch_up.read()
        account.set_status(state=NodeState.READY, stream_up=True, catching_up=False, detail="")
        self._log.info("following", in_flight=len(account.tracker.open))
        self._complaint = None
        await asyncio.sleep(self._pace.again_s)
        await self._catch_up.read()
        beat, with_channels = 0, True
        while True:
            if with_channels and beat % self._pace.channels_every == 0:
                with_channels = await self._look_at_channels()
            else:
                await self._look_at_node()
            await asyncio.sleep(self._pace.beat_s)
            beat += 1
            if account.tracker.memory.by_time:
                await self._catch_up.learn_indexes()
                await self._catch_up.read()
            # All others have been shown by the stream: these wait for a second answer, or for lnd's scan to end.
            await self._questions.ask_for(account.tracker.unseen())

    async def _settle_doubts(self) -> None:
        """Ask about runs that may have ended before the stream showed them in flight."""
        while True:
            await self.account.doubts.wait()
            await self._questions.ask_for(self.account.doubted())

    async def _look_at_node(self) -> None:
        """Refresh height, synchronisation and channels; its failure says nothing about payments."""
        try:
            info = await self._questions.ask(Method.GET_INFO, self._client.info(self._pace.info_s))
        except Trouble as trouble:
            self._log.debug("GetInfo failed", advice=trouble.advice)
        else:
            self._meet(info)

    async def _look_at_channels(self) -> bool:
        """Refresh aliases and balance; False if the macaroon doesn't allow it."""
        try:
            channels = await self._questions.ask(Method.LIST_CHANNELS, self._client.channels())
        except Trouble as trouble:
            self.account.set_status(channels=None)
            if trouble.state is NodeState.DENIED:
                self._log.info("the macaroon doesn't allow ListChannels: no aliases of peers, no spendable balance")
                return False
        else:
            self.account.set_status(channels=channels)
        return True


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
