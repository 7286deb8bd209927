"""Renders ended payments as lines of JSON; docs/ended.md describes their fields."""

import heapq
import json
from collections.abc import Iterator
from typing import Any

from exporter.listing.ended_report import EndedOfNode, EndedReport
from exporter.payments.ended import EndedPayment
from exporter.payments.labels import Reason


def json_lines(report: EndedReport) -> Iterator[str]:
    """Yield a line for each payment of all nodes, the one counted last first; always ASCII."""
    lists = [[(payment, node) for payment in node.payments] for node in report.nodes]
    for payment, node in heapq.merge(*lists, key=lambda pair: -pair[0].counted_us):
        yield json.dumps(_line(payment, node))


def _line(payment: EndedPayment, node: EndedOfNode) -> dict[str, Any]:
    return {
        "node": node.node.name,
        "number": payment.number,
        "counted_timestamp_seconds": payment.counted_us / 1e6,
        "ended_timestamp_seconds": None if payment.ended_us is None else payment.ended_us / 1e6,
        "payment_hash": payment.run.payment_hash,
        "created_timestamp_seconds": payment.run.created_us / 1e6,
        "amount_msat": payment.value_msat,
        "fee_msat": payment.fee_msat,
        "kind": payment.kind,
        "outcome": payment.outcome,
        "late": payment.late,
        "reason": None if payment.reason == Reason.NONE else payment.reason,
        "cause": payment.cause or None,
        "parts": payment.parts,
        "attempts": payment.attempts,
        "duration_seconds": None if payment.duration_ns is None else payment.duration_ns / 1e9,
        "recovered": payment.recovered,
        "first_hops": [{"pubkey": key, "alias": node.aliases.get(key) or None} for key in payment.first_hops],
        "failure_code": payment.failure_code or None,
        "failure_source": payment.failure_source or None,
        "failed_by": payment.failed_by or None,
        "destination": payment.destination or None,
    }
