"""The answers of lnd to questions that only `why` asks: about an invoice, about routes, about its own channels."""

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from exporter.payments.node import Offered


@dataclass(frozen=True, slots=True)
class Invoice:
    """What lnd reads in a payment request (`DecodePayReq`)."""

    destination: str
    """Identity key of the recipient, 66 hex digits. With blinded paths it is a key of this invoice alone."""
    expires_s: int
    """When it expires, seconds since 1970 (`timestamp` + `expiry`)."""
    blinded: bool = False
    """True if it hides the recipient behind blinded paths."""
    for_routes: bytes = field(default=b"", repr=False)
    """The part of a question about routes that it determines: hints, features, blinded paths. Only `lnd` reads it."""


UNLIKELY = 0.05
"""A route with a smaller chance isn't what lnd would have found then: it has failed lately, and the memory fades."""


class RouteQuery(NamedTuple):
    """A question about a route from this node (`QueryRoutes`), at whatever fee."""

    destination: str
    """66 hex digits; ignored if the invoice has blinded paths."""
    amount_msat: int
    learned: bool = True
    """True: lnd takes into account which channels have failed lately (its mission control), as for a payment."""
    invoice: Invoice | None = None
    """The invoice of the destination, if it is known."""


class Route(NamedTuple):
    """A route that lnd has found. Nothing was sent over it."""

    fee_msat: int
    probability: float
    """The chance that lnd gives it, from 0 to 1 (`success_prob`); 1 if it doesn't take failures into account."""
    hops: tuple[str, ...]
    """Identity keys, from the direct peer to the recipient."""

    @property
    def likely(self) -> bool:
        """True unless lnd gives it hardly any chance, as it does after a failure for some minutes to hours."""
        return self.probability >= UNLIKELY


class NoRoute(StrEnum):
    """Why lnd has found no route."""

    NO_PATH = "no_path"
    """No single path; perhaps several parts would arrive."""
    INSUFFICIENT_BALANCE = "insufficient_balance"
    """All active channels of the node together have less."""


class OwnChannel(NamedTuple):
    """One channel of the node (`ListChannels`)."""

    peer: str
    """Identity key of its peer."""
    alias: str
    """Empty if it isn't known."""
    active: bool
    """False if its peer is offline."""
    spendable_msat: int
    """Local balance less the reserve, never below 0. An HTLC can be a little smaller, because of the commitment fee."""
    ids: frozenset[int] = frozenset()
    """The numbers by which routes may name it: one, or two for a zero-conf channel that has confirmed."""
    offered: Offered = MappingProxyType({})
    """The HTLCs that this node has offered in it."""
