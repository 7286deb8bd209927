"""A node, a network and clocks in one virtual event loop, where a seed decides which faults happen when.

Nothing here depends on the follower: this is a `Client` over the simulator's database, with late, stale and lost
answers. The same seed gives the same run.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from itertools import islice
from random import Random
from typing import Any

from exporter.lnd import decode
from exporter.lnd.client import LndError, PaymentsPage
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info
from exporter.payments.payment import NS_PER_S, Moment, Payment, Run
from exporter.simulator.database import Backend, Database, Options
from exporter.simulator.mutation import Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.subscriptions import RpcStatus, Subscriber, Subscriptions
from exporter.simulator.truth import Finished
from exporter.simulator.world import World
from tests.follow.virtual import VirtualLoop

START_NS = 1_780_000_000 * NS_PER_S
TICK_NS = 1000
LAGS_S = (0.0, 0.0, 0.0005, 0.002, 0.03, 0.4)
SCANS_S = (0.0, 0.001, 0.05, 2.0, 90.0)
QUIET_S = (0.01, 0.3, 3.0, 30.0)
OUTAGES_S = (0.0, 0.05, 1.0, 20.0)
PAUSES_S = (0.001, 2.0, 60.0)
MIX = 0.8
MIGRATION = 0.1
DELETION = 0.02
STEP = 0.03
STEPS_S = (-3600, 0, 3600, 259_200)
FAILED_ONLY = 0.3
SLOW = 0.02
SLOW_S = (1.5, 5.0, 25.0)
LISTING_S = (0.0, 0.0, 0.01, 0.3)
STALLS_S = (0.3, 1.1, 4.0, 90.0)


class ChaoticNode:
    """A `client.Client` of an lnd behind a bad connection."""

    address = "chaos:10009"
    own_key = ""

    def __init__(self, loop: VirtualLoop, seed: int, options: Options | None = None) -> None:
        """Create a reachable node without payments."""
        self.random = Random(seed)
        self._loop = loop
        self._last_ns = 0
        self.deletes = self.random.random() < 0.5
        self._listing_s = self.random.choice(LISTING_S)
        self.deleted: set[Run] = set()
        """Runs that were deleted; a follower that was away when they ended can't find them."""
        self._step_ns = 0
        self.behind_ns = 0
        """How far lnd's clock is behind, nanoseconds."""
        self.world = World.random(seed)
        self.database = Database(self._now_ns, options)
        self._tower = Subscriptions(self.database)
        self._mix = iter(RandomTraffic(self.world, seed))
        self._extra_lives = Scenarios(self.world, ("more", seed))
        self._migrates = options is not None and options.backend is Backend.KV
        self._cut = asyncio.Event()
        self._unreachable = False
        self._connection = self._cut
        self._arrives_s = 0.0
        self.history: set[Run] = set()
        """Runs that were over when its newest payments were last requested."""
        self.scenarios: set[asyncio.Task[None]] = set()

    def clocks(self) -> Moment:
        """Return the moment on the exporter's clocks; its wall clock differs from the node's by steps."""
        passed_ns = int(self._loop.time() * NS_PER_S)
        return Moment(START_NS + passed_ns + self._step_ns, passed_ns)

    def _now_ns(self) -> int:
        """Return lnd's time; no two calls return the same microsecond."""
        self._last_ns = max(self.clocks().wall_ns - self._step_ns, self._last_ns + TICK_NS)
        return self._last_ns - self.behind_ns

    def ends(self) -> dict[Run, Finished]:
        """Return every run that is over, as it really was, in the order of their ends."""
        return {end.run: end for end in self.database.truth()}

    def there(self) -> set[Run]:
        """Return the runs in its database."""
        return {record.run for record in self.database}

    # Payments and faults.

    def pay_at_once(self, number: int) -> None:
        """Make payments from beginning to end, in no time."""
        for scenario in self._scenarios(number):
            for step in scenario.steps:
                self.database.apply(step.mutation)

    async def pay(self, number: int, every_s: float) -> None:
        """Begin payments one after the other; each takes its own time."""
        for scenario in self._scenarios(number):
            await asyncio.sleep(self.random.expovariate(1 / every_s))
            self._begin(scenario)

    def _scenarios(self, number: int) -> Iterator[Scenario]:
        """Yield the lives of a busy node, with more retries and second terminal updates than usual."""
        for scenario in islice(self._mix, number):
            if self.random.random() < MIX:
                yield scenario
            elif self.random.random() < 0.5:
                yield self._extra_lives.held_then_cancelled(self.random.uniform(60, 90))
            else:
                yield self._extra_lives.retried_hash(
                    pause_s=self.random.choice(PAUSES_S), failures=self.random.choice((1, 1, 2, 3))
                )

    async def _live(self, scenario: Scenario) -> None:
        for step in scenario.steps:
            await asyncio.sleep(step.delay_s)
            with suppress(ValueError):  # the payment has been deleted meanwhile
                self.database.apply(step.mutation)

    def hold(self, number: int, longest_s: float = 900) -> None:
        """Begin payments that will be held for a minute or more."""
        for _ in range(number):
            self._begin(self._extra_lives.held_then_cancelled(self.random.uniform(60, longest_s)))

    def _begin(self, scenario: Scenario) -> None:
        task = asyncio.create_task(self._live(scenario))
        self.scenarios.add(task)
        task.add_done_callback(self.scenarios.discard)

    def delete(self) -> None:
        """Delete all payments that are over (`deletepayments --all`), or only the failed ones."""
        deleted = self.database.delete_all(failed_only=self.random.random() < FAILED_ONLY)
        self.deleted |= {record.run for record in deleted}

    def lose(self) -> None:
        """Break the connection."""
        self._cut.set()
        self._cut = asyncio.Event()

    async def be_away(self, seconds: float) -> None:
        """Be unreachable while payments go on; the payments may be numbered anew."""
        self._unreachable = True
        self.lose()
        await asyncio.sleep(seconds)
        if self._migrates and self.random.random() < MIGRATION:
            self._migrates = False
            self.database.migrate()
        self._unreachable = False

    def end_faults(self) -> None:
        """End all faults."""
        self._unreachable = False

    async def cause_faults(self) -> None:
        """Cause losses, outages, gaps in the numbering, clock steps and stalls of the exporter, for ever."""
        while True:
            await asyncio.sleep(self.random.expovariate(1 / self.random.choice(QUIET_S)))
            if self.deletes and self.random.random() < DELETION:
                self.delete()
            if self.random.random() < STEP:
                self._step_ns = self.random.choice(STEPS_S) * NS_PER_S
            match self.random.randrange(10):
                case 0 | 1 | 2:
                    self.lose()
                case 3 | 4 | 5:
                    await self.be_away(self.random.choice(OUTAGES_S))
                case 6 | 7:
                    self.database.reserve_index()
                case _:
                    self._loop.stand_still(self.random.choice(STALLS_S))

    def delivered(self) -> None:
        """Note that a message is about to reach the exporter; subclasses count."""

    # `client.Client`.

    async def _travel_there(self) -> None:
        """Wait until a request reaches lnd: requests don't overtake each other."""
        self._arrives_s = max(self._arrives_s, self._loop.time() + self.random.choice(LAGS_S))
        await self._travel(self._arrives_s - self._loop.time())

    async def _travel_back(self) -> None:
        """Wait until an answer comes back: answers overtake each other and updates. Some take long."""
        await self._travel(self.random.choice(LAGS_S if self.random.random() > SLOW else SLOW_S))

    async def _travel(self, seconds: float) -> None:
        """Wait; raise `LndError` if the connection breaks meanwhile."""
        connection = self._connection
        await asyncio.sleep(seconds)
        if self._unreachable or connection.is_set():
            raise LndError(Interruption.UNREACHABLE, NodeState.UNREACHABLE, "the connection is cut")

    async def connect(self) -> int | None:
        """Open a new connection."""
        self._connection = self._cut
        return None

    async def close(self) -> None:
        """Do nothing."""

    async def states(self) -> AsyncGenerator[NodeState, None]:
        """Yield ready, always."""
        await self._travel_there()
        yield NodeState.READY
        await self._connection.wait()

    async def info(self, timeout_s: float) -> Info:
        """Return the node's identity."""
        await self._travel_there()
        return Info(self.world.me.pubkey)

    async def channels(self) -> Channels:
        """Return no channels."""
        await self._travel_there()
        return Channels(0)

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> PaymentsPage:
        """Return a page as it was when lnd read it: it may be old when it arrives."""
        await self._travel_there()
        request = rpc.ListPaymentsRequest(
            include_incomplete=True, index_offset=after, max_payments=limit, reversed=newest_first
        )
        answer = rpc.ListPaymentsResponse.FromString(self.database.page(request))
        history = set(self.ends())
        await self._travel(len(answer.payments) * self._listing_s)
        await self._travel_back()
        if newest_first and not after:
            self.history = history
        self.delivered()
        return PaymentsPage(
            tuple(decode.payment(p, self.own_key) for p in answer.payments), answer.last_index_offset, limit
        )

    async def payment(self, payment_hash: str) -> Payment | None:
        """Return a payment as it was when lnd read it."""
        await self._travel_there()
        update = self.database.current(payment_hash)
        await self._travel_back()
        self.delivered()
        return None if update is None else self._decoded(update.message)

    async def track(self, payment_hash: str) -> AsyncGenerator[Payment, None]:
        """Yield a payment's state and its updates, until the first terminal one or until the connection breaks."""
        await self._travel_there()
        subscriber = self._tower.subscribe_payment(payment_hash, no_inflight_updates=False)
        if subscriber is None:
            raise LndError(Interruption.OTHER, NodeState.READY, "payment isn't initiated")
        async for message in self._messages(subscriber, set()):
            yield message

    async def updates(self, *, final_only: bool = False) -> AsyncGenerator[Payment, None]:
        """Yield live updates and a snapshot, until the connection breaks; messages on their way are lost then."""
        await self._travel_there()
        subscriber = self._tower.subscribe(no_inflight_updates=final_only)
        async for message in self._messages(subscriber, {asyncio.create_task(self._scan(subscriber))}):
            yield message

    async def _messages(self, subscriber: Subscriber, first: set[asyncio.Task[Any]]) -> AsyncGenerator[Payment, None]:
        """Yield a subscription's messages, once `first` is done, until its end or until the connection breaks."""
        broken = asyncio.create_task(self._connection.wait())
        waiting: set[asyncio.Task[Any]] = {*first, broken}
        try:
            if first:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            while True:
                update = asyncio.create_task(subscriber.get())
                waiting.add(update)
                await asyncio.wait([update, broken], return_when=asyncio.FIRST_COMPLETED)
                if broken.done():
                    raise LndError(Interruption.UNREACHABLE, NodeState.UNREACHABLE, "the connection is cut")
                waiting.remove(update)
                if isinstance(message := update.result(), RpcStatus):
                    return
                self.delivered()
                yield self._decoded(message.message)
        finally:
            for task in waiting:
                task.cancel()
            self._tower.leave(subscriber)

    async def _scan(self, subscriber: Subscriber) -> None:
        """Read the table; updates made meanwhile come before the snapshot, or twice."""
        await asyncio.sleep(self.random.choice(SCANS_S))
        snapshot = self.database.snapshot()
        await asyncio.sleep(self.random.choice(SCANS_S))
        self._tower.ready(subscriber, snapshot)

    def _decoded(self, message: bytes) -> Payment:
        return decode.payment(rpc.Payment.FromString(message), self.own_key)
