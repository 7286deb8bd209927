"""CSV and JSON: their columns and fields, and their description."""

import json
import re
from pathlib import Path

import pytest

from exporter.config.grouping import By
from exporter.payments.labels import Cause, EndCause, Kind, Status
from exporter.report.document import csv_columns, csv_rows, to_json
from exporter.report.fold import Fold
from exporter.report.node_report import NodeReport, Span
from tests.payments.build import PEER, SECOND, T0, failed, flying, payment, settled

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
COUNTED = ["payments", "succeeded", "failed", "success_ratio"]
PAID = ["volume_msat", "fees_msat", "fee_ppm"]
CAUSES = [f"failed_{cause}" for cause in Cause]
NO_CAUSES = dict.fromkeys(Cause, 0)


def report(by: By = By.MONTH, alias: str = "") -> NodeReport:
    """Return the report on two payments: one that succeeded, one that failed."""
    fold = Fold(by, destinations={})
    fold.add(payment(Status.SUCCEEDED, settled(flying())))
    fold.add(payment(Status.FAILED, failed(flying(), end_s=3)))
    fold.add(payment())
    return NodeReport("alice", fold, {PEER: alias} if alias else {})


def test_columns() -> None:
    """They are the same for all groups of payments, except for the title of the group; peers have their own."""
    assert {by: csv_columns(by) for by in By} == {
        by: ["node", by, *COUNTED, *PAID, "failed_msat", *CAUSES]
        if by is not By.PEER
        else ["node", "peer", "alias", "settled_htlcs", *PAID]
        for by in By
    }


def test_json() -> None:
    """The whole document."""
    total = {
        "payments": 2,
        "succeeded": 1,
        "failed": 1,
        "success_ratio": 0.5,
        "volume_msat": 1_000_000,
        "fees_msat": 10,
        "fee_ppm": 10.0,
        "failed_msat": 1_000_000,
        "failed_by_cause": NO_CAUSES | {"other": 1},
    }
    text = to_json([report()], By.MONTH, Span(T0 + 5 * SECOND, 5))
    assert text.isascii()
    assert json.loads(text) == {
        "by": "month",
        "read_timestamp_seconds": T0 / 1e9 + 5,
        "since_timestamp_seconds": T0 / 1e9,
        "nodes": [
            {
                "node": "alice",
                "first_end_timestamp_seconds": T0 / 1e9 + 2,
                "last_end_timestamp_seconds": T0 / 1e9 + 3,
                "total": total,
                "groups": [{"month": "2026-05"} | total],
                "failed_without_attempts": 0,
                "in_flight": 1,
                "in_flight_msat": 1_000_000,
                "malformed": 0,
            }
        ],
    }


def test_json_of_peers_and_of_nothing() -> None:
    """An alias that isn't known is null, and so is a time of nothing."""
    (node,) = json.loads(to_json([report(By.PEER, "龍")], By.PEER, Span(T0)))["nodes"]
    htlcs = {"settled_htlcs": 1, "volume_msat": 1_000_000, "fees_msat": 10, "fee_ppm": 10.0}
    assert node["groups"] == [{"peer": PEER, "alias": "龍"} | htlcs]
    (node,) = json.loads(to_json([report(By.PEER)], By.PEER, Span(T0)))["nodes"]
    assert node["groups"] == [{"peer": PEER, "alias": None} | htlcs]
    document = json.loads(to_json([NodeReport("bob", Fold(By.KIND))], By.KIND, Span(T0)))
    assert document["since_timestamp_seconds"] is None
    (node,) = document["nodes"]
    assert (node["first_end_timestamp_seconds"], node["total"]["success_ratio"], node["groups"]) == (None, None, [])


def test_by_cause_successes_are_a_group_too() -> None:
    """So the rows add up to the total."""
    groups = {row["cause"]: (row["succeeded"], row["failed"]) for row in csv_rows(report(By.CAUSE))}
    assert groups == {EndCause.NONE: (1, 0), Cause.OTHER: (0, 1)}


@pytest.mark.parametrize(
    ("alias", "cell"),
    [("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("-1", "'-1"), ("@x", "'@x"), ("a=b", "a=b"), ("\t=1", "\ufffd=1")],
)
def test_no_alias_is_run_by_a_spreadsheet(alias: str, cell: str) -> None:
    """Everybody chooses his alias himself. JSON has it as it is."""
    (row,) = csv_rows(report(By.PEER, alias))
    assert row["alias"] == cell


def test_all_fields_and_columns_are_documented() -> None:
    """Each table has exactly what is printed, in its order."""
    csv_table, _, json_table = DOCUMENTED.partition("## CSV\n")[2].partition("## JSON\n")
    columns = re.findall(r"^\| `([^`]+)` \|", csv_table, re.MULTILINE)
    assert columns == [
        "node",
        "GROUP",
        *COUNTED,
        *PAID,
        "failed_msat",
        "failed_CAUSE",
        "peer",
        "alias",
        "settled_htlcs",
    ]
    fields = re.findall(r"^\| `([^`]+)` \|", json_table, re.MULTILINE)
    document = json.loads(to_json([report()], By.MONTH, Span(T0)))
    (node,) = document["nodes"]
    nested = [f"nodes[].{name}" for name in node]
    totals = [f"nodes[].total.{name}" for name in node["total"]]
    place = nested.index("nodes[].total")
    nested[place : place + 1] = totals
    assert fields == [*(name for name in document if name != "nodes"), *nested]


def test_words_are_documented() -> None:
    """Kinds, and the flag with all its values."""
    for by in By:
        assert f"`--by={by}`" in DOCUMENTED
    for kind in Kind:
        assert f"`{kind}`" in DOCUMENTED
