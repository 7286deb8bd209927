"""A payment to look at: one attempt that failed on its way, one by this node, one that is under way."""

from exporter.payments.detail import Detail, Hop, RoutedAttempt
from exporter.payments.labels import Code, FailureSource, Reason, Status
from exporter.track.course import Update
from tests.payments.build import HASH, PEER, SECOND, T0, failed, flying, payment, settled

FAR, PAYEE = "03" + "22" * 32, "02" + "33" * 32
NAMES = {PEER: "café\x1b[2J 🐙", PAYEE: ""}
PREIMAGE, REQUEST = "5e" * 32, "lnbcrt10u1secret"
ROUTE = (
    Hop(PEER, 2**63, 1_000_000, 10, 800_104),
    Hop(FAR, 7, 1_000_000, 0, 800_024),
    Hop(PAYEE, 8, 1_000_000, 0, 800_024),
)
BY_HOP = RoutedAttempt(failed(flying(1)), ROUTE, 2)
BY_OURSELVES = RoutedAttempt(
    failed(flying(2, sent_s=2), Code.UNKNOWN_NEXT_PEER, FailureSource.SELF, end_s=2.25), ROUTE, 0
)
UNDER_WAY = RoutedAttempt(flying(3, sent_s=3, msat=1_234_567_891), ROUTE)
VANISHED = RoutedAttempt(flying(2, sent_s=2), ROUTE, deleted=True)
WON = RoutedAttempt(settled(flying(3, sent_s=3), end_s=300), ROUTE, preimage=PREIMAGE)


def now_ns(seconds: float) -> int:
    """So long after the payment was created, nanoseconds since 1970."""
    return T0 + int(seconds * SECOND)


def update(
    status: Status,
    *attempts: RoutedAttempt,
    reason: Reason = Reason.NONE,
    heard_s: float = 4,
    final: bool = False,
    secrets: bool = False,
) -> Update:
    """What was heard."""
    snapshot = payment(status, *(one.attempt for one in attempts if not one.deleted), reason=reason, payment_hash=HASH)
    detail = Detail(snapshot, attempts, PREIMAGE, REQUEST) if secrets else Detail(snapshot, attempts)
    return Update(detail, NAMES, now_ns(heard_s), final)
