"""A node with payments of every sort, always the same, for the tests of the page."""

from exporter.payments.event import CatchUpPageRead, LndCalled, StreamInterrupted
from exporter.payments.labels import (
    AttemptStatus,
    CallOutcome,
    Code,
    FailureSource,
    Interruption,
    Kind,
    Method,
    Mode,
    NodeState,
    Reason,
    Source,
    Status,
)
from exporter.payments.ledger import Ledger
from exporter.payments.node import Channels, Info, NodeStatus, PeerChannels
from exporter.payments.payment import Attempt, Moment, Payment
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture_view

NEAR, FAR, LATE = "02" + "aa" * 32, "03" + "bb" * 32, "02" + "cc" * 32
"""First-hop peers; only two get labels of their own, so the third is counted as `other`."""
SHOP = "03" + "dd" * 32
"""The recipient of some payments, in the group `shop`; all others are in no group, or unknown."""
HEIGHT = 812_345

STATUS = NodeStatus(
    mode=Mode.FIREHOSE,
    state=NodeState.READY,
    stream_up=True,
    unaccounted=0,
    info=Info(
        pubkey="02" + "11" * 32,
        alias='Alice "at\\home"\n',
        version="0.21.2-beta commit=v0.21.2-beta",
        network="regtest",
        block_height=HEIGHT,
        best_header_s=1_700_003_000,
        synced_to_chain=True,
        channels_active=3,
        channels_inactive=2,
        channels_pending=1,
    ),
    channels=Channels(
        spendable_msat=7_654_321_000,
        aliases={NEAR: "near\0by", LATE: "has no series of its own"},
        by_peer={
            NEAR: PeerChannels(2, 1, 7_000_000_000, 5_000_000_000, 12, 60, 3_000_000_000, 9_900_000_000),
            LATE: PeerChannels(1, 0, 654_321_000, 11_000, 1, 483, 2_000, 3_000_000),
        },
    ),
    certificate_expiry_s=1_730_000_000,
)

_BEGIN_S = 1_700_000_000
_S = 1_000_000_000


def at(second: float) -> Moment:
    """Return the moment this many seconds after the start of the scene."""
    elapsed_ns = round(second * _S)
    return Moment(_BEGIN_S * _S + elapsed_ns, elapsed_ns)


def attempt(
    number: int,
    sent_s: float,
    resolved_s: float = 0,
    status: AttemptStatus = AttemptStatus.IN_FLIGHT,
    failure: tuple[Code | None, FailureSource | None] = (None, None),
    *,
    peer: str = NEAR,
    msat: int = 1_001_000,
    hint: Kind | None = None,
    blocks: int = 200,
) -> Attempt:
    """Return an attempt over three hops with 1000 msat of fees."""
    return Attempt(
        attempt_id=number,
        status=status,
        attempt_ns=at(sent_s).wall_ns,
        resolve_ns=at(resolved_s).wall_ns if resolved_s else 0,
        amount_msat=msat,
        fee_msat=1000,
        hops=3,
        peer=peer,
        expiry_height=HEIGHT + blocks,
        hint=hint,
        code=failure[0],
        source=failure[1],
    )


def payment(
    number: int,
    created_s: float,
    status: Status,
    *attempts: Attempt,
    reason: Reason = Reason.NONE,
    msat: int = 1_000_000,
    invoice: bool = True,
    pays_self: bool = False,
    to: str = "",
) -> Payment:
    """Return a snapshot of a payment; hash and index are its number."""
    settled = [a for a in attempts if a.status is AttemptStatus.SETTLED]
    return Payment(
        payment_hash=f"{number:064x}",
        created_ns=at(created_s).wall_ns,
        payment_index=number,
        status=status,
        reason=reason,
        value_msat=msat,
        fee_msat=sum(a.fee_msat for a in settled),
        invoice=invoice,
        pays_self=(lambda: True) if pays_self else None,
        attempts=attempts,
        destination=to,
    )


def _finished() -> list[tuple[float, Payment]]:
    """Return snapshots of payments that end, with the second at which each is received."""
    failed, settled = AttemptStatus.FAILED, AttemptStatus.SETTLED
    no_liquidity = (Code.TEMPORARY_CHANNEL_FAILURE, FailureSource.INTERMEDIATE)
    refused = (Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, FailureSource.RECIPIENT)
    own = (Code.TEMPORARY_CHANNEL_FAILURE, FailureSource.SELF)
    rare = (Code.INVALID_ONION_HMAC, FailureSource.FIRST_HOP)
    big = 30_001_000
    first = attempt(1, 10.2, 11, failed, no_liquidity)
    paid = payment(1, 10, Status.SUCCEEDED, first, attempt(2, 11.1, 12.4, settled), to=SHOP)
    parts = [attempt(n, 20 + n / 8, 24, settled, peer=FAR, msat=big, hint=Kind.KEYSEND) for n in (3, 4)]
    return [
        (10, payment(1, 10, Status.IN_FLIGHT)),
        (10.21, payment(1, 10, Status.IN_FLIGHT, first._replace(status=AttemptStatus.IN_FLIGHT, resolve_ns=0))),
        (12.5, paid),
        (12.5, paid),  # lnd repeats updates
        (20, payment(2, 20, Status.INITIATED, invoice=False, msat=60_000_000)),
        (24, payment(2, 20, Status.SUCCEEDED, *parts, invoice=False, msat=60_000_000)),
        (30, payment(3, 29.7, Status.FAILED, reason=Reason.NO_ROUTE, msat=2_500_000_000)),
        (40, payment(4, 39, Status.FAILED, reason=Reason.INSUFFICIENT_BALANCE, pays_self=True)),
        (
            50,
            payment(
                5,
                48,
                Status.FAILED,
                attempt(5, 48.5, 49.9, failed, refused, peer=LATE),
                reason=Reason.INCORRECT_PAYMENT_DETAILS,
                invoice=False,
            ),
        ),
        (70, payment(6, 60, Status.SUCCEEDED, attempt(6, 60.1, 69, settled), reason=Reason.TIMEOUT)),
        (
            80,
            payment(
                7,
                75,
                Status.FAILED,
                attempt(7, 75.1, 75.2, failed, own),
                attempt(8, 75.3, 77, failed, rare),
                reason=Reason.TIMEOUT,
                to=SHOP,
            ),
        ),
    ]


def _open() -> list[tuple[float, Payment]]:
    """Return snapshots of payments that are still in flight an hour later."""
    return [
        (90, payment(20, 90, Status.IN_FLIGHT, attempt(20, 90.5, blocks=30))),
        (91, payment(21, 91, Status.IN_FLIGHT, attempt(21, 91.5, peer=LATE, blocks=-2), reason=Reason.TIMEOUT)),
        (92, payment(22, 92, Status.IN_FLIGHT)),
        (3599, payment(23, 3598, Status.IN_FLIGHT, attempt(22, 3598.5, peer=FAR, hint=Kind.REBALANCE))),
    ]


def populated(node: str = "lnd", status: NodeStatus = STATUS) -> View:
    """Return the view an hour after the exporter began to count."""
    tracker, ledger = Tracker(), Ledger(max_peers=2)
    tracker.recipients.groups = {SHOP: "shop"}
    ledger.destinations.use(["shop"])
    ledger.apply(tracker.begin([], 0, at(0)))
    tracker.stream_started()
    for second, snapshot in sorted([*_finished(), *_open()], key=lambda row: row[0]):
        ledger.apply(tracker.update(snapshot, Source.STREAM, at(second)))
        ledger.apply(tracker.release(at(second)))
    _interrupted(tracker, ledger)
    ledger.apply(tracker.release(at(3600)))
    return capture_view(node, tracker, ledger, status, at(3600))


def _interrupted(tracker: Tracker, ledger: Ledger) -> None:
    """Lose the stream: meanwhile one payment ends and one vanishes from lnd."""
    tracker.stream_lost()
    ledger.apply([StreamInterrupted(Interruption.SHUTTING_DOWN)])
    ledger.apply([LndCalled(Method.TRACK_PAYMENTS, CallOutcome.ERROR), LndCalled(Method.LIST_PAYMENTS, CallOutcome.OK)])
    page = [
        payment(24, 200, Status.FAILED, reason=Reason.NO_ROUTE),
        payment(25, 201, Status.IN_FLIGHT, attempt(25, 201.5)),
    ]
    ledger.apply([CatchUpPageRead(len(page))])
    for snapshot in page:
        ledger.apply(tracker.update(snapshot, Source.LIST, at(3500)))
    for second in (3510, 3580):
        ledger.apply(tracker.not_found(page[1].payment_hash, at(second)))


def untouched(node: str = "lnd", status: NodeStatus | None = None) -> View:
    """Return the view of a node that has sent nothing yet."""
    return capture_view(node, Tracker(), Ledger(), status or NodeStatus(), at(0))
