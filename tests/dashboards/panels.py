"""Helpers to read the committed dashboards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dashboards.board import TAG
from dashboards.boards import BOARDS

HERE = Path(__file__).parents[2] / "dashboards"
FILES = {f"{TAG}-{make().uid}": HERE / f"{TAG}-{make().uid}.json" for make in BOARDS}
"""The JSON file of each dashboard, by uid."""
_INSIDE = {
    "$__rate_interval": "15s",
    "$__interval": "15s",
    "$job": ".+",
    "$node": ".+",
    "$instance": ".+",
}


class PanelQuery(NamedTuple):
    """A query of a dashboard."""

    where: str
    """Dashboard and panel."""
    expr: str
    """The expression, with values for Grafana's variables."""


def dashboard(uid: str) -> dict[str, Any]:
    """Return the JSON of a dashboard."""
    made: dict[str, Any] = json.loads(FILES[uid].read_text())
    return made


def panels(uid: str) -> list[dict[str, Any]]:
    """Return all panels of a dashboard, without the rows."""
    return [panel for panel in dashboard(uid)["panels"] if panel["type"] != "row"]


def queries() -> Iterator[PanelQuery]:
    """Yield every query of every dashboard."""
    for uid in FILES:
        for panel in panels(uid):
            for target in panel["targets"]:
                yield PanelQuery(f"{uid}: {panel['title']} {target['refId']}", with_variables(target["expr"]))


def panel(uid: str, title: str) -> dict[str, Any]:
    """Return the panel with this title."""
    (found,) = [panel for panel in panels(uid) if panel["title"] == title]
    return found


def panel_query(uid: str, title: str, letter: str = "A", span: str = "1m") -> str:
    """Return a query of a panel, in brackets."""
    (expr,) = [target["expr"] for target in panel(uid, title)["targets"] if target["refId"] == letter]
    return f"({with_variables(expr, span)})"


def with_variables(expr: str, span: str = "1m") -> str:
    """Return an expression with values for Grafana's variables."""
    expr = expr.replace("${purpose:pipe}", ".+")
    for name, value in {**_INSIDE, "$__range": span}.items():
        expr = re.sub(re.escape(name) + r"\b", value, expr)
    return expr
