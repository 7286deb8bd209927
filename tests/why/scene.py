"""Answers about a payment of 1000 sat over two hops, for the tests of verdicts and texts."""

from typing import Any

from exporter.explain.answers import Answers, Found
from exporter.payments.detail import Hop, PaymentDetail, RoutedAttempt
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route
from exporter.payments.labels import Code, FailureSource, Reason, Status
from exporter.payments.node import Info, OfferedHtlc
from exporter.payments.payment import Attempt
from tests.payments.build import HASH, PEER, SECOND, T0, failed, payment

PAYEE = "03" + "22" * 32
ALIASES = {PEER: "Harbour Bank", PAYEE: "shop\x1b[2J"}
ROUTE = Route(3_100, 0.57, (PEER, PAYEE))
UNLIKELY = Route(3_100, 0.012, (PEER, PAYEE))
TO_PEER = Route(0, 0.95, (PEER,))
NO_PATH, TOO_LITTLE = NoRoute.NO_PATH, NoRoute.INSUFFICIENT_BALANCE
HOPS = (Hop(PEER, 7, 1_000_000, 10, 800_104), Hop(PAYEE, 8, 1_000_000, 0, 800_104))
NOW_S = 90
"""When lnd is asked, seconds after the creation of the payment."""
ENOUGH = (OwnChannel(PEER, "Harbour Bank", active=True, spendable_msat=2_000_000),)
OFFLINE = (OwnChannel(PEER, "Harbour Bank", active=False, spendable_msat=2_000_000),)
DRAINED = (OwnChannel(PEER, "Harbour Bank", active=True, spendable_msat=999_999),)
IN_PIECES = (
    OwnChannel(PEER, "Harbour Bank", active=True, spendable_msat=600_000),
    OwnChannel(PAYEE, "", active=True, spendable_msat=600_000),
)
ACTIVE = ENOUGH[0]._replace(ids=frozenset((7,)))
"""The channel of `HOPS`, active, without an HTLC."""
LISTED = OfferedHtlc(1000, 800_144)
"""As lnd lists an HTLC of `flying`."""


def over_channel(attempt: Attempt) -> Attempt:
    """Return the attempt, over that channel."""
    return attempt._replace(channel_id=HOPS[0].channel_id)


def with_htlcs(*htlcs: OfferedHtlc) -> tuple[OwnChannel, ...]:
    """Return the channels of a node that has these HTLCs of the payment on that channel."""
    return (ACTIVE._replace(offered={HASH: htlcs}),)


def invoice(expires_s: float = 3600) -> Invoice:
    """Return an invoice that expires this many seconds after the payment was created."""
    return Invoice(PAYEE, T0 // SECOND + int(expires_s))


def two_hops(attempt: Attempt) -> RoutedAttempt:
    """Return the attempt with its route."""
    places = {FailureSource.SELF: 0, FailureSource.RECIPIENT: 2, None: None}
    return RoutedAttempt(attempt._replace(hops=2), HOPS, places.get(attempt.source, 1))


def before_recipient(attempt: Attempt, code: Code) -> Attempt:
    """Return the attempt, failed by the node before the recipient, which is the direct peer."""
    return failed(attempt, code, FailureSource.FIRST_HOP)._replace(before_recipient=True)


def answers(
    status: Status, *attempts: Attempt, reason: Reason = Reason.NONE, at_s: float = NOW_S, **changes: Any
) -> Answers:
    """Return answers of an lnd that allows everything, with changes."""
    routed = tuple(map(two_hops, attempts))
    snapshot = payment(status, *(one.attempt for one in routed), reason=reason)
    known: dict[str, Any] = {
        "info": Info("02" + "aa" * 32, alias="alice", block_height=800_000),
        "channels": ENOUGH,
        "aliases": ALIASES,
        "invoice": invoice(),
        "found": Found(),
    }
    return Answers(PaymentDetail(snapshot, routed), T0 + int(at_s * SECOND), **(known | changes))
