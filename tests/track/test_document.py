"""The line of JSON: each field with its unit, and its row in docs/track.md."""

import json
import re
from pathlib import Path
from typing import Any

from exporter.payments.labels import Reason
from exporter.track.document import to_json_line
from tests.payments.build import FAILED, HASH, PEER, SUCCEEDED, T0
from tests.track.scene import DELETED_ATTEMPT, FAILED_BY_HOP, FAR, PAYEE, PREIMAGE, REQUEST, SETTLED_ATTEMPT, update

DOCS = (Path(__file__).parents[2] / "docs" / "track.md").read_text()
CREATED = T0 / 1e9
HOP = {"alias": None, "amount_msat": 1_000_000, "fee_msat": 0, "expiry_height": 800_024}
ROUTE = [
    {
        "pubkey": PEER,
        "alias": "café\x1b[2J 🐙",
        "channel_id": "9223372036854775808",
        "amount_msat": 1_000_000,
        "fee_msat": 10,
        "expiry_height": 800_104,
    },
    {"pubkey": FAR, "channel_id": "7", **HOP},
    {"pubkey": PAYEE, "channel_id": "8", **HOP},
]


def fields(*, secrets: bool) -> dict[str, Any]:
    """Return the parsed line of a payment that succeeded with its second attempt."""
    text = to_json_line(
        update(SUCCEEDED, FAILED_BY_HOP, SETTLED_ATTEMPT, reason=Reason.TIMEOUT, secrets=True), "alice", secrets=secrets
    )
    assert text.isascii()
    assert "\n" not in text
    read: dict[str, Any] = json.loads(text)
    return read


def test_fields_of_a_succeeded_payment() -> None:
    """Times are in seconds, amounts in msat; a missing value is null."""
    attempt = {"amount_msat": 1_000_010, "fee_msat": 10, "expiry_height": 800_144, "route": ROUTE}
    assert fields(secrets=False) == {
        "node": "alice",
        "payment_hash": HASH,
        "heard_timestamp_seconds": CREATED + 4,
        "final": False,
        "status": "succeeded",
        "reason": "timeout",
        "created_timestamp_seconds": CREATED,
        "elapsed_seconds": 300,
        "amount_msat": 1_000_000,
        "fee_msat": 10,
        "htlcs": 0,
        "attempts": [
            {
                "attempt_id": 1,
                "status": "failed",
                "sent_timestamp_seconds": CREATED + 1,
                "resolved_timestamp_seconds": CREATED + 2,
                "duration_seconds": 1,
                "code": "temporary_channel_failure",
                "source": "intermediate",
                "source_index": 2,
                "source_pubkey": FAR,
                **attempt,
            },
            {
                "attempt_id": 3,
                "status": "settled",
                "sent_timestamp_seconds": CREATED + 3,
                "resolved_timestamp_seconds": CREATED + 300,
                "duration_seconds": 297,
                "code": None,
                "source": None,
                "source_index": None,
                "source_pubkey": None,
                **attempt,
            },
        ],
    }


def test_secrets_add_three_fields() -> None:
    """The preimage of the payment and of its attempts, and the payment request."""
    with_secrets, without = fields(secrets=True), fields(secrets=False)
    assert with_secrets.pop("preimage") == PREIMAGE
    assert with_secrets.pop("payment_request") == REQUEST
    assert [attempt.pop("preimage") for attempt in with_secrets["attempts"]] == [None, PREIMAGE]
    assert with_secrets == without


def test_deleted_attempt_has_no_outcome() -> None:
    """Its route is kept."""
    (attempt,) = json.loads(to_json_line(update(FAILED, DELETED_ATTEMPT), "alice", secrets=False))["attempts"]
    assert (attempt["status"], attempt["route"]) == ("deleted", ROUTE)
    unknown = ("resolved_timestamp_seconds", "duration_seconds", "code", "source", "source_index", "source_pubkey")
    assert [attempt[name] for name in unknown] == [None] * 6


def field_names(value: object, prefix: str = "") -> set[str]:
    """Return the path of every field, as the documentation writes it."""
    if isinstance(value, list):
        return set().union(*(field_names(one, f"{prefix}[]") for one in value))
    if isinstance(value, dict):
        found = (field_names(one, f"{prefix}.{name}" if prefix else name) for name, one in value.items())
        return set().union(*found)
    return {prefix}


def test_every_field_is_documented() -> None:
    """One row for each, and no other row."""
    assert set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", DOCS, flags=re.MULTILINE)) == field_names(fields(secrets=True))
