"""Follow one node: wait until lnd accepts calls, subscribe, catch up, record; after a loss wait and start again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from exporter.follow.account import RELEASE_S, Account
from exporter.follow.audit import Audit, CountedLookup
from exporter.follow.backoff import Backoff
from exporter.follow.calls import Calls
from exporter.follow.catch_up import CatchUp
from exporter.follow.intervals import Intervals
from exporter.follow.node_poller import NodePoller
from exporter.follow.per_payment import PerPaymentStreams
from exporter.follow.readiness import wait_until_ready
from exporter.follow.tasks import first_error, run_alone
from exporter.lnd.client import NOT_READY, Client, ExplainingClient, LndError
from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import CallOutcome, Interruption, Method, Mode, NodeState, Source

if TYPE_CHECKING:
    from exporter.follow.no_route import NoRouteChecks

_NO_STREAM = (Interruption.UNIMPLEMENTED, Interruption.DENIED)
"""Why lnd refuses a stream of all payments: it is older than 0.16, or the macaroon doesn't allow this one call."""


class Follower:
    """Follows one node for ever, or until another follower takes over its account."""

    def __init__(
        self,
        account: Account,
        client: Client,
        *,
        backoff: Backoff | None = None,
        intervals: Intervals | None = None,
        counted: CountedLookup | None = None,
        mode: Mode | None = None,
        final_only: bool = False,
        explaining: ExplainingClient | None = None,
    ) -> None:
        """Count in `account`, which may have a history; to restore a saved one, call `Account.resume` before.

        `counted` looks runs up among those that were counted; without it there is no audit. Without `mode` one stream
        follows all payments where lnd has it and the macaroon allows it, else each payment has its own. With
        `final_only` that one stream sends only payments that have ended. With `explaining`, the same client, lnd is
        asked by sample why payments have found no route.
        """
        self.account = account
        self._client = client
        self._calls = Calls(client, self.account)
        self._catch_up = CatchUp(self._calls)
        self._backoff = backoff or Backoff()
        self._intervals = intervals or Intervals()
        self._mode = mode
        self._one_stream = Mode.FINAL if final_only else Mode.FIREHOSE
        self._per_payment = PerPaymentStreams(self._calls, self._intervals)
        self._audit = Audit(self._calls, counted, self._intervals) if counted else None
        self._node_poller = NodePoller(self._calls, self._intervals)
        self._no_route_checks = self._checks(explaining) if explaining else None
        self._log = structlog.get_logger("exporter.follow").bind(node=account.name)
        self.account.set_status(mode=Mode.FINAL if final_only else None)
        self._caught_up = asyncio.Event()
        self._subscribed_at: int | None = None  # nanoseconds, monotonic clock; None before the subscription
        self._last_logged: Interruption | None = None  # why the node is not followed; None while it is

    def _checks(self, client: ExplainingClient) -> "NoRouteChecks":
        from exporter.follow.no_route import NoRouteChecks  # noqa: PLC0415 - opt-in, and others do without its memory

        return NoRouteChecks(self._calls, client)

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow until cancelled. Whatever lnd or the network does is counted, logged once and tried again."""
        try:
            while True:
                try:
                    await run_alone(self._session())
                except LndError as error:
                    delay_s = self._end_session(error)
                    self._log.debug("waiting before the next try", seconds=round(delay_s, 1))
                    await sleep(delay_s)
        finally:
            await self._client.close()

    async def _session(self) -> None:
        """Connect, subscribe and follow until the connection is lost; ends with `LndError`."""
        self.account.set_status(certificate_expiry_s=await self._client.connect())
        self._calls.page_size.connected()
        self._caught_up.clear()
        await wait_until_ready(self._calls, self._intervals.state_s, self._report_waiting)
        await self._node_poller.identify()
        await self._prepare()
        self.account.tracker.stream_started(self._one_stream)
        self._subscribed_at = self.account.now().mono_ns
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive_updates())
                group.create_task(self._catch_up_and_refresh())
                group.create_task(self._mark_ready())
                group.create_task(self._fetch_unconfirmed())
                group.create_task(self._release_holds())
                group.create_task(self._audit_when_caught_up())
                group.create_task(self._node_poller.run())
                group.create_task(self._node_poller.ask_when_balance_lacks())
                if self._no_route_checks is not None:
                    group.create_task(self._no_route_checks.run())
        except BaseExceptionGroup as group_error:
            lnd_errors, bugs = group_error.split(LndError)
            if bugs or lnd_errors is None:
                raise
            raise first_error(lnd_errors) from None

    def _end_session(self, error: LndError) -> float:
        """Log and count the end of a session; return the seconds to wait before the next one."""
        account = self.account
        if account.status.stream_up or error.cause is not self._last_logged:
            self._last_logged = error.cause
            log = self._log.error if error.state in (NodeState.DENIED, NodeState.WRONG_NODE) else self._log.warning
            log(
                "not following",
                cause=error.cause.value,
                state=error.state.value,
                address=self._client.address,
                advice=error.advice,
            )
        account.set_status(state=error.state, stream_up=False, catching_up=False, detail=error.advice)
        subscribed_at = self._lose_stream(error.cause)
        if subscribed_at is None:
            return self._backoff.delay_s(0, 0)
        return self._backoff.delay_s((account.now().mono_ns - subscribed_at) / 1e9, account.payment_count)

    def _lose_stream(self, cause: Interruption) -> int | None:
        """Count the end of the subscription, if there is one; return when it began."""
        subscribed_at, self._subscribed_at = self._subscribed_at, None
        if subscribed_at is not None:
            # A hold that was over while the stream still lived counts: nothing more was to come.
            self.account.release()
            self.account.apply([StreamInterrupted(cause)])
            self.account.tracker.stream_lost()
        return subscribed_at

    async def stop(self, running: asyncio.Task[None]) -> None:
        """End the task `running`, which is in `run`, because the configuration has changed.

        It is as if the stream was lost; afterwards the account may get another follower, or none.
        """
        self._leave()
        running.cancel()
        while not (await asyncio.wait([running], timeout=RELEASE_S))[0]:
            self._leave()
        self._leave()

    def _leave(self) -> None:
        """Show that the node isn't followed, and keep runs that ended on hold no longer: see `_end_session`.

        It is called again while the tasks end, because an update may just have been recorded.
        """
        self.account.set_status(stream_up=False, catching_up=False, detail="")
        self._lose_stream(Interruption.RELOAD)
        self.account.tracker.stream_lost()

    def _report_waiting(self, state: NodeState) -> None:
        """Show that lnd is not ready yet, and log it once."""
        cause, advice = NOT_READY[state]
        if cause is not self._last_logged:
            self._last_logged = cause
            self._log.warning("waiting for lnd", state=state.value, advice=advice)
        self.account.set_status(state=state, detail=advice)

    async def _prepare(self) -> None:
        """Prepare for the subscription; lnd may take minutes to list payments, so show meanwhile that it answers."""
        marking = asyncio.create_task(self._mark_ready())
        try:
            await self._begin_or_check_indexes()
        finally:
            marking.cancel()

    async def _begin_or_check_indexes(self) -> None:
        """Begin counting; or, if it has begun, check that lnd's indexes still mean what they meant."""
        if not self.account.tracker.begun:
            await self._catch_up.begin()
            return
        self.account.set_status(catching_up=True)
        if not await self._catch_up.indexes_hold():
            await self._node_poller.require_identity()  # an unknown history may be another node's
            if len(self.account.tracker.finished):
                await self._catch_up.learn_indexes()

    async def _receive_updates(self) -> None:
        """Record updates, from one stream or from a stream for each payment, until the connection is lost."""
        if self._mode is not Mode.TRACK:
            try:
                self.account.set_status(mode=self._one_stream)
                await self._receive_from_one_stream()
            except LndError as refusal:
                if self._mode is Mode.FIREHOSE or refusal.cause not in _NO_STREAM:
                    raise
                extra = ", not only final updates" if self._one_stream is Mode.FINAL else ""
                self._log.info(
                    f"no stream of all payments: following each by a stream of its own{extra}", advice=refusal.advice
                )
        self.account.set_status(mode=Mode.TRACK)
        self.account.tracker.stream_started(Mode.TRACK)
        await self._per_payment.run()

    async def _receive_from_one_stream(self) -> None:
        """Record updates of all payments until the stream is lost."""
        updates = self._client.updates(final_only=self._one_stream is Mode.FINAL)
        try:
            async for payment in updates:
                self.account.record(payment, Source.STREAM)
        finally:
            self._calls.count(Method.TRACK_PAYMENTS, CallOutcome.ERROR)  # an endless stream never ends well
            await updates.aclose()  # now, not when it is collected: that cancels its call

    async def _catch_up_and_refresh(self) -> None:
        """Catch up, show that the stream is up, then request from time to time what it doesn't show."""
        account = self.account
        account.set_status(catching_up=True)
        await self._catch_up.read()
        account.set_status(state=NodeState.READY, stream_up=True, catching_up=False, detail="")
        self._caught_up.set()
        mode, in_flight = account.status.mode, len(account.tracker.open)
        self._log.info("following", address=self._client.address, mode=mode and mode.value, in_flight=in_flight)
        self._last_logged = None
        await asyncio.sleep(self._intervals.second_catch_up_s)
        await self._catch_up.read()
        while True:
            await asyncio.sleep(self._intervals.poll_s)
            await self._catch_up.refresh()

    async def _mark_ready(self) -> None:
        """Show that lnd answers and accepts our macaroon, once a session has lasted; catching up may take hours."""
        await asyncio.sleep(self._intervals.accepted_s)
        if self._node_poller.identified or self._subscribed_at is not None:
            self.account.set_status(state=NodeState.READY, detail="")

    async def _release_holds(self) -> None:
        """Count runs when their hold is over, even if nothing else happens: each update counts them, too."""
        time_s = asyncio.get_running_loop().time
        while True:
            await self.account.has_holds.wait()
            if (rest_s := self.account.last_run_s + RELEASE_S - time_s()) > 0:
                await asyncio.sleep(rest_s)
            else:
                self.account.release()

    async def _audit_when_caught_up(self) -> None:
        await self._caught_up.wait()
        if self._audit is not None:
            await self._audit.run()

    async def _fetch_unconfirmed(self) -> None:
        """Request the payments whose end is unconfirmed."""
        while True:
            await self.account.has_unconfirmed.wait()
            await self._calls.fetch(self.account.take_unconfirmed())
