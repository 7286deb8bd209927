"""Updates of one payment, made of attempts in every state."""

from exporter.payments.detail import Hop, PaymentDetail, RoutedAttempt
from exporter.payments.labels import Code, FailureSource, Reason, Status
from exporter.track.watcher import PaymentUpdate
from tests.payments.build import HASH, PEER, SECOND, T0, failed, flying, payment, settled

FAR, PAYEE = "03" + "22" * 32, "02" + "33" * 32
ALIASES = {PEER: "café\x1b[2J 🐙", PAYEE: ""}
PREIMAGE, REQUEST = "5e" * 32, "lnbcrt10u1secret"
ROUTE = (
    Hop(PEER, 2**63, 1_000_000, 10, 800_104),
    Hop(FAR, 7, 1_000_000, 0, 800_024),
    Hop(PAYEE, 8, 1_000_000, 0, 800_024),
)
FAILED_BY_HOP = RoutedAttempt(failed(flying(1)), ROUTE, 2)
FAILED_BY_SELF = RoutedAttempt(
    failed(flying(2, sent_s=2), Code.UNKNOWN_NEXT_PEER, FailureSource.SELF, end_s=2.25), ROUTE, 0
)
IN_FLIGHT_ATTEMPT = RoutedAttempt(flying(3, sent_s=3, msat=1_234_567_891), ROUTE)
DELETED_ATTEMPT = RoutedAttempt(flying(2, sent_s=2), ROUTE, deleted=True)
SETTLED_ATTEMPT = RoutedAttempt(settled(flying(3, sent_s=3), end_s=300), ROUTE, preimage=PREIMAGE)


def now_ns(seconds: float) -> int:
    """Return the time this many seconds after the payment was created, nanoseconds since 1970."""
    return T0 + int(seconds * SECOND)


def update(
    status: Status,
    *attempts: RoutedAttempt,
    reason: Reason = Reason.NONE,
    received_s: float = 4,
    final: bool = False,
    secrets: bool = False,
) -> PaymentUpdate:
    """Return an update received `received_s` after the payment was created."""
    snapshot = payment(status, *(one.attempt for one in attempts if not one.deleted), reason=reason, payment_hash=HASH)
    detail = PaymentDetail(snapshot, attempts, PREIMAGE, REQUEST) if secrets else PaymentDetail(snapshot, attempts)
    return PaymentUpdate(detail, ALIASES, now_ns(received_s), final)
