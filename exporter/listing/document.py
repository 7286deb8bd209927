"""Renders the payments in flight as one JSON document; docs/open.md describes its fields."""

import json
from typing import Any

from exporter.listing.report import NodeReport, Report
from exporter.payments.description import PaymentInFlight


def to_json(report: Report) -> str:
    """Return the document with the payments of all nodes in one list, oldest first; always ASCII."""
    payments = [(node, payment) for node in report.nodes for payment in node.payments]
    payments.sort(key=lambda pair: pair[1].created_us)
    return json.dumps(
        {
            "exporter_running": report.running,
            "nodes": [_node(node) for node in report.nodes],
            "payments": [_payment(node, payment) for node, payment in payments],
        },
        indent=2,
    )


def _node(node: NodeReport) -> dict[str, Any]:
    return {
        "node": node.name,
        "pubkey": node.pubkey or None,
        "state": node.state,
        "following": node.following,
        "mode": node.mode,
        "followed_timestamp_seconds": node.followed_s or None,
        "written_timestamp_seconds": node.written_s,
        "block_height": node.height,
        "block_height_estimated": node.estimated,
    }


def _payment(node: NodeReport, payment: PaymentInFlight) -> dict[str, Any]:
    return {
        "node": node.name,
        "payment_hash": payment.payment_hash,
        "created_timestamp_seconds": payment.created_us / 1e6,
        "age_seconds": payment.age_s,
        "purpose": payment.purpose,
        "amount_msat": payment.amount_msat,
        "status": payment.status,
        "given_up": payment.given_up,
        "htlcs": payment.htlcs,
        "ghost_htlcs": payment.ghosts,
        "first_hops": [
            {
                "pubkey": hop.pubkey or None,
                "alias": hop.alias or None,
                "htlcs": hop.htlcs,
                "amount_msat": hop.amount_msat,
            }
            for hop in payment.first_hops
        ],
        "expiry_height": payment.expiry_height,
        "blocks_left": node.blocks_left(payment),
    }
