"""The save point: what is needed to continue when reading the past was broken off, in a small file."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from exporter.backfill.border import Continued
from exporter.backfill.ledger import PastLedger
from exporter.backfill.timeline import Restart
from exporter.follow.catch_up import IndexedRun
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName, Labels, zero_counters
from exporter.store.place import sync_directory

VERSION = 1
"""Of the format: a save point of another version isn't continued."""


class SavePoint(msgspec.Struct, frozen=True):
    """Everything that was counted up to a step, and where reading goes on."""

    version: int
    pubkey: str
    """Identity key of the node."""
    settings: str
    """What must be the same to continue: labels, and what is left out."""
    step_ns: Annotated[int, Meta(gt=0)]
    """Time between two samples."""
    attempts: bool
    """Whether lnd keeps failed attempts, as found at the beginning."""
    counted: int
    """`Timeline.counted`: the last step that is in the totals; its samples are to be written again."""
    restart: Restart
    last_read: Annotated[Sequence[IndexedRun], Meta(min_length=1)]
    """The last payments that were read, ascending: lnd must still list one of them so."""
    order: Continued
    """What was known of the seam, and the runs that were read and not decided about."""
    counters: Sequence[tuple[Counter, Labels, int]]
    histograms: Sequence[tuple[HistogramName, Labels, Sequence[int], int]]
    """Name, labels, buckets, sum."""
    peers: Sequence[tuple[str, int]]
    """`Peers.used_ns`."""
    outstanding: Sequence[str]
    """The first hop of each HTLC that is outstanding at the end of the step."""
    written: bool = False
    """True if all is written, and only the live counters don't go on from it yet, as far as this tells."""
    done: bool = False
    """True if nothing is left to do."""


def totals_of(
    ledger: PastLedger,
) -> tuple[Sequence[tuple[Counter, Labels, int]], Sequence[tuple[HistogramName, Labels, Sequence[int], int]]]:
    """Return the totals as a save point has them; without those that are zero from the start."""
    zero = zero_counters()
    counters = [
        (name, labels, total)
        for name, totals in ledger.counters.items()
        for labels, total in totals.items()
        if total or labels not in zero[name]
    ]
    histograms = [
        (name, labels, histogram.buckets, histogram.total)
        for name, series in ledger.histograms.items()
        for labels, histogram in series.items()
        if any(histogram.buckets)
    ]
    return counters, histograms


def restore(ledger: PastLedger, saved: SavePoint) -> None:
    """Set the totals, and the places of peers, of a new ledger to the saved ones."""
    counters: dict[Counter, dict[Labels, int]] = {}
    for name, labels, total in saved.counters:
        counters.setdefault(name, {})[labels] = total
    histograms: dict[HistogramName, dict[Labels, Histogram]] = {}
    for histogram, labels, buckets, total in saved.histograms:
        made = Histogram(EDGES[histogram])
        made.buckets, made.total = list(buckets), total
        histograms.setdefault(histogram, {})[labels] = made
    ledger.resume(counters, histograms)
    ledger.peers.resume(saved.peers, saved.outstanding)


def lock(path: Path) -> int:
    """Take the lock of a save point, and return its descriptor: two runs would remove each other's files.

    It is released when that is closed, however the process ends. The file of the lock, beside the save point, stays: it
    tells that a run has begun there. Raises `BlockingIOError` if another run has it, and other `OSError`.
    """
    descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def lock_path(path: Path) -> Path:
    """Return where the lock of a save point is."""
    return path.with_name(f"{path.name}.lock")


def write(path: Path, point: SavePoint) -> None:
    """Write the file in place of an older one; it is on disk when this returns. Raises `OSError`.

    Only its owner may read it, for it has payment hashes.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # it may be readable for others, or a link to another file
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(point))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_directory(path.parent)


def read(path: Path) -> SavePoint | None:
    """Read the file; None if there is none. Raises `OSError`, `ValueError` if it isn't a save point of this version."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    point = msgspec.json.decode(content, type=SavePoint)
    if point.version != VERSION:
        raise ValueError(f"version {point.version}, this program knows {VERSION}")
    for name, _, buckets, _ in point.histograms:
        if len(buckets) != len(EDGES[name]) + 1:
            raise ValueError(f"another number of buckets of {name}")
    return point
