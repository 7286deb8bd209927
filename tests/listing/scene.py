"""Two nodes with payments in flight, and the state that an exporter has written of them."""

from pathlib import Path

from exporter.config import Config, LogConfig, OpenConfig, StorageConfig, WebConfig
from exporter.follow import Account
from exporter.payments.labels import NodeState, Reason, Source
from exporter.payments.node import Channels, Info
from exporter.payments.payment import Moment
from exporter.store import EncodedNode, encode
from tests.payments.build import FAILED, IN_FLIGHT, INITIATED, PEER, T0, failed, flying, payment

PUBKEY = "02" * 33
OTHER_PEER = "03" + "22" * 32
HEIGHT = 800_000
HEADER_S = T0 // 10**9 + 400
"""Time of the last block, seconds since 1970."""
DAY_S = 86_400
READ_AFTER_S = 10
"""How long after it was written the state is read."""


def moment(seconds: float) -> Moment:
    """Return the moment this many seconds after T0."""
    return Moment(T0 + int(seconds * 1e9), int(seconds * 1e9))


def account(name: str, clock: list[float]) -> Account:
    """Return a node that is followed, with the alias of one of its peers; the time is `clock` seconds after T0."""
    made = Account(name, lambda: moment(clock[0]), 5)
    made.pubkey = PUBKEY
    made.tracker.begin([], 0, moment(0))
    made.tracker.stream_started()
    info = Info(PUBKEY, block_height=HEIGHT, best_header_s=HEADER_S)
    made.set_status(state=NodeState.READY, stream_up=True, info=info, channels=Channels(0, {PEER: "café\x1b[2J 🐙"}))
    return made


def alice() -> Account:
    """Return a node with five payments, one of each sort."""
    made = account("alice", [500])
    parts = (
        flying(1)._replace(expiry_height=HEIGHT + 30),
        flying(2)._replace(expiry_height=HEIGHT + 90),
        flying(3, msat=5)._replace(peer=OTHER_PEER, expiry_height=0),
    )
    snapshots = (
        payment(IN_FLIGHT, *parts, payment_hash="a1" * 32, created_s=-2 * DAY_S - 3 * 3600, payment_index=1),
        payment(IN_FLIGHT, flying(4), reason=Reason.TIMEOUT, payment_hash="a2" * 32, created_s=-3600, payment_index=2),
        payment(IN_FLIGHT, failed(flying(5)), payment_hash="a3" * 32, created_s=0, payment_index=3),
        payment(INITIATED, payment_hash="a4" * 32, created_s=465, payment_index=4)._replace(value_msat=1_234_567_891),
        payment(FAILED, failed(flying(6)), payment_hash="a5" * 32, created_s=499, payment_index=5),
    )
    for snapshot in snapshots:
        made.record(snapshot, Source.STREAM)
    return made


def bob() -> Account:
    """Return a node with one payment, older than most of alice's, that became unreachable 300 seconds ago."""
    clock = [200.0]
    made = account("bob", clock)
    expired = flying(7)._replace(expiry_height=HEIGHT - 2)
    made.record(payment(IN_FLIGHT, expired, payment_hash="b1" * 32, created_s=-DAY_S, payment_index=6), Source.STREAM)
    encoded(made)
    clock[0] = 500
    made.set_status(state=NodeState.UNREACHABLE, stream_up=False, channels=None)
    return made


def encoded(*accounts: Account) -> dict[str, EncodedNode]:
    """Return the state of the nodes as it is written."""
    return {account.name: encode(account.save(account.capture())) for account in accounts}


def config(path: Path, *, older_than_s: int = 0, node: str | None = None) -> Config:
    """Return the configuration of the command `open`."""
    options = OpenConfig(older_than_s, node=node)
    return Config((), WebConfig((), "/metrics"), LogConfig("info", "auto"), StorageConfig(path), 0, options)


def read_ns(later_s: float = 0) -> int:
    """Return when the state is read, nanoseconds since 1970."""
    return moment(500 + READ_AFTER_S + later_s).wall_ns
