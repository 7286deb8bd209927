"""Asks lnd all that a verdict needs, and notes what it doesn't answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from exporter.explain.answers import Answers, Found, NotAnswered
from exporter.lnd.client import ANSWER_S, ExplainingClient, LndError, PaymentNotFound, first_detail
from exporter.payments.detail import PaymentDetail
from exporter.payments.ended import EndedPayment
from exporter.payments.findings import Invoice, NoRoute, Route, RouteQuery
from exporter.payments.labels import NodeState, Reason, Status
from exporter.payments.node import Info
from exporter.payments.payment import Payment, Run

T = TypeVar("T")

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
    find_counted: Callable[[str, Run], EndedPayment | NotAnswered | None] = lambda _pubkey, _run: None
    """Looks for a run of the node with this key (empty: unknown) in the exporter's own list of ended payments."""
    known_info: Info | None = None
    """What is known of the node. With it no names are asked for: neither `GetInfo` nor `GetNodeInfo` is called."""
    note_call: Callable[[str, bool], None] = lambda _call, _ok: None
    """Is told of each call that ended: lnd's name for it, and whether it was answered."""
    _not_answered: dict[str, NotAnswered] = field(default_factory=dict, init=False)  # by call: seven at most

    async def ask(self, payment_hash: str) -> Answers:
        """Return everything, by a client that is connected.

        Raises `LndError` if lnd can't be asked about the payment, or doesn't know it.
        """
        detail = await self._detail(payment_hash)
        request, detail = detail.payment_request, replace(detail, payment_request="")
        answers = Answers(detail, self.now_ns())
        info, channels, invoice = await asyncio.gather(
            self._info(),
            self._try("ListChannels", self.client.own_channels()),
            self._invoice(request if detail.payment.status is not Status.SUCCEEDED else ""),
        )
        answers = replace(answers, info=info, channels=channels, invoice=invoice)
        if answers.ghosts:  # unless it has ended since the first answer
            detail = replace(await self._detail(payment_hash), payment_request="")
            answers = replace(answers, detail=detail)
        answers = replace(answers, counted=self._counted(detail.payment, info.pubkey if info else ""))
        if detail.payment.status is Status.FAILED and detail.payment.reason in _NEEDS_A_ROUTE:
            answers = replace(answers, found=await self._routes(answers))
        if self.known_info is None:
            answers = replace(answers, aliases=await self._aliases(answers))
        return replace(answers, not_answered=tuple(self._not_answered.values()))

    async def _detail(self, payment_hash: str) -> PaymentDetail:
        """Return the payment as lnd knows it now, with its invoice."""
        stream = self.client.details(payment_hash, inflight=True, secrets=False, request=True)
        try:
            async with aclosing(stream) as details:
                detail = await first_detail(details)
        except LndError:
            self.note_call("TrackPaymentV2", False)
            raise
        self.note_call("TrackPaymentV2", True)
        return detail

    def _counted(self, payment: Payment, pubkey: str) -> EndedPayment | None:
        """Return what the exporter has seen, if lnd shows less: a failed payment without attempts."""
        if payment.status is not Status.FAILED or payment.attempts:
            return None
        found = self.find_counted(pubkey, payment.run)
        if isinstance(found, NotAnswered):
            self._not_answered[found.call] = found
            return None
        return found

    async def _try(self, call: str, answer: Awaitable[T]) -> T | None:
        """Return an answer, or None and note why there is none."""
        try:
            known = await answer
        except LndError as error:
            self.note_call(call, False)
            if isinstance(error, PaymentNotFound):  # lnd's status for anything that it doesn't know
                return None
            denied = error.state is NodeState.DENIED
            advice = "the macaroon doesn't allow it" if denied else error.advice
            self._not_answered.setdefault(call, NotAnswered(call, advice, denied))
            return None
        self.note_call(call, True)
        return known

    async def _info(self) -> Info | None:
        return self.known_info or await self._try("GetInfo", self.client.info(ANSWER_S))

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
