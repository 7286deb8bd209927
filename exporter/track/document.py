"""Renders an update as one line of JSON; docs/track.md describes its fields."""

import json
from collections.abc import Mapping
from typing import Any

from exporter.payments.detail import Hop, RoutedAttempt
from exporter.payments.labels import Reason
from exporter.track.watcher import PaymentUpdate

_NS = 1e9


def to_json_line(update: PaymentUpdate, node: str, *, secrets: bool) -> str:
    """Return the update without a line end, always ASCII; with preimages and payment request only if `secrets`."""
    detail = update.detail
    payment = detail.payment
    elapsed = detail.elapsed_ns(update.at_ns)
    fields: dict[str, Any] = {
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
        "attempts": [attempt_fields(attempt, update.aliases, secrets=secrets) for attempt in detail.attempts],
    }
    if secrets:
        fields |= {"preimage": detail.preimage or None, "payment_request": detail.payment_request or None}
    return json.dumps(fields)


def attempt_fields(routed: RoutedAttempt, aliases: Mapping[str, str], *, secrets: bool) -> dict[str, Any]:
    """Return an attempt with its route; `aliases` are known names of nodes by key."""
    attempt, duration_ns, failing_hop = routed.attempt, routed.duration_ns, routed.failing_hop
    fields = {
        "attempt_id": attempt.attempt_id,
        "status": "deleted" if routed.deleted else attempt.status,
        "sent_timestamp_seconds": attempt.attempt_ns / _NS,
        "resolved_timestamp_seconds": attempt.resolve_ns / _NS if attempt.resolve_ns else None,
        "duration_seconds": None if duration_ns is None else duration_ns / _NS,
        "amount_msat": attempt.amount_msat,
        "fee_msat": attempt.fee_msat,
        "expiry_height": attempt.expiry_height or None,
        "code": attempt.code,
        "source": attempt.source,
        "source_index": routed.source_index,
        "source_pubkey": failing_hop.pubkey if failing_hop else None,
        "route": [_hop(hop, aliases) for hop in routed.hops],
    }
    return fields | ({"preimage": routed.preimage or None} if secrets else {})


def _hop(hop: Hop, aliases: Mapping[str, str]) -> dict[str, Any]:
    return {
        "pubkey": hop.pubkey or None,
        "alias": aliases.get(hop.pubkey) or None,
        "channel_id": str(hop.channel_id),
        "amount_msat": hop.amount_msat,
        "fee_msat": hop.fee_msat,
        "expiry_height": hop.expiry_height,
    }
