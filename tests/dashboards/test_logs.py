"""The optional rows over the log: folded, and about lines that the exporter writes. Nobody asks a real Loki here."""

import re
from pathlib import Path
from typing import Any

import pytest

import exporter
from exporter.config import load
from tests.dashboards.panels import FILES, dashboard

WITH_LOG = ("lnd-payments-failures", "lnd-payments-node")


def row(uid: str) -> dict[str, Any]:
    """Return the last row of a dashboard."""
    last: dict[str, Any] = dashboard(uid)["panels"][-1]
    return last


@pytest.mark.parametrize("uid", WITH_LOG)
def test_nothing_is_asked_without_loki(uid: str) -> None:
    """The row is folded, and the variables ask nobody for their values."""
    log = row(uid)
    assert (log["type"], log["collapsed"], log["title"]) == ("row", True, "Log (needs Loki)")
    assert {panel["datasource"]["uid"] for panel in log["panels"]} == {"${loki}"}
    variables = {each["name"]: each for each in dashboard(uid)["templating"]["list"]}
    assert (variables["loki"]["type"], variables["loki"]["query"]) == ("datasource", "loki")
    assert variables["stream"]["type"] == "textbox"


@pytest.mark.parametrize("uid", sorted(set(FILES) - {*WITH_LOG}))
def test_other_dashboards_have_no_loki(uid: str) -> None:
    """Neither variables nor rows."""
    assert "loki" not in FILES[uid].read_text()


def test_lines_that_the_exporter_writes() -> None:
    """The events, fields and flags that the panels name exist."""
    code = "".join(path.read_text() for path in Path(exporter.__file__).parent.rglob("*.py"))
    for uid in WITH_LOG:
        for panel in row(uid)["panels"]:
            (expr,) = [target["expr"] for target in panel["targets"]]
            for event in re.findall(r'event="([^"]+)"', expr):
                assert f'"{event}"' in code
            fields = set(re.findall(r"\{\{\.(\w+)\}\}", expr)) - {"node", "event"}
            assert {field for field in fields if f'"{field}"' not in code and f"{field}=" not in code} == set()
            flags = re.findall(r"--log\.[\w-]+=\w+", panel["description"])
            assert flags
            for flag in flags:
                load([flag], {}, "demo")
