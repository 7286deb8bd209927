"""What the rest of the exporter may ask of a node, and the one exception that asking may raise."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple, Protocol

from exporter.payments.detail import Detail
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info
from exporter.payments.payment import Payment

ANSWER_S = 30.0
"""Seconds to wait for a short answer, or for the first message of a stream that must have one."""
PAGE_S = 300.0
"""Seconds to wait for a page of more than one payment: old lnds on slow disks take long."""
BREATH = 50
"""Payments of a page decoded in one go, at most some 20 ms: streams and scrapes come in between."""


class LndError(Exception):
    """A call to lnd came to nothing: the weather. It is counted, told once and tried again, never fatal."""

    def __init__(self, cause: Interruption, state: NodeState, advice: str) -> None:
        """Say what happened (`cause`), what it makes of the node (`state`) and what a person should do (`advice`)."""
        super().__init__(advice)
        self.cause = cause
        self.state = state
        self.advice = advice


class PaymentNotFound(LndError):
    """lnd doesn't know what was asked for."""


WAITING: dict[NodeState, tuple[Interruption, str]] = {
    NodeState.NO_WALLET: (Interruption.NO_WALLET, "lnd has no wallet yet: create one with `lncli create`"),
    NodeState.LOCKED: (Interruption.LOCKED, "the wallet is locked: unlock it with `lncli unlock`"),
    NodeState.STARTING: (
        Interruption.STARTING,
        "lnd is starting, or waits to lead its cluster: nothing to do but wait",
    ),
}
"""Why a node that answers isn't ready yet, and what to do."""


class Page(NamedTuple):
    """A page of `ListPayments`."""

    payments: tuple[Payment, ...]
    last_index: int
    """`last_index_offset`; 0 on an empty page, never a cursor then."""
    asked: int
    """How many payments were asked for."""

    @property
    def is_last(self) -> bool:
        """True if lnd has no more in this direction: it gave fewer than it was asked for."""
        return len(self.payments) < self.asked


def page_timeout_s(limit: int) -> float | None:
    """How long to wait for a page of `limit` payments. One can't be made smaller: it is waited for."""
    return PAGE_S if limit > 1 else None


class Client(Protocol):
    """One node. Every method raises `LndError`, and nothing else, for whatever lnd or the network does."""

    own_key: str
    """Identity key of the node, 66 hex digits, by which a payment to itself is recognised as a `rebalance`.

    Empty until whoever uses the client sets it: to the key that is on disk, or to what `info` says.
    """

    @property
    def address(self) -> str:
        """Where the node is asked, for people to read."""

    async def connect(self) -> int | None:
        """Open a fresh connection: read certificate and macaroon again, drop the old one.

        Returns the end of validity of the configured certificate in seconds since 1970, None if it is not known.
        """

    async def close(self) -> None:
        """Let go of the connection; calls under way end."""

    def states(self) -> AsyncIterator[NodeState]:
        """`SubscribeState`, which needs no macaroon: the present state, then each change.

        `ready` means that lnd accepts calls. A node without that service is `ready`.
        """

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`; raises `LndError` with cause `timeout` when it takes longer."""

    async def channels(self) -> Channels:
        """`ListChannels` with aliases; raises `LndError` with state `denied` where the macaroon doesn't allow it."""

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> Page:
        """`ListPayments`, all statuses: the next `limit` payments above index `after`, ascending.

        With `newest_first` the last `limit` payments below index `after` (0: from the end), still ascending.
        `LndError` with cause `timeout` after `PAGE_S`; a page of one is waited for as long as the connection lives.
        """

    async def payment(self, payment_hash: str) -> Payment | None:
        """The present state of a payment (first message of `TrackPaymentV2`); None if lnd doesn't know it."""

    def track(self, payment_hash: str) -> AsyncGenerator[Payment, None]:
        """`TrackPaymentV2`: the present state and each update, until the first terminal one; then it ends."""

    def updates(self, *, final_only: bool = False) -> AsyncIterator[Payment]:
        """`TrackPayments`, until the stream is lost: then `LndError`, even after status OK.

        With `final_only` nothing is told of a payment before it has ended (`no_inflight_updates`).
        """


class DetailedClient(Client, Protocol):
    """One node, as the command `track` asks it; who follows all payments has no way to ask so."""

    def details(self, payment_hash: str, *, inflight: bool, secrets: bool) -> AsyncGenerator[Detail, None]:
        """`TrackPaymentV2` for a person: routes, too, and with `secrets` preimages and the payment request.

        Without `inflight` only the terminal update (`no_inflight_updates`). It ends after the first terminal one;
        `LndError` if it breaks off before, `PaymentNotFound` if lnd doesn't know the payment.
        """
