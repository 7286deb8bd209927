"""The identity and the health of a node, apart from its payments: polled with one cheap call from time to time."""

import asyncio

import structlog

from exporter.follow.calls import Calls
from exporter.follow.intervals import Intervals
from exporter.lnd.client import LndError
from exporter.payments.balance import NEAR_NS, Balance
from exporter.payments.event import ChannelsListed
from exporter.payments.labels import Interruption, Method, NodeState
from exporter.payments.payment import NS_PER_S, Moment


class NodePoller:
    """Polls `GetInfo` and `ListChannels` of one node. Some nodes take minutes to answer; payments don't wait."""

    def __init__(self, calls: Calls, intervals: Intervals) -> None:
        """Start with an unidentified node."""
        self._client = calls.client
        self._calls = calls
        self._account = calls.account
        self._intervals = intervals
        self._log = structlog.get_logger("exporter.follow").bind(node=calls.account.name)
        self._channels_asked_ns: int | None = None  # when they were last requested, monotonic clock
        self._channels_known_ns = 0  # when the newest request that has an answer, or has failed, was sent
        self._channels_failed = False  # that request has failed
        self._channels_shown_ns = 0  # when the one was sent whose answer is shown
        self._with_channels = True  # the macaroon allows ListChannels, unless lnd has denied it since it was connected
        self._denial_logged = False  # ListChannels was denied the last time, and the log has reported it
        self.identified = False
        """Whether `GetInfo` has been answered since the connection was opened."""

    async def identify(self) -> None:
        """Request the node's identity on a fresh connection; until it answers, assume that it is the known node.

        Before counting begins lnd gets more time: without the node's key no rebalance can be told from a payment.
        Raises `LndError`, also if another node answers.
        """
        self.identified = False
        self._client.own_key = self._account.pubkey
        await self._try_get_info(self._intervals.first_info_s)
        if not (self.identified or self._account.pubkey or self._account.tracker.begun):
            self._account.set_status(
                state=NodeState.STARTING,
                detail="lnd doesn't report its identity: waiting for GetInfo before counting begins",
            )
            await self._try_get_info(self._intervals.info_s)

    async def require_identity(self) -> None:
        """Request the identity again where it matters: the payments that lnd lists may be another node's.

        Raises `LndError` if there is no answer, or if another node answers.
        """
        if self.identified or not self._account.pubkey:
            return
        await self._try_get_info(self._intervals.info_s)
        if not self.identified:
            raise LndError(
                Interruption.TIMEOUT,
                NodeState.STARTING,
                "lnd doesn't report its identity, and its payments are not the known ones: waiting for GetInfo",
            )

    async def run(self) -> None:
        """Poll the node until cancelled. Raises `LndError` if another node answers."""
        count, self._with_channels = 0, True
        while True:
            instead = self._with_channels and count % self._intervals.channels_every == 0
            if instead or (self._with_channels and self._channels_failed):
                await self._refresh_channels()
            if not instead:
                await self._refresh_info()
            await asyncio.sleep(self._intervals.poll_s)
            count += 1

    async def ask_when_balance_lacks(self) -> None:
        """Request the channels when a payment has ended for lack of balance, at most once in ten seconds.

        An answer that comes within a second is there before the payment is counted. A later one may tell about others.
        """
        account = self._account
        while True:
            await account.lacks_balance.wait()
            account.lacks_balance.clear()
            asked_ns = self._channels_asked_ns
            if self._with_channels and (asked_ns is None or account.now().mono_ns - asked_ns > NEAR_NS):
                await self._refresh_channels()

    async def _try_get_info(self, timeout_s: float) -> None:
        """Request the identity; ignore a time-out, which doesn't concern payments."""
        try:
            await self._get_info(timeout_s)
        except LndError as error:
            if error.cause is not Interruption.TIMEOUT:
                raise
            self._log.info("GetInfo takes long", seconds=timeout_s)

    async def _get_info(self, timeout_s: float) -> None:
        """Request and note the node's info; raise `LndError` if it is not the node that is counted."""
        info = await self._calls.run(Method.GET_INFO, self._client.info(timeout_s))
        if self._account.pubkey and info.pubkey != self._account.pubkey:
            raise LndError(
                Interruption.WRONG_NODE,
                NodeState.WRONG_NODE,
                f"another node ({info.pubkey}) answers than the one that is counted here ({self._account.pubkey}): "
                "correct the address, or forget the old node (--storage.reset=NODE) to count this one",
            )
        self._account.pubkey = self._client.own_key = info.pubkey
        self.identified = True
        self._account.set_status(info=info)

    async def _refresh_info(self) -> None:
        """Update height, synchronisation and number of channels; a failed call doesn't concern payments."""
        try:
            await self._get_info(self._intervals.info_s)
        except LndError as error:
            if error.cause is Interruption.WRONG_NODE:
                raise
            self._log.debug("GetInfo failed", advice=error.advice)

    async def _refresh_channels(self) -> None:
        """Update aliases and balance; a failed call doesn't concern payments.

        The last answer stays while it is young enough, and the next poll asks again. Two calls may be under way: what
        came of the later one is not replaced by that of the earlier one.
        """
        asked = self._account.now()
        self._channels_asked_ns = asked.mono_ns
        try:
            channels = await self._calls.run(Method.LIST_CHANNELS, self._client.channels())
        except LndError as error:
            if self._is_late(asked):
                return
            self._channels_failed = True
            shown_s = (asked.mono_ns - self._channels_shown_ns) / NS_PER_S
            if error.state is NodeState.DENIED or shown_s > self._intervals.shown_s:
                self._account.set_status(channels=None)
            if error.state is NodeState.DENIED:
                if not self._denial_logged:
                    self._log.info("the macaroon doesn't allow ListChannels: no aliases of peers, no spendable balance")
                self._denial_logged = True
                self._with_channels = False
        else:
            if self._is_late(asked):
                return
            self._denial_logged = self._channels_failed = False
            self._channels_shown_ns = asked.mono_ns
            tracker = self._account.tracker
            tracker.balance = Balance.of(channels, asked)
            caught_up = self._account.status.stream_up and not self._account.status.catching_up
            for run in tracker.ghosts.compare(channels.offered, tracker.open.values(), asked, caught_up=caught_up):
                tracker.texts.changed(run.run)
            self._account.set_status(channels=channels)
            self._account.apply([ChannelsListed(frozenset(channels.by_peer))])

    def _is_late(self, asked: Moment) -> bool:
        """Return True if a later request has an answer already, or has failed; note this one if not."""
        if asked.mono_ns < self._channels_known_ns:
            return True
        self._channels_known_ns = asked.mono_ns
        return False
