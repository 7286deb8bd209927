"""A whole dashboard: its variables, its links to the others, marks of alerts, and its panels."""

import json
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import grafana10
from dashboards.layout import Grid
from dashboards.marks import marks
from dashboards.panel import SOURCE

TAG = "lnd-payments"
Variable: TypeAlias = (
    dashboard.CustomVariable | dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.TextBoxVariable
)


class Board(NamedTuple):
    """A dashboard: its name, its variables and its panels."""

    uid: str
    """The end of its uid, after `lnd-payments-`; alerts link to it."""
    title: str
    description: str
    grid: Grid
    span: str = "now-6h"
    """Beginning of the default time range."""
    more: Sequence[Variable] = ()
    """Variables of this dashboard only."""


def written(board: Board) -> str:
    """Return the JSON that Grafana imports."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"{TAG}-{board.uid}")
        .description(board.description)
        .tags([TAG, "lightning", "lnd"])
        .editable()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(board.span, "now")
        .timezone("browser")
        .refresh("1m")
        .version(1)
        .variables([*_variables(), *board.more])
        .link(_link())
        .annotations(marks())
        .build()
    )
    for link in made.links or []:
        link.placement = None  # type: ignore[assignment]  # the SDK's default hides it
    for annotation in made.annotations.list_val or []:
        annotation.placement = None  # type: ignore[assignment]
    made.panels = [panel.build() for panel in board.grid.placed]
    readable = grafana10.readable(json.loads(JSONEncoder().encode(made)))
    return json.dumps(readable, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _variables() -> list[Variable]:
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("job", "Job", "lnd_payments_exporter_build_info"),
        _labels("node", "Node", 'lnd_payments_node_up{job=~"$job"}'),
        _labels("instance", "Instance", 'lnd_payments_node_up{job=~"$job",node=~"$node"}'),
    ]


def _labels(name: str, label: str, metric: str) -> dashboard.QueryVariable:
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    query = f"label_values({metric}, {name})"
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": name})
        .definition(query)
        .datasource(SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(everything)
    )


def _link() -> dashboard.DashboardLink:
    """Return the link to all other dashboards, with the same variables and time range."""
    return (
        dashboard.DashboardLink("lnd payments")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
