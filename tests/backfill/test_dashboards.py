"""The dashboards over a past: which panels have data, and which stay empty, as docs/backfill.md lists them."""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.query import VALUES
from exporter.rules.generate import groups
from exporter.rules.rule import as_yaml
from tests.backfill.blocks import import_files, import_rules, querying
from tests.backfill.past import HOUR_S
from tests.backfill.written import Past, write
from tests.dashboards.panels import FILES, dashboard, with_variables
from tests.victoria.server import Server

pytestmark = [pytest.mark.usefixtures("programs"), pytest.mark.slow]

DOCS = Path(__file__).parents[2] / "docs" / "backfill.md"
PASSES = 3
"""Rules read what other rules have recorded: so often must they be imported, as the document says."""
RECORDED_HOURS = 12
SHOWN = "6h"
"""The time range of the dashboards."""
WINDOW = "30m"
"""What `$__rate_interval` becomes when a graph shows some days."""
_TITLE = re.compile(r"\*([^*]+)\*")
LONG_BEFORE_S = 365 * 24 * HOUR_S
"""There are no samples at all: some panels show a zero even then."""


def record(past: Past, passes: int) -> None:
    """Write what rules would have recorded in the last hours of the past into its database."""
    recordings = as_yaml(groups(VALUES, alerts=False), VALUES)["groups"]
    for _ in range(passes):
        with querying(past.home) as server:
            import_rules(server, recordings, (past.ends_s - RECORDED_HOURS * HOUR_S, past.ends_s), past.home)


def has_data(server: Server, panel: Mapping[str, Any], at_s: int) -> bool:
    """Return whether a query of a panel has a result that it wouldn't have without any samples."""
    exprs = (with_variables(target["expr"], SHOWN).replace("[15s]", f"[{WINDOW}]") for target in panel["targets"])
    return any(server.query(expr, at_s) and not server.query(expr, at_s - LONG_BEFORE_S) for expr in exprs)


def rows(uid: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each panel with its name and that of its dashboard."""
    board = uid.removeprefix("lnd-payments-")
    for panel in dashboard(uid)["panels"]:
        if panel["type"] != "row":
            yield f"{board}: {panel['title']}", panel


def empty(past: Past, uids: Iterable[str]) -> set[str]:
    """Return the panels of dashboards that stay empty."""
    with querying(past.home) as server:
        at_s = past.ends_s - RECORDED_HOURS // 2 * HOUR_S
        return {name for uid in uids for name, panel in rows(uid) if not has_data(server, panel, at_s)}


def documented(*, keeps_attempts: bool = True) -> set[str]:
    """Return the panels that the document lists as empty."""
    section = DOCS.read_text().partition("## The dashboards over it")[2].partition("\n## ")[0]
    table, _, without_attempts = section.partition("lnd deletes failed HTLC attempts")
    found = set[str]()
    for board, titles in re.findall(r"^\| (\w+) \| ([^|]*) \|", table, re.MULTILINE):
        found |= {f"{board}: {title}" for title in _TITLE.findall(titles)}
    return found if keeps_attempts else found | {f"failures: {title}" for title in _TITLE.findall(without_attempts)}


def test_panels_that_stay_empty_are_documented(past: Past, tmp_path: Path) -> None:
    """All others have data, when everything is recorded as the document says."""
    shown = past._replace(home=tmp_path)
    shutil.copytree(past.home / "data", tmp_path / "data")
    record(shown, PASSES)
    assert empty(shown, FILES) == documented()


async def test_panels_without_attempts_are_documented(tmp_path: Path) -> None:
    """More stay empty when lnd deletes failed attempts, as it does unless it is told not to."""
    past = await write(tmp_path, keeps_attempts=False)
    import_files(past.home / "history", past.home / "data")
    record(past, 1)
    listed = {name for name in documented(keeps_attempts=False) if name.startswith("failures: ")}
    assert empty(past, ["lnd-payments-failures"]) == listed
