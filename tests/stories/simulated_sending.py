"""What lnd does with a payment in the simulated lab: its life cycle, step by step, as real ones were recorded."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.simulator.mutation import Create, Fail, Finish, GiveUp, Mutation, Register, Settle
from tests.stories.lab import Listed

if TYPE_CHECKING:
    from tests.stories.simulated import SimulatedLab

HOP_S = 0.01
"""What an HTLC takes on its way, or lnd for a decision."""
MPP_TIMEOUT_S = 0.5
"""How long a recipient keeps parts of a payment that never becomes whole; two minutes in earnest."""
BOB_HAS_MSAT = 110_000_000
"""What bob can forward to dave: his end of the channel without the reserve of 1 %."""
MIN_SHARD_MSAT = 10_000_000
"""lnd splits no further."""
DETAILS = pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
TEMPORARY = pb.Failure.TEMPORARY_CHANNEL_FAILURE


class Plan(NamedTuple):
    """What lnd will find out about a payment."""

    create: Create
    reason: int = pb.FAILURE_REASON_NONE
    """Set if lnd gives up before it sends anything."""
    tries: tuple[pb.Route, ...] = ()
    """These fail at their first hop, one after the other."""
    parts: tuple[pb.Route, ...] = ()
    """These reach the recipient together."""
    halved: Callable[[int], pb.Route] | None = None
    """Instead of `parts`: the route of a part of so many msat, when the first hop can't forward it all."""
    max_parts: int = 1


class SimulatedSending:
    """A payment under way: a task is lnd's life cycle of it."""

    def __init__(self, lab: "SimulatedLab", plan: Plan, *, cancelable: bool = False) -> None:
        """Write it to the database and send it; needs a running loop."""
        self.payment_hash = plan.create.payment_hash
        self._lab = lab
        self._plan = plan
        self._cancelable = cancelable
        self._given_up = pb.FAILURE_REASON_NONE  # what lnd will write when an HTLC is back, and not before
        self._starts = lab.starts
        self._held = asyncio.Event()
        lab.node.database.apply(plan.create)
        self._life = asyncio.get_running_loop().create_task(self._live())

    async def held(self, parts: int = 1) -> None:
        """See `Sending`: all parts arrive together."""
        assert parts <= len(self._plan.parts)
        await self._held.wait()

    async def overdue(self) -> None:
        """See `Sending`: the time is over when we say so."""
        self._given_up = self._given_up or pb.FAILURE_REASON_TIMEOUT

    async def close(self) -> None:
        """See `Sending`."""
        if self._cancelable:
            self._given_up = self._given_up or pb.FAILURE_REASON_CANCELED

    async def ended(self) -> Listed:
        """See `Sending`."""
        await self._life
        return next(one for one in await self._lab.list_payments() if one.payment_hash == self.payment_hash)

    async def _live(self) -> None:
        key = self.payment_hash
        if self._plan.reason:
            await self._do(GiveUp(key, self._plan.reason))
        if self._plan.halved is not None:
            await self._storm(self._plan.halved)
        for number, route in enumerate(self._plan.tries):
            await self._do(Register(key, route))
            await self._do(Fail(key, number, TEMPORARY, 1))
        for route in self._plan.parts:
            await self._do(Register(key, route))
        self._held.set()
        network = self._lab.network
        paid = key in network.preimages or self._plan.create.kind in (Kind.KEYSEND, Kind.AMP)
        if key in network.verdicts:
            paid = await asyncio.shield(network.verdicts[key])
        parts = list(enumerate(self._plan.parts, len(self._plan.tries)))
        network.chance.shuffle(parts)  # HTLCs come back in any order
        for number, route in parts:
            if paid:
                await self._do(Settle(key, number, network.preimages.get(key) or hashlib.sha256(key.encode()).digest()))
            else:
                await self._do(GiveUp(key, pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS))
                await self._do(Fail(key, number, DETAILS, len(route.hops)), 0)
            if self._given_up and self._starts == self._lab.starts:  # a payment resumed after a start has no timeout
                await self._do(GiveUp(key, self._given_up), 0)
        await self._do(Finish(key), 0)

    async def _storm(self, route: Callable[[int], pb.Route]) -> None:
        """Bob takes what he can and refuses the rest; lnd halves what came back until it has no more parts left.

        What dave got of it he keeps for two minutes, longer than the payment's own patience.
        """
        key, left_msat, given_up = self.payment_hash, BOB_HAS_MSAT, False
        under_way = deque([self._plan.create.value_msat])
        held: list[int] = []
        await self._do(Register(key, route(under_way[0])))
        number = 0
        while under_way:
            msat = under_way.popleft()
            if msat <= left_msat:
                left_msat -= msat
                held.append(number)
            else:
                await self._do(Fail(key, number, TEMPORARY, 1), 0)
                active = len(under_way) + len(held)
                if not given_up and (self._plan.max_parts - active <= 1 or msat < 2 * MIN_SHARD_MSAT):
                    await self._do(GiveUp(key, pb.FAILURE_REASON_NO_ROUTE), 0)
                    given_up = True
                for half in () if given_up else (msat // 2, msat - msat // 2):
                    await self._do(Register(key, route(half)), 0)
                    under_way.append(half)
            number += 1
        await self._lab.node.clock.sleep(MPP_TIMEOUT_S)
        for number in held:
            await self._do(Fail(key, number, pb.Failure.MPP_TIMEOUT, 2), 0)
            await self._do(GiveUp(key, pb.FAILURE_REASON_TIMEOUT), 0)

    async def _do(self, mutation: Mutation, delay_s: float = HOP_S) -> None:
        await self._lab.happen(mutation, delay_s)
