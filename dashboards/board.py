"""A whole dashboard: its variables, its links to the others, firing alerts as annotations, and its panels."""

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.layout import Grid
from dashboards.panel import SOURCE
from dashboards.presence import KNOWN
from dashboards.query import ANYWHERE, of_exporters
from deploy.prometheus.rule import PER_NODE, PREFIX, at_exporter

TAG = "lnd-payments"


class Board(NamedTuple):
    """A dashboard: its name, its variables and its panels."""

    uid: str
    """The end of its uid, after `lnd-payments-`; alerts link to it."""
    title: str
    description: str
    grid: Grid
    span: str = "now-6h"
    """Beginning of the default time range."""
    more: Sequence[dashboard.CustomVariable] = ()
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
        .refresh("30s")
        .version(1)
        .variables([*_variables(), *board.more])
        .link(_link())
        .annotation(_alerts())
        .build()
    )
    for link in made.links or []:
        link.placement = None  # type: ignore[assignment]  # the SDK's default hides it
    for annotation in made.annotations.list_val or []:
        annotation.placement = None  # type: ignore[assignment]
    made.panels = [panel.build() for panel in board.grid.placed]
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(made) + "\n"


def _variables() -> list[dashboard.DatasourceVariable | dashboard.QueryVariable]:
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


def _alerts() -> dashboard.AnnotationQuery:
    """Return the annotation that marks where an alert begins to fire; marking all of its time would cover the graph."""

    def firing(which: str, when: str = "") -> str:
        return f'ALERTS{{alertstate="firing",alertname=~"{PREFIX}.+",alertname!="{PREFIX}Watchdog",{which}}}{when}'

    def begins(which: str) -> str:
        return f"({firing(which)} unless {firing(which, ' offset $__interval')})"

    # ExporterDown has the address of the exporter as `instance`, even where each node has a target of its own.
    of_nodes = f"{begins(ANYWHERE)} and {PER_NODE} ({KNOWN} or {at_exporter(KNOWN)})"
    of_exporter, of_none = of_exporters(begins('node="",instance!=""')), begins('node="",instance=""')
    expr = f"{of_nodes} or {of_exporter} or {of_none}"
    return (
        dashboard.AnnotationQuery()
        .name("Firing alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("red")
        .expr(expr)
        .step("60s")
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{node}}")
        .target(prometheus.Dataquery().expr(expr).ref_id("Anno").range())
    )
