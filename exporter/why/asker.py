"""Asks lnd all that a verdict needs, and notes what it doesn't answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from exporter.lnd.client import ANSWER_S, ExplainingClient, LndError, PaymentNotFound
from exporter.payments.detail import PaymentDetail
from exporter.payments.ended import EndedPayment
from exporter.payments.findings import Invoice, NoRoute, Route, RouteQuery
from exporter.payments.labels import NodeState, Reason, Status
from exporter.payments.payment import Payment, Run
from exporter.store import StoreError
from exporter.track.watcher import first_detail
from exporter.why.answers import Answers, Found, NotAnswered

T = TypeVar("T")

THE_LIST = "the exporter's list of ended payments"
"""The question that isn't lnd's."""

MAX_PARTS = 16
"""As many parts as lnd makes by default (`max_parts`): no smaller ones are asked for."""
SMALLEST_PART_MSAT = 10_000_000
"""lnd doesn't split into smaller parts (`DefaultShardMinAmt`)."""
MAX_ALIASES = 20
"""Names are asked for at most this many nodes."""
_NEEDS_A_ROUTE = (Reason.NO_ROUTE, Reason.TIMEOUT, Reason.ERROR, Reason.INSUFFICIENT_BALANCE, Reason.OTHER)
"""Reasons of a failure for which it matters whether there is a route now."""


@dataclass
class Asker:
    """Asks one node about one payment."""

    client: ExplainingClient
    now_ns: Callable[[], int]
    """The clock of this machine, nanoseconds since 1970."""
    find_counted: Callable[[str, Run], EndedPayment | None] = lambda _pubkey, _run: None
    """Looks for a run of the node with this key (empty: unknown) in the exporter's own list; raises `StoreError`."""
    _not_answered: dict[str, NotAnswered] = field(default_factory=dict, init=False)  # by call: seven at most

    async def ask(self, payment_hash: str) -> Answers:
        """Return everything; raises `LndError` if lnd can't be asked about the payment, or doesn't know it."""
        await self.client.connect()
        stream = self.client.details(payment_hash, inflight=True, secrets=False, request=True)
        async with aclosing(stream) as details:
            detail = await first_detail(details)
        request, detail = detail.payment_request, replace(detail, payment_request="")
        answers = Answers(detail, self.now_ns())
        info, channels, invoice = await asyncio.gather(
            self._try("GetInfo", self.client.info(ANSWER_S)),
            self._try("ListChannels", self.client.own_channels()),
            self._invoice(request if detail.payment.status is not Status.SUCCEEDED else ""),
        )
        counted = self._counted(detail.payment, info.pubkey if info else "")
        answers = replace(answers, info=info, channels=channels, invoice=invoice, counted=counted)
        if detail.payment.status is Status.FAILED and detail.payment.reason in _NEEDS_A_ROUTE:
            answers = replace(answers, found=await self._routes(answers))
        answers = replace(answers, aliases=await self._aliases(answers))
        return replace(answers, not_answered=tuple(self._not_answered.values()))

    def _counted(self, payment: Payment, pubkey: str) -> EndedPayment | None:
        """Return what the exporter has seen, if lnd shows less: a failed payment without attempts."""
        if payment.status is not Status.FAILED or payment.attempts:
            return None
        try:
            return self.find_counted(pubkey, payment.run)
        except StoreError as error:
            self._not_answered[THE_LIST] = NotAnswered(THE_LIST, str(error), denied=False)
            return None

    async def _try(self, call: str, answer: Awaitable[T]) -> T | None:
        """Return an answer, or None and note why there is none."""
        try:
            return await answer
        except PaymentNotFound:  # lnd's status for anything that it doesn't know
            return None
        except LndError as error:
            denied = error.state is NodeState.DENIED
            advice = "the macaroon doesn't allow it" if denied else error.advice
            self._not_answered.setdefault(call, NotAnswered(call, advice, denied))
            return None

    async def _invoice(self, request: str) -> Invoice | None:
        return await self._try("DecodePayReq", self.client.invoice(request)) if request else None

    async def _routes(self, answers: Answers) -> Found:
        """Look for routes to the recipient, for the whole amount and if there is none for parts: seven at most."""
        hidden = answers.invoice is not None and answers.invoice.blinded
        if answers.pays_self or not (answers.recipient or hidden):
            return Found()
        whole = RouteQuery(answers.recipient, answers.detail.payment.value_msat, invoice=answers.invoice)
        found = Found(await self._route(whole))
        if found.whole is NoRoute.NO_PATH:
            found = found._replace(regardless=await self._route(whole._replace(learned=False)))
        if found.avoided and not hidden and len(found.avoided.hops) > 1:
            before = whole._replace(destination=found.avoided.hops[-2], invoice=None)
            found = found._replace(before_recipient=await self._route(before))
        if found.whole is not NoRoute.NO_PATH:
            return found
        for parts in _halvings(whole.amount_msat):
            part = await self._route(whole._replace(amount_msat=whole.amount_msat // parts))
            if isinstance(part, Route):
                return found._replace(part=part, parts=parts)
        return found

    async def _route(self, query: RouteQuery) -> Route | NoRoute | None:
        """Return an answer to `QueryRoutes`; after one that failed it isn't called again."""
        if "QueryRoutes" in self._not_answered:
            return None
        return await self._try("QueryRoutes", self.client.find_route(query))

    async def _aliases(self, answers: Answers) -> dict[str, str]:
        """Return the names of all nodes that are mentioned; what `ListChannels` doesn't tell is asked one by one."""
        aliases = {channel.peer: channel.alias for channel in answers.channels or () if channel.alias}
        if answers.info:
            aliases[answers.info.pubkey] = answers.info.alias
        unknown = [key for key in dict.fromkeys(_mentioned(answers)) if key and key not in aliases]
        for key in unknown[:MAX_ALIASES]:
            if "GetNodeInfo" not in self._not_answered:
                aliases[key] = await self._try("GetNodeInfo", self.client.alias(key)) or ""
        return {key: alias for key, alias in aliases.items() if alias}


def _halvings(amount_msat: int) -> Iterator[int]:
    """Yield the numbers of equal parts that lnd would try: 2, 4, 8, 16, as long as they are large enough."""
    parts = 2
    while parts <= MAX_PARTS and amount_msat // parts >= SMALLEST_PART_MSAT:
        yield parts
        parts *= 2


def _mentioned(answers: Answers) -> Iterator[str]:
    """Yield the keys of the nodes that the explanation names, the most important first."""
    yield answers.recipient
    yield from _failing(answers.detail)
    if answers.counted:
        yield answers.counted.failed_by
        yield from answers.counted.first_hops
    for route in (answers.found.whole, answers.found.regardless, answers.found.part):
        if isinstance(route, Route):
            yield from route.hops
    for one in answers.detail.attempts:
        yield from (hop.pubkey for hop in one.hops)


def _failing(detail: PaymentDetail) -> Iterator[str]:
    return (one.failing_hop.pubkey for one in detail.attempts if one.failing_hop)
