"""An exporter's state file as it is while it counts: two payments when counting began, and others of before."""

from collections.abc import Sequence
from pathlib import Path

from exporter.backfill.seam import Seam, read_seam
from exporter.payments import saved as saving
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.payment import Payment, Run
from exporter.payments.saved import SavedNode
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from exporter.store import Store, encode
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, at, flying, payment, settled

HOUR_S, DAY_S = 3600.0, 86_400.0
OVER = payment(SUCCEEDED, settled(flying(1, sent_s=-100), end_s=-99), payment_hash="01" * 32, created_s=-100)
FLYING = payment(IN_FLIGHT, flying(2, sent_s=-50), payment_hash="02" * 32, created_s=-50, payment_index=11)
"""The newest payments when counting begins, at `T0`."""
DEEP = payment(IN_FLIGHT, flying(3, sent_s=-DAY_S), payment_hash="03" * 32, created_s=-DAY_S, payment_index=3)
DEEP_ENDED = payment(
    SUCCEEDED, settled(flying(3, sent_s=-DAY_S), end_s=5000), payment_hash="03" * 32, created_s=-DAY_S, payment_index=3
)
DEEP_FAILED = payment(FAILED, payment_hash="03" * 32, created_s=-DAY_S, payment_index=3)
"""The attempts of a payment that failed are deleted: nothing tells when it ended."""
OLD = payment(SUCCEEDED, settled(flying(4, sent_s=-DAY_S), end_s=-DAY_S), payment_hash="04" * 32, created_s=-DAY_S)
OLD = OLD._replace(payment_index=2)
YOUNG = payment(IN_FLIGHT, payment_hash="05" * 32, created_s=50, payment_index=12)


class Counting:
    """An exporter's state file, as it is while it counts."""

    def __init__(self, path: Path, newest: Sequence[Payment] = (OVER, FLYING), floor: int = 9) -> None:
        """Begin to count at `T0`."""
        tracker = Tracker()
        self.path = path
        tracker.begin(list(newest), floor, at(0))
        self.observer = Observer(tracker)
        self.ended: tuple[Run, ...] = ()
        """What the list of counted runs lacks yet."""
        self.store: Store | None = None
        """Set while the exporter runs."""

    def saved(self, seconds: float) -> SavedNode:
        """Return its state that many seconds after `T0`."""
        tracker, ledger = self.observer.tracker, self.observer.ledger
        view = capture_view("alice", tracker, ledger, NodeStatus(), at(seconds))
        return saving.save(
            view, tracker, ledger, pubkey="", table=12, ended=self.ended, at=at(seconds), heard=LastKnown()
        )

    def write(self, seconds: float) -> None:
        """Write its state."""
        store = self.store or Store(self.path)
        store.save({"alice": encode(self.saved(seconds))})
        if self.store is None:
            store.close()

    def seam(self, seconds: float = 9) -> Seam:
        """Write its state, and read it."""
        self.write(seconds)
        return look(self.path, seconds)


def look(path: Path, seconds: float = 9) -> Seam:
    """Read the state of alice."""
    seam = read_seam(path, "alice", at(seconds).wall_ns)
    assert seam is not None
    return seam
