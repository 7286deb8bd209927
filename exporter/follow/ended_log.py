"""A log line for a payment that ended: for each one, for those that failed, or only for those that succeeded late."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from exporter.payments.ended import EndedPayment, RunOutcome
from exporter.payments.labels import Reason

NONE, FAILED, ALL = "none", "failed", "all"
"""The values of `EndedLog.which`: no payment, those that failed or were lost, all."""


@dataclass
class EndedLog:
    """Writes the lines of all nodes. Its fields change when the configuration is reloaded.

    A line is written when the payment is counted, up to five seconds before that is on disk: an exporter that is killed
    in between counts it again, and logs it again.
    """

    which: str = NONE
    """Which payments get a line."""
    hashes: bool = True
    """Whether the log may have payment hashes. Without them there is no warning about payments that succeeded late."""

    @property
    def active(self) -> bool:
        """True if any payment that ends may get a line."""
        return self.hashes or self.which != NONE

    def note(self, node: str, ended: EndedPayment, aliases: Mapping[str, str]) -> None:
        """Log a payment that has just been counted, if it is to be logged; `aliases` is by key of the peer."""
        warns = ended.late and self.hashes
        if not warns and (self.which == NONE or (self.which == FAILED and ended.outcome == RunOutcome.SUCCEEDED)):
            return
        log = structlog.get_logger("exporter.follow").bind(node=node)
        fields = {
            "payment_hash": ended.run.payment_hash if self.hashes else None,
            "outcome": ended.outcome,
            "reason": ended.reason if ended.reason != Reason.NONE else None,
            "cause": ended.cause or None,
            "kind": ended.kind,
            "amount_msat": ended.value_msat,
            "fee_msat": ended.fee_msat,
            "attempts": ended.attempts,
            "duration_s": None if ended.duration_ns is None else round(ended.duration_ns / 1e9, 3),
            "first_hops": [aliases.get(peer) or peer for peer in ended.first_hops],
            "failure_code": ended.failure_code or None,
            "failure_source": ended.failure_source or None,
            "failed_by": ended.failed_by or None,
            "destination": ended.destination or None,
            "recovered": ended.recovered or None,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        if warns:
            log.warning("a payment succeeded after lnd had given it up", **fields)
        else:
            log.info("a payment ended", **fields)
