"""The interface to a node that the rest of the exporter uses, and the one exception that its methods raise."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from exporter.payments.detail import PaymentDetail
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route, RouteQuery
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info
from exporter.payments.payment import Payment

ANSWER_S = 30.0
"""Seconds to wait for a short answer, or for the first message of a stream that always has one."""
PAGE_S = 300.0
"""Seconds to wait for a page of more than one payment: an old lnd on a slow disk takes long."""
DECODE_BATCH = 50
"""Payments of a page that are decoded at a time, in at most some 20 ms: streams and scrapes run in between."""


class LndError(Exception):
    """A call to lnd failed. The caller counts it, logs it once and tries again; it never ends the process."""

    def __init__(self, cause: Interruption, state: NodeState, advice: str) -> None:
        """`cause` is what happened, `state` the node's state that follows from it, `advice` what the user should do."""
        super().__init__(advice)
        self.cause = cause
        self.state = state
        self.advice = advice


class PaymentNotFound(LndError):
    """lnd doesn't know the payment that was requested."""


class RouteNotFound(LndError):
    """lnd has found no route. That is an answer, too: `ExplainingClient.find_route` returns its `why`."""

    def __init__(self, why: NoRoute, advice: str) -> None:
        """`why` is what lnd said."""
        super().__init__(Interruption.OTHER, NodeState.READY, advice)
        self.why = why


class NotOverRest(LndError):
    """lnd would have to be asked by a URL that contains what is private: over REST it isn't asked."""

    def __init__(self) -> None:
        """Take nothing: the reason is always the same."""
        advice = "over REST the question would be part of a URL, and proxies log URLs: use --lnd.transport=grpc"
        super().__init__(Interruption.UNIMPLEMENTED, NodeState.READY, advice)


NOT_READY: dict[NodeState, tuple[Interruption, str]] = {
    NodeState.NO_WALLET: (Interruption.NO_WALLET, "lnd has no wallet yet: create one with `lncli create`"),
    NodeState.LOCKED: (Interruption.LOCKED, "the wallet is locked: unlock it with `lncli unlock`"),
    NodeState.STARTING: (
        Interruption.STARTING,
        "lnd is starting, or waits to become the leader of its cluster: nothing to do but wait",
    ),
}
"""Cause and advice for each state in which a node answers but doesn't accept calls yet."""


class PaymentsPage(NamedTuple):
    """A page of `ListPayments`."""

    payments: tuple[Payment, ...]
    last_index: int
    """`last_index_offset`; 0 on an empty page, so not usable as a cursor then."""
    limit: int
    """How many payments were requested."""

    @property
    def is_last(self) -> bool:
        """True if lnd has no more payments in this direction: it returned fewer than requested."""
        return len(self.payments) < self.limit


def page_timeout_s(limit: int) -> float | None:
    """Return the seconds to wait for a page of `limit` payments; None for one, which can't be made any smaller."""
    return PAGE_S if limit > 1 else None


class Client(Protocol):
    """A connection to one node. Every method raises `LndError`, and nothing else, if lnd or the network fails."""

    own_key: str
    """Identity key of the node, 66 hex digits; a payment to this key is a `rebalance`.

    Empty until the user of the client sets it: to the key that is on disk, or to the one that `info` returns.
    """

    @property
    def address(self) -> str:
        """The node's address, for people to read."""

    async def connect(self) -> int | None:
        """Drop the old connection and open a new one; read certificate and macaroon again.

        Return when the configured certificate expires, in seconds since 1970; None if that isn't known.
        """

    async def close(self) -> None:
        """Close the connection; pending calls end."""

    def states(self) -> AsyncGenerator[NodeState, None]:
        """`SubscribeState`, which needs no macaroon: yield the current state, then each change.

        `ready` means that lnd accepts calls. A node without that service is `ready`.
        """

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`; raises `LndError` with cause `timeout` when it takes longer."""

    async def channels(self) -> Channels:
        """`ListChannels` with aliases; raises `LndError` with state `denied` if the macaroon doesn't allow it."""

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> PaymentsPage:
        """`ListPayments`, all statuses: return the next `limit` payments above index `after`, ascending.

        With `newest_first` the last `limit` payments below index `after` (0: from the end), still ascending.
        `LndError` with cause `timeout` after `PAGE_S`; a page of one is waited for as long as the connection lives.
        """

    async def payment(self, payment_hash: str) -> Payment | None:
        """Return the current state of a payment (first message of `TrackPaymentV2`); None if lnd doesn't know it."""

    def track(self, payment_hash: str) -> AsyncGenerator[Payment, None]:
        """`TrackPaymentV2`: yield the current state and each update, up to and including the first terminal one."""

    def updates(self, *, final_only: bool = False) -> AsyncGenerator[Payment, None]:
        """`TrackPayments`: yield updates until the stream is lost, then raise `LndError`, even after status OK.

        With `final_only` lnd sends only terminal updates (`no_inflight_updates`).
        """


class DetailedClient(Client, Protocol):
    """A client that also returns routes and secrets, for `track`. The exporter can't call it unless it explains."""

    def details(
        self, payment_hash: str, *, inflight: bool, secrets: bool, request: bool = False
    ) -> AsyncGenerator[PaymentDetail, None]:
        """`TrackPaymentV2` with routes, and if `secrets` with preimages and the payment request.

        With `request` it has the payment request, but no preimage. Without `inflight` only the terminal update
        (`no_inflight_updates`). It ends after the first terminal update. Raises `LndError` if it breaks off before,
        `PaymentNotFound` if lnd doesn't know the payment.
        """


class ExplainingClient(DetailedClient, Protocol):
    """A client that also asks what the command `why` wants to know, and the exporter if it is to explain failures.

    Except for `own_channels` these are permissions that other commands don't need: without them the error has the state
    `denied`. Over REST these methods raise `NotOverRest`.
    """

    async def own_channels(self) -> tuple[OwnChannel, ...]:
        """`ListChannels`, each channel by itself."""

    async def invoice(self, payment_request: str) -> Invoice:
        """`DecodePayReq`."""

    async def find_route(self, query: RouteQuery) -> Route | NoRoute:
        """`QueryRoutes`."""

    async def alias(self, pubkey: str) -> str:
        """`GetNodeInfo`: the name that a node (66 hex digits) has given itself; empty if it has none."""


class ExaminedClient(ExplainingClient, Protocol):
    """A client that `check --connect` examines a node with."""

    async def clock(self) -> tuple[float, float] | None:
        """Return by how many seconds the server's clock is ahead of ours, at least and at most; None if it isn't known.

        HTTP answers have the time (`Date`), in whole seconds; a proxy in front of lnd may have set it. gRPC has none.
        """


async def first_detail(details: AsyncGenerator[PaymentDetail, None]) -> PaymentDetail:
    """Return the current state, which lnd sends at once; raise `LndError` if it doesn't arrive in `ANSWER_S`."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await anext(details)
    except TimeoutError:
        advice = "lnd took too long to answer: is its machine overloaded?"
        raise LndError(Interruption.TIMEOUT, NodeState.UNREACHABLE, advice) from None
