"""A node that makes payments of all kinds, which end in all ways."""

import asyncio
from collections import Counter as Tally
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

from exporter.payments.labels import Reason
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.stories.lab import MORE_THAN_ALICE_HAS, TOO_MUCH_FOR_BOB, Invoice, Lab, Listed

AT_ONCE = 6
"""Payments of a past that are sent at the same time."""
PAUSE_S, SHORT_PAUSE_S = 0.2, 0.05
"""Between two payments of `paying`; with the short one, some are in flight at any time."""
TIMEOUT_S = 3
"""Of a payment that is held until it has passed."""
SHARD_SAT = 11_000
"""lnd doesn't split into parts below 10,000 sat."""
STABLE_S = 0.5
"""Seconds without a change after which what lnd lists is final: it may overwrite a reason."""


class Payer:
    """Makes payments from one node; each has another amount, so that none can stand for another in a sum."""

    def __init__(self, lab: Lab, via: str, far: str) -> None:
        """Pay over the channel with the peer `via`, behind which is `far`."""
        self.lab = lab
        self.rebalances = set[str]()
        """The hashes of payments to itself."""
        self.erased = Tally[Reason]()
        """Number of runs that lnd has erased because their hash was paid again, by the reason why they had failed."""
        self.deep: list[Invoice] = []
        """What `make_past` has left in flight, below more payments than an exporter remembers when it begins."""
        self.open: list[Invoice] = []
        """What is held, those among it."""
        self._via = via
        self._far = far
        self._sat = 100

    async def invoice(self) -> None:
        """Pay over two hops."""
        await self.lab.pay(await self._invoice(self._far), via=self._via)

    async def direct(self) -> None:
        """Pay a peer."""
        await self.lab.pay(await self._invoice(self._via), via=self._via)

    async def parts(self) -> None:
        """Pay in two parts."""
        shard = self._amount(SHARD_SAT)
        invoice = await self.lab.invoice(2 * shard, at=self._via)
        await self.lab.pay(invoice, via=self._via, max_parts=2, max_shard_sat=shard)

    async def keysend(self) -> None:
        """Pay without an invoice."""
        await self.lab.keysend(self._amount(), to=self._far, via=self._via)

    async def amp(self) -> None:
        """Pay by an atomic multi-path payment."""
        await self.lab.amp(self._amount(), to=self._far, via=self._via)

    async def rebalance(self) -> None:
        """Pay itself."""
        await self.lab.pay(await self._own_invoice(), via=self._via)

    async def rebalance_without_route(self) -> None:
        """Pay itself for nothing: NO_ROUTE."""
        await self.lab.pay(await self._own_invoice(), via=self._via, fee_limit_sat=0)

    async def to_route(self) -> None:
        """Pay by `SendToRoute`."""
        await self.lab.send_to_route(await self._invoice(self._far), via=self._via)

    async def to_route_refused(self) -> None:
        """Pay by `SendToRoute` what the recipient doesn't know."""
        await self.lab.send_to_route(await self.lab.unknown_hash(self._amount(), at=self._far), via=self._via)

    async def no_route(self) -> None:
        """Pay no fee for two hops: NO_ROUTE."""
        await self.lab.pay(await self._invoice(self._far), via=self._via, fee_limit_sat=0)

    async def too_much(self) -> None:
        """Pay more than there is: INSUFFICIENT_BALANCE."""
        invoice = await self.lab.invoice(self._amount(MORE_THAN_ALICE_HAS), at=self._via)
        await self.lab.pay(invoice, via=self._via)

    async def unknown(self) -> None:
        """Pay what the recipient doesn't know: INCORRECT_PAYMENT_DETAILS."""
        await self.lab.pay(await self.lab.unknown_hash(self._amount(), at=self._far), via=self._via)

    async def probe(self) -> None:
        """Ask lnd for the fee of an invoice: it pays another hash."""
        await self.lab.probe(await self._invoice(self._via))

    async def again(self) -> None:
        """Pay an invoice for which no route was found: lnd erases the first run."""
        await self.pay_again(await self.failed())

    async def failed(self) -> Invoice:
        """Pay no fee for two hops, as `no_route`; return the invoice when the payment has failed."""
        invoice = await self._invoice(self._far)
        ended = await (await self.lab.pay(invoice, via=self._via, fee_limit_sat=0)).ended()
        assert ended.reason is Reason.NO_ROUTE
        return invoice

    async def pay_again(self, invoice: Invoice) -> None:
        """Pay an invoice that `failed`: lnd erases that run."""
        self.erased[Reason.NO_ROUTE] += 1
        await self.lab.pay(invoice, via=self._via)

    async def canceled(self) -> None:
        """Let the caller give a payment up that is held: CANCELED."""
        invoice = await self._invoice(self._far, hold=True)
        sending = await self.lab.pay(invoice, via=self._via, cancelable=True)
        await sending.held()
        await sending.close()
        await self.lab.cancel(invoice)

    async def settled_late(self) -> None:
        """Let a payment succeed after its timeout: SUCCEEDED, with the reason TIMEOUT."""
        await self.lab.settle(await self._overdue())

    async def cancelled_late(self) -> None:
        """Let a payment fail after its timeout: TIMEOUT."""
        await self.lab.cancel(await self._overdue())

    async def held(self) -> Invoice:
        """Pay a hold invoice; return it when it is held."""
        invoice = await self._invoice(self._far, hold=True)
        await (await self.lab.pay(invoice, via=self._via)).held()
        self.open.append(invoice)
        return invoice

    async def held_after_a_failure(self) -> Invoice:
        """Let alice pay dave a hold invoice that bob, who is tried first, can't forward; return it when it is held."""
        invoice = await self.lab.invoice(TOO_MUCH_FOR_BOB, at="dave", hold=True)
        await (await self.lab.pay(invoice)).held()
        self.open.append(invoice)
        return invoice

    async def settle(self, invoice: Invoice) -> None:
        """Let a payment that is `held` succeed."""
        self.open.remove(invoice)
        await self.lab.settle(invoice)

    async def cancel(self, invoice: Invoice) -> None:
        """Let it fail."""
        self.open.remove(invoice)
        await self.lab.cancel(invoice)

    async def quiet(self) -> None:
        """Wait until only what is held is in flight, and nothing that lnd lists changes any more."""
        loop = asyncio.get_running_loop()
        last, since = list[Listed](), loop.time()

        async def stable() -> bool:
            nonlocal last, since
            now = await self.lab.list_payments()
            if now != last:
                last, since = now, loop.time()
            open_ = sum(not payment.status.ended for payment in now)
            return open_ == len(self.open) and loop.time() - since > STABLE_S

        await until(f"{len(self.open)} payments of {self.lab.name} are in flight", stable, 5 * PATIENCE_S)

    async def _overdue(self) -> Invoice:
        invoice = await self._invoice(self._far, hold=True)
        sending = await self.lab.pay(invoice, via=self._via, timeout_s=TIMEOUT_S)
        await sending.held()
        await sending.overdue()
        return invoice

    async def _invoice(self, at: str, *, hold: bool = False) -> Invoice:
        return await self.lab.invoice(self._amount(), at=at, hold=hold)

    async def _own_invoice(self) -> Invoice:
        invoice = await self._invoice(self.lab.name)
        self.rebalances.add(invoice.payment_hash)
        return invoice

    def _amount(self, above: int = 0) -> int:
        self._sat += 1
        return above + self._sat


Way = Callable[[Payer], Awaitable[None]]

PAST: Mapping[Way, int] = {
    Payer.invoice: 180,
    Payer.keysend: 180,
    Payer.direct: 20,
    Payer.amp: 20,
    Payer.to_route: 15,
    Payer.unknown: 15,
    Payer.no_route: 15,
    Payer.rebalance: 10,
    Payer.probe: 10,
    Payer.to_route_refused: 10,
    Payer.rebalance_without_route: 5,
    Payer.too_much: 5,
    Payer.again: 5,
    Payer.canceled: 4,
    Payer.parts: 4,
    Payer.settled_late: 3,
    Payer.cancelled_late: 3,
}
"""How often each is done in a past."""
ANY = (
    Payer.invoice,
    Payer.keysend,
    Payer.no_route,
    Payer.unknown,
    Payer.amp,
    Payer.rebalance,
    Payer.to_route,
    Payer.to_route_refused,
    Payer.direct,
    Payer.rebalance_without_route,
    Payer.canceled,
    Payer.too_much,
)
"""What `paying` does in turn: no hash is paid twice, for that erases a run that may be counted."""


async def make_past(payer: Payer) -> None:
    """Make hundreds of payments, mixed; return when all but the first two have ended, which are held."""
    payer.deep += [await payer.held(), await payer.held()]
    slots = asyncio.Semaphore(AT_ONCE)

    async def make(way: Way) -> None:
        async with slots:
            await way(payer)

    each = sorted(
        ((number + 0.5) / times, place, way)
        for place, (way, times) in enumerate(PAST.items())
        for number in range(times)
    )
    await asyncio.gather(*(make(way) for _, _, way in each))
    await payer.quiet()


@asynccontextmanager
async def paying(payers: Sequence[Payer], pause_s: float = PAUSE_S) -> AsyncIterator[None]:
    """Let all of them make payments within the block; most of them have ended after it."""
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as group:

        async def pay(payer: Payer) -> None:
            ways = cycle(ANY)
            while not stopped.is_set():
                group.create_task(_do(next(ways), payer))
                await asyncio.sleep(pause_s)

        for payer in payers:
            group.create_task(pay(payer))
        try:
            yield
        finally:
            stopped.set()


async def _do(way: Way, payer: Payer) -> None:
    await way(payer)
