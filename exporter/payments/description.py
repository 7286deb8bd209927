"""A payment in flight as it is shown to a person: age, amount, first hops, expiry."""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.payments.labels import Purpose, Reason, Status
from exporter.payments.payment import NS_PER_S, NS_PER_US, Attempt
from exporter.payments.run import OpenRun


class FirstHop(NamedTuple):
    """A direct peer through which the payment has HTLCs outstanding."""

    pubkey: str
    """Identity key, 66 hex digits; empty if lnd sent no route."""
    alias: str
    """Empty if it isn't known."""
    htlcs: int
    """Number of HTLCs outstanding."""
    amount_msat: int
    """Amount of these HTLCs, fees included."""


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
    """Terminal for the second before it is counted, or for longer while lnd must be asked for its end again."""
    given_up: Reason | None
    """Why lnd makes no more attempts, though it may still succeed; None if lnd hasn't given up, or it has ended."""
    first_hops: tuple[FirstHop, ...]
    """The peers with HTLCs outstanding, the largest amount first."""
    ghosts: int
    """Number of HTLCs outstanding that are on no channel any more, as of lnd's last list of channels."""
    expiry_height: int | None
    """Block height at which the first of the HTLCs outstanding expires; None without one, or if it isn't known."""

    @property
    def htlcs(self) -> int:
        """Number of HTLCs outstanding."""
        return sum(hop.htlcs for hop in self.first_hops)


def describe(run: OpenRun, aliases: Mapping[str, str], now_ns: int) -> PaymentInFlight:
    """Return the description of an open run. `aliases` is by key of the peer, `now_ns` nanoseconds since 1970."""
    created_us = run.run.created_us
    return PaymentInFlight(
        payment_hash=run.run.payment_hash,
        created_us=created_us,
        age_s=max(0, now_ns - created_us * NS_PER_US) // NS_PER_S,
        purpose=run.purpose,
        amount_msat=run.value_msat,
        status=run.terminal.status if run.terminal else Status(run.status),
        given_up=run.reason if run.given_up else None,
        first_hops=_first_hops(run, aliases),
        ghosts=len(run.ghosts & run.outstanding.keys()),
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
