"""Who the node is, and how it is doing apart from its payments: one cheap call from time to time."""

import asyncio

import structlog

from exporter.follow.pace import Pace
from exporter.follow.questions import Questions
from exporter.lnd.client import LndError
from exporter.payments.event import ChannelsListed
from exporter.payments.labels import Interruption, Method, NodeState


class Acquaintance:
    """What `GetInfo` and `ListChannels` say of one node. Some nodes take minutes to answer; payments don't wait."""

    def __init__(self, questions: Questions, pace: Pace) -> None:
        """The node hasn't been met yet."""
        self._client = questions.client
        self._questions = questions
        self._account = questions.account
        self._pace = pace
        self._log = structlog.get_logger("exporter.follow").bind(node=questions.account.name)
        self._denied = False  # ListChannels was, when it was asked last
        self.met = False
        """It has answered since the connection was opened."""

    async def begin(self) -> None:
        """Ask who this is, on a fresh connection; until it answers, it is taken for the node that is known.

        Before counting begins lnd gets more time: without the node's key no rebalance can be told from a payment.
        """
        self.met = False
        self._client.own_key = self._account.pubkey
        await self._ask(self._pace.first_info_s)
        if not (self.met or self._account.pubkey or self._account.tracker.begun):
            self._account.set_status(
                state=NodeState.STARTING, detail="lnd doesn't say who it is: waiting for GetInfo before counting begins"
            )
            await self._ask(self._pace.info_s)

    async def _ask(self, timeout_s: float) -> None:
        """Ask who this is. That there is no answer in time says nothing about payments."""
        try:
            await self._meet(timeout_s)
        except LndError as trouble:
            if trouble.cause is not Interruption.TIMEOUT:
                raise
            self._log.info("GetInfo takes long", seconds=timeout_s)

    async def insist(self) -> None:
        """Ask again where the answer matters: what lnd shows may be another node's payments."""
        if self.met or not self._account.pubkey:
            return
        await self._ask(self._pace.info_s)
        if not self.met:
            raise LndError(
                Interruption.TIMEOUT,
                NodeState.STARTING,
                "lnd doesn't say who it is, and its payments are not those that are known: waiting for GetInfo",
            )

    async def look(self) -> None:
        """Look at the node from time to time, until cancelled."""
        beat, with_channels = 0, True
        while True:
            if with_channels and beat % self._pace.channels_every == 0:
                with_channels = await self._look_at_channels()
            else:
                await self._look_at_node()
            await asyncio.sleep(self._pace.beat_s)
            beat += 1

    async def _meet(self, timeout_s: float) -> None:
        """Ask, and take note of what the node says of itself and of its being the one that is counted."""
        info = await self._questions.ask(Method.GET_INFO, self._client.info(timeout_s))
        if self._account.pubkey and info.pubkey != self._account.pubkey:
            raise LndError(
                Interruption.WRONG_NODE,
                NodeState.WRONG_NODE,
                f"another node ({info.pubkey}) answers than the one that is counted here ({self._account.pubkey}): "
                "set the address right, or forget the old one (--storage.reset=NODE) to count this one",
            )
        self._account.pubkey = self._client.own_key = info.pubkey
        self.met = True
        self._account.set_status(info=info)

    async def _look_at_node(self) -> None:
        """Refresh height, synchronisation and channels; that no answer comes says nothing about payments."""
        try:
            await self._meet(self._pace.info_s)
        except LndError as trouble:
            if trouble.cause is Interruption.WRONG_NODE:
                raise
            self._log.debug("GetInfo failed", advice=trouble.advice)

    async def _look_at_channels(self) -> bool:
        """Refresh aliases and balance; False if the macaroon doesn't allow it."""
        try:
            channels = await self._questions.ask(Method.LIST_CHANNELS, self._client.channels())
        except LndError as trouble:
            self._account.set_status(channels=None)
            if trouble.state is NodeState.DENIED:
                if not self._denied:
                    self._log.info("the macaroon doesn't allow ListChannels: no aliases of peers, no spendable balance")
                self._denied = True
                return False
        else:
            self._denied = False
            self._account.set_status(channels=channels)
            self._account.apply([ChannelsListed(channels.peers)])
        return True
