"""An update as one line of JSON; docs/track.md describes its fields."""

import json
from typing import Any

from exporter.payments.detail import Hop, RoutedAttempt
from exporter.payments.labels import Reason
from exporter.track.course import Update

_NS = 1e9


def line(update: Update, node: str, *, secrets: bool) -> str:
    """ASCII, whatever an alias holds; secrets only where they are wanted."""
    detail = update.detail
    payment = detail.payment
    elapsed = detail.elapsed_ns(update.at_ns)
    said: dict[str, Any] = {
        "node": node,
        "payment_hash": payment.payment_hash,
        "heard_timestamp_seconds": update.at_ns / _NS,
        "final": update.final,
        "status": payment.status,
        "reason": None if payment.reason is Reason.NONE else payment.reason,
        "created_timestamp_seconds": payment.created_ns / _NS,
        "elapsed_seconds": None if elapsed is None else elapsed / _NS,
        "amount_msat": payment.value_msat,
        "fee_msat": payment.fee_msat,
        "htlcs": detail.in_flight,
        "attempts": [_attempt(one, update, secrets=secrets) for one in detail.attempts],
    }
    if secrets:
        said |= {"preimage": detail.preimage or None, "payment_request": detail.payment_request or None}
    return json.dumps(said)


def _attempt(one: RoutedAttempt, update: Update, *, secrets: bool) -> dict[str, Any]:
    attempt, took, culprit = one.attempt, one.duration_ns, one.culprit
    said = {
        "attempt_id": attempt.attempt_id,
        "status": "deleted" if one.deleted else attempt.status,
        "sent_timestamp_seconds": attempt.attempt_ns / _NS,
        "resolved_timestamp_seconds": attempt.resolve_ns / _NS if attempt.resolve_ns else None,
        "duration_seconds": None if took is None else took / _NS,
        "amount_msat": attempt.amount_msat,
        "fee_msat": attempt.fee_msat,
        "expiry_height": attempt.expiry_height or None,
        "code": attempt.code,
        "source": attempt.source,
        "source_index": one.source_index,
        "source_pubkey": culprit.pubkey if culprit else None,
        "route": [_hop(hop, update) for hop in one.hops],
    }
    return said | ({"preimage": one.preimage or None} if secrets else {})


def _hop(hop: Hop, update: Update) -> dict[str, Any]:
    return {
        "pubkey": hop.pubkey or None,
        "alias": update.names.get(hop.pubkey) or None,
        "channel_id": str(hop.channel_id),
        "amount_msat": hop.amount_msat,
        "fee_msat": hop.fee_msat,
        "expiry_height": hop.expiry_height,
    }
