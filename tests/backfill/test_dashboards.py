"""The dashboards over a past: which panels have data, and which stay empty, as docs/backfill.md lists them."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.query import VALUES
from exporter.rules.generate import groups
from exporter.rules.rule import as_yaml
from tests.backfill.blocks import import_files, import_rules, querying
from tests.backfill.test_prometheus import HOUR_S, Past, write
from tests.dashboards.panels import FILES, dashboard, with_variables
from tests.victoria.server import Server

pytestmark = pytest.mark.usefixtures("programs")

DOCS = Path(__file__).parents[2] / "docs" / "backfill.md"
PASSES = 3
"""Rules read what other rules have recorded: so often must they be imported, as the document says."""
RECORDED_HOURS = 12
SHOWN = "6h"
"""The time range of the dashboards."""
WINDOW = "30m"
"""What `$__rate_interval` becomes when a graph shows some days."""
LONG_BEFORE_S = 365 * 24 * HOUR_S
"""There are no samples at all: some panels show a zero even then."""


def recordings() -> list[Mapping[str, Any]]:
    """Return the rule groups without alerts."""
    every = as_yaml(groups(VALUES), VALUES)["groups"]
    kept = [group | {"rules": [rule for rule in group["rules"] if "record" in rule]} for group in every]
    return [group for group in kept if group["rules"]]


@pytest.fixture(scope="module")
def past(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A past with recorded series in the database of a Prometheus that isn't running."""
    written = asyncio.run(write(tmp_path_factory.mktemp("shown")))
    import_files(written.home / "history", written.home / "data")
    span_s = (written.ends_s - RECORDED_HOURS * HOUR_S, written.ends_s)
    for _ in range(PASSES):
        with querying(written.home) as running:
            import_rules(running, recordings(), span_s, written.home)
    return written


@pytest.fixture(scope="module")
def server(past: Past) -> Iterator[Server]:
    """A Prometheus over that past."""
    with querying(past.home) as running:
        yield running


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


def documented() -> set[str]:
    """Return the panels that the document lists as empty."""
    section = DOCS.read_text().partition("## The dashboards over it")[2].partition("\n## ")[0]
    found = set[str]()
    for board, titles in re.findall(r"^\| \[?(\w+)\]?[^|]*\| ([^|]*) \|", section, re.MULTILINE):
        found |= {f"{board}: {title}" for title in re.findall(r"\*([^*]+)\*", titles)}
    return found


def test_panels_that_stay_empty_are_documented(past: Past, server: Server) -> None:
    """All others have data."""
    at_s = past.ends_s - 6 * HOUR_S
    empty = {name for uid in FILES for name, panel in rows(uid) if not has_data(server, panel, at_s)}
    assert empty == documented()
