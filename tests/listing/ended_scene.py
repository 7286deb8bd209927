"""A node with one ended payment of each sort, counted by an account, and the state that an exporter has written."""

from pathlib import Path
from typing import Any

from exporter.config import Config, LogConfig, StorageConfig, WebConfig
from exporter.config.model import EndedConfig
from exporter.follow import Account
from exporter.listing.ended_report import EndedReport, read_report
from exporter.payments.labels import Code, FailureSource, Kind, Reason, Source
from exporter.payments.payment import Attempt
from tests.listing.scene import OTHER_PEER, account, read_ns
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, at, failed, flying, payment, settled

DESTINATION = "03" + "33" * 32
"""Who is paid."""
ROUTER = "02" + "44" * 32
"""A node on the way."""


def alice(length: int = 100) -> Account:
    """Return a node that has counted six payments, the last one 490 s after T0."""
    clock = [100.0]
    made = account("alice", clock)
    made.newly_ended.limit(length)
    through_other = flying(3)._replace(peer=OTHER_PEER)
    failing = failed(through_other, end_s=102)._replace(failed_by=ROUTER)

    def receive(seconds: float, digits: str, *attempts: Attempt, status: Any = SUCCEEDED, **changes: Any) -> None:
        clock[0] = seconds
        index = int(digits, 16)
        snapshot = payment(status, *attempts, payment_hash=digits * 32, payment_index=index, **changes)
        made.record(snapshot._replace(destination=DESTINATION if attempts else ""), Source.STREAM)
        clock[0] = seconds + 1
        made.release()

    receive(101, "a1", settled(flying(1), end_s=101), created_s=100)
    receive(103, "a2", failing, settled(flying(4), end_s=103), created_s=100)
    receive(200, "a3", status=FAILED, reason=Reason.NO_ROUTE, created_s=199.5, invoice=False)
    receive(300, "a4", failing, status=FAILED, reason=Reason.TIMEOUT, created_s=100, invoice=False)
    receive(400, "a5", settled(flying(5, hint=Kind.KEYSEND), end_s=399), reason=Reason.TIMEOUT, created_s=370)
    made.record(payment(IN_FLIGHT, flying(6), payment_hash="a6" * 32, payment_index=166, created_s=400), Source.STREAM)
    clock[0] = 420
    made.apply(made.tracker.not_found("a6" * 32, at(420)))
    clock[0] = 489
    made.apply(made.tracker.not_found("a6" * 32, at(489)))
    clock[0] = 500
    return made


def unreadable(attempt: Attempt) -> Attempt:
    """Return the attempt, failed with an error that lnd can't read."""
    return failed(attempt, Code.UNREADABLE_FAILURE, FailureSource.UNKNOWN)


def report(path: Path, *, later_s: float = 0, limit: int | None = None, **options: Any) -> EndedReport:
    """Return what the command `ended` shows, 510 s after T0."""
    config = Config(
        (),
        WebConfig((), "/metrics"),
        LogConfig("info", "auto"),
        StorageConfig(path),
        0,
        ended=EndedConfig(limit=limit, **options),
    )
    return read_report(config, read_ns(later_s))
