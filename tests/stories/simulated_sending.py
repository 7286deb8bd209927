"""The lifecycle of a payment in the simulated lab, step by step as recorded from a real lnd."""

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
"""Seconds from one step of a payment to the next."""
MPP_TIMEOUT_S = 0.5
"""Seconds for which a recipient holds parts of a payment that is never complete; 120 in a real lnd."""
BOB_HAS_MSAT = 110_000_000
"""Amount that bob can forward to dave: the balance of that channel without its reserve of 1 %."""
MIN_SHARD_MSAT = 10_000_000
"""lnd doesn't split a part into smaller ones."""
DETAILS = pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
TEMPORARY = pb.Failure.TEMPORARY_CHANNEL_FAILURE


class Plan(NamedTuple):
    """The course of a payment."""

    create: Create
    reason: int = pb.FAILURE_REASON_NONE
    """Set if the payment fails without an attempt that reaches the recipient."""
    failing: tuple[pb.Route, ...] = ()
    """Routes of attempts that fail at their first hop, one after the other."""
    code: int = TEMPORARY
    """The failure code of these."""
    parts: tuple[pb.Route, ...] = ()
    """Routes of the parts that then reach the recipient together."""
    part_route: Callable[[int], pb.Route] | None = None
    """Instead of `parts`, if the first hop can't forward the whole amount: returns the route for an amount in msat."""
    max_parts: int = 1


class SimulatedSending:
    """A payment that was sent: a task runs its lifecycle."""

    def __init__(self, lab: "SimulatedLab", plan: Plan, *, cancelable: bool = False) -> None:
        """Write it to the database and send it; needs a running loop."""
        self.payment_hash = plan.create.payment_hash
        self._lab = lab
        self._plan = plan
        self._cancelable = cancelable
        self._given_up = pb.FAILURE_REASON_NONE  # lnd writes it after an HTLC has resolved, not before
        self._starts = lab.starts
        self._held = asyncio.Event()
        lab.node.database.apply(plan.create)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Stop the lifecycle."""
        self._task.cancel()

    async def held(self, parts: int = 1) -> None:
        """See `Sending`. All parts arrive together."""
        assert parts <= len(self._plan.parts)
        await self._held.wait()

    async def overdue(self) -> None:
        """See `Sending`. The timeout passes at once."""
        self._given_up = self._given_up or pb.FAILURE_REASON_TIMEOUT

    async def close(self) -> None:
        """See `Sending`."""
        if self._cancelable:
            self._given_up = self._given_up or pb.FAILURE_REASON_CANCELED

    async def ended(self) -> Listed:
        """See `Sending`."""
        await self._task
        return next(one for one in await self._lab.list_payments() if one.payment_hash == self.payment_hash)

    async def _run(self) -> None:
        key = self.payment_hash
        if self._plan.part_route is not None:
            await self._storm(self._plan.part_route)
        for number, route in enumerate(self._plan.failing):
            await self._do(Register(key, route))
            await self._do(Fail(key, number, self._plan.code, 1))
        if self._plan.reason:
            await self._do(GiveUp(key, self._plan.reason))
        for route in self._plan.parts:
            await self._do(Register(key, route))
        self._held.set()
        network = self._lab.network
        paid = key in network.preimages or self._plan.create.kind in (Kind.KEYSEND, Kind.AMP)
        if key in network.settled:
            paid = await asyncio.shield(network.settled[key])
        parts = list(enumerate(self._plan.parts, len(self._plan.failing)))
        network.rng.shuffle(parts)  # HTLCs resolve in any order
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
        """Run a storm: bob forwards what fits his balance and fails the rest; lnd halves failed parts while it may.

        Dave holds the parts that arrive until MPP_TIMEOUT, which is longer than the payment's own timeout.
        """
        key, left_msat, given_up = self.payment_hash, BOB_HAS_MSAT, False
        in_flight = deque([self._plan.create.value_msat])
        held: list[int] = []
        await self._do(Register(key, route(in_flight[0])))
        number = 0
        while in_flight:
            msat = in_flight.popleft()
            if msat <= left_msat:
                left_msat -= msat
                held.append(number)
            else:
                await self._do(Fail(key, number, TEMPORARY, 1), 0)
                active = len(in_flight) + len(held)
                if not given_up and (self._plan.max_parts - active <= 1 or msat < 2 * MIN_SHARD_MSAT):
                    await self._do(GiveUp(key, pb.FAILURE_REASON_NO_ROUTE), 0)
                    given_up = True
                for half in () if given_up else (msat // 2, msat - msat // 2):
                    await self._do(Register(key, route(half)), 0)
                    in_flight.append(half)
            number += 1
        await self._lab.node.clock.sleep(MPP_TIMEOUT_S)
        for number in held:
            await self._do(Fail(key, number, pb.Failure.MPP_TIMEOUT, 2), 0)
            await self._do(GiveUp(key, pb.FAILURE_REASON_TIMEOUT), 0)

    async def _do(self, mutation: Mutation, delay_s: float = HOP_S) -> None:
        await self._lab.apply(mutation, delay_s)
