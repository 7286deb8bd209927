"""A payment in flight as a person wants to see it: how old, how much, through whom, how many blocks are left."""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.payments.labels import Purpose, Reason, Status
from exporter.payments.payment import US_PER_NS, Attempt
from exporter.payments.run import OpenRun

_SECOND_NS = 1_000_000_000


class FirstHop(NamedTuple):
    """A direct peer that has HTLCs of the payment."""

    pubkey: str
    """Identity key, 66 hex digits; empty if lnd showed no route."""
    alias: str
    """Empty if it isn't known."""
    htlcs: int
    amount_msat: int
    """What they lock, fees included."""


class PaymentInFlight(NamedTuple):
    """One payment in flight."""

    payment_hash: str
    created_us: int
    """Microseconds since 1970, lnd's clock."""
    age_s: int
    """Never negative."""
    purpose: Purpose
    amount_msat: int
    """Without fees."""
    status: Status
    """A terminal one for a moment before it is counted; for longer while lnd has to be asked for its last word."""
    given_up: Reason | None
    """Why lnd makes no more attempts, though it may yet succeed."""
    first_hops: tuple[FirstHop, ...]
    """Of the HTLCs outstanding; the one that locks most comes first."""
    expiry_height: int | None
    """Block height at which the first of the HTLCs outstanding expires; None if there is none, or it isn't known."""

    @property
    def htlcs(self) -> int:
        """HTLCs outstanding."""
        return sum(hop.htlcs for hop in self.first_hops)


def describe(run: OpenRun, aliases: Mapping[str, str], now_ns: int) -> PaymentInFlight:
    """An open run; `aliases` of peers by key, `now_ns` in nanoseconds since 1970."""
    created_us = run.run.created_us
    return PaymentInFlight(
        payment_hash=run.run.payment_hash,
        created_us=created_us,
        age_s=max(0, now_ns - created_us * US_PER_NS) // _SECOND_NS,
        purpose=run.purpose,
        amount_msat=run.value_msat,
        status=run.terminal.status if run.terminal else Status(run.status),
        given_up=run.reason if run.given_up else None,
        first_hops=_first_hops(run, aliases),
        expiry_height=min((a.expiry_height for a in run.outstanding.values() if a.expiry_height), default=None),
    )


def _first_hops(run: OpenRun, aliases: Mapping[str, str]) -> tuple[FirstHop, ...]:
    by_peer: dict[str, list[Attempt]] = {}
    for attempt in run.outstanding.values():
        by_peer.setdefault(attempt.peer, []).append(attempt)
    hops = (
        FirstHop(peer, aliases.get(peer, ""), len(attempts), sum(attempt.amount_msat for attempt in attempts))
        for peer, attempts in by_peer.items()
    )
    return tuple(sorted(hops, key=lambda hop: -hop.amount_msat))
