"""Renders reports as CSV, a row for each group, and as one JSON document; docs/report.md describes both."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from exporter.config.grouping import By
from exporter.payments.labels import Cause
from exporter.payments.payment import NS_PER_S
from exporter.report.fold import Fold, Htlcs, Paid, Payments, by_size, peers_by_size
from exporter.report.node_report import NodeReport, Span
from exporter.text import sanitize

PPM_DIGITS, RATIO_DIGITS = 3, 6
"""Decimals of numbers that aren't whole."""
FORMULA = ("=", "+", "-", "@")
"""Beginnings of a cell that a spreadsheet would run as a formula. Everybody chooses his alias himself."""


def csv_rows(report: NodeReport) -> Iterator[dict[str, Any]]:
    """Yield the rows of a node; each has the same columns, in the same order. None is an empty cell."""
    fold = report.fold
    if fold.by is By.PEER:
        for key, htlcs in peers_by_size(fold):
            yield {"node": report.name, "peer": key, "alias": _harmless(report.aliases.get(key, ""))} | _htlcs(htlcs)
        return
    for name, group in by_size(fold):
        fields = {"node": report.name, fold.by.value: name} | _payments(group)
        causes = fields.pop("failed_by_cause")
        yield fields | {f"failed_{cause}": number for cause, number in causes.items()}


def csv_columns(by: By) -> list[str]:
    """Return the titles of the columns."""
    fold = Fold(by)
    if by is By.PEER:
        fold.peers["-"] = Htlcs()
    else:
        fold.groups["-"] = Payments()
    return [*next(csv_rows(NodeReport("-", fold)))]


def to_json(reports: Sequence[NodeReport], by: By, span: Span) -> str:
    """Return the document, always ASCII."""
    return json.dumps(
        {
            "by": by,
            "read_timestamp_seconds": span.now_ns / NS_PER_S,
            "since_timestamp_seconds": None if span.since_s is None else span.since_ns / NS_PER_S,
            "nodes": [_node(report) for report in reports],
        },
        indent=2,
    )


def _node(report: NodeReport) -> dict[str, Any]:
    fold = report.fold
    groups: list[dict[str, Any]]
    if fold.by is By.PEER:
        peers = [(key, report.aliases.get(key) or None, htlcs) for key, htlcs in peers_by_size(fold)]
        groups = [{"peer": key, "alias": alias} | _htlcs(htlcs) for key, alias, htlcs in peers]
    else:
        groups = [{fold.by.value: name} | _payments(group) for name, group in by_size(fold)]
    return {
        "node": report.name,
        "first_end_timestamp_seconds": None if fold.first_ns is None else fold.first_ns / NS_PER_S,
        "last_end_timestamp_seconds": None if fold.first_ns is None else fold.last_ns / NS_PER_S,
        "total": _payments(fold.total),
        "groups": groups,
        "failed_without_attempts": fold.without_attempts,
        "in_flight": fold.in_flight,
        "in_flight_msat": fold.in_flight_msat,
        "malformed": fold.malformed,
    }


def _payments(group: Payments) -> dict[str, Any]:
    ratio = group.success_ratio
    return {
        "payments": group.ended,
        "succeeded": group.succeeded,
        "failed": group.failed,
        "success_ratio": None if ratio is None else round(ratio, RATIO_DIGITS),
        **_paid(group),
        "failed_msat": group.failed_msat,
        "failed_by_cause": {cause.value: group.causes[cause] for cause in Cause},
    }


def _htlcs(htlcs: Htlcs) -> dict[str, Any]:
    return {"settled_htlcs": htlcs.settled, **_paid(htlcs)}


def _paid(paid: Paid) -> dict[str, Any]:
    ppm = paid.fee_ppm
    return {
        "volume_msat": paid.volume_msat,
        "fees_msat": paid.fees_msat,
        "fee_ppm": None if ppm is None else round(ppm, PPM_DIGITS),
    }


def _harmless(alias: str) -> str:
    """Return an alias as a cell that no spreadsheet runs."""
    alias = sanitize(alias)
    return f"'{alias}" if alias.startswith(FORMULA) else alias
