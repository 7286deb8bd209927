"""The dashboard of all nodes: one table, whoever needs somebody first, with a link to each node."""

from dashboards.board import Board
from dashboards.graphs import Value, bars, several
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, SATS, YELLOW, Query, Text
from dashboards.presence import ALL_AWAY, AWAY, BLOCKS_LEFT, EXPORTER_AWAY, KNOWN, NODES, READY, STATE, STATES
from dashboards.query import (
    BURNS,
    FAR,
    JOBS,
    NEAR,
    NO_RULES,
    NODE,
    SAT,
    WHO,
    burn,
    each,
    enough,
    increase,
    m,
    overall,
    rate,
    runway,
    total,
)
from dashboards.tables import Column, grid
from exporter.payments.labels import ChannelState
from exporter.rules.rule import PER_NODE, PREFIX, exactly
from exporter.rules.thresholds import Severity

_LINK = (
    "/d/lnd-payments-overview?${__url_time_range}&var-datasource=${datasource}"
    "&var-job=${__data.fields.Job}&var-instance=${__data.fields.Instance}&var-node=${__data.fields.Node}"
)
_SEVERITIES = {
    "3": (Severity.CRITICAL.value, RED),
    "2": (Severity.WARNING.value, ORANGE),
    "1": (Severity.INFO.value, BLUE),
    "0": ("-", GREY),
}
"""Text and colour of each urgency; what is worse has a higher number."""
_BURN = ((None, GREEN), (BURNS["budget"], YELLOW), (BURNS["slow"], ORANGE), (BURNS["fast"], RED))
_INACTIVE = ((None, GREEN), (1, ORANGE))
_LEFT = ((None, RED), (NEAR, ORANGE), (FAR, GREEN))
_OF_NODE, _OF_EXPORTER = 'node!=""', 'node=""'
_WATCHDOG = f"{PREFIX}Watchdog"
_SHOWN = 10
"""Nodes of which the graph shows a colour each."""
_OTHERS = "all others"


def fleet() -> Board:
    """Return the dashboard of all nodes."""
    here = Grid()
    _first_row(here)
    _nodes(here)
    _alerts(here)
    _busiest(here)
    return Board(
        "fleet",
        "Lightning payments: all nodes",
        "Who needs somebody? The most urgent first.",
        here,
    )


def _firing(*matchers: str) -> str:
    """Return the firing alerts of any node or exporter, without the watchdog, which always fires."""
    which = (JOBS, 'alertstate="firing"', f'alertname=~"{PREFIX}.+"', f'alertname!="{_WATCHDOG}"', *matchers)
    return f"ALERTS{{{','.join(which)}}}"


def _at(expr: str) -> str:
    """Return the series with a label `at`: the address of their exporter, which needn't be their `instance`."""
    return f'label_replace(label_replace({expr}, "at", "$1", "instance", "(.+)"), "at", "$1", "exporter", "(.+)")'


def _ranks(*matchers: str) -> str:
    """Return how urgent each firing alert is."""
    return " or ".join(
        f"{rank} * {_firing(exactly('severity', severity), *matchers)}"
        for rank, (severity, _) in _SEVERITIES.items()
        if rank != "0"
    )


def _named(alerts: str) -> str:
    """Return alerts with a label `alert`: the name without its prefix."""
    return f'label_replace({alerts}, "alert", "$1", "alertname", "{PREFIX}(.+)")'


def _worst_alert() -> str:
    """Return how urgent the most urgent alert of each node is, with the alert's name; 0 without any.

    An alert on an exporter, without `node`, is one of each of its nodes.
    """

    def ranked(which: str, *by: str) -> str:
        """Return the most urgent of some alerts, by these labels."""
        named = _named(_at(_ranks(which)))
        return f"topk by ({', '.join(by)}) (1, max by ({', '.join(by)}, alert) ({named}))"

    nodes = f"0 * max by (job, instance, node, at) ({_at(KNOWN)})"
    of_node = f"{nodes} + on (job, at, node) group_left (alert) {ranked(_OF_NODE, 'job', 'at', 'node')}"
    of_exporter = f"{nodes} + on (job, at) group_left (alert) {ranked(_OF_EXPORTER, 'job', 'at')}"
    worst = f"topk by ({', '.join(NODE)}) (1, {of_node} or {of_exporter})"
    return _filled("alert", f"max by ({', '.join(NODE)}, alert) ({worst}) or {PER_NODE} 0 * {each(KNOWN)}")


def _filled(label: str, expr: str) -> str:
    """Return the expression with a dash where a label is missing: Grafana would show an empty cell."""
    return f'label_replace({expr}, "{label}", "-", "{label}", "")'


def _first_row(here: Grid) -> None:
    here.add(
        several(
            Text(
                "Nodes, and what they pay",
                "Nodes that were followed within the time shown; away: those that don't answer, don't let the exporter "
                "in, or whose exporter is away. Good: 0. Payments of every kind within 10 minutes; success of each try "
                "within an hour, over all nodes: the column Burn tells whose is too low.",
                "short",
            ),
            [
                Value(Query(NODES, "nodes"), "short"),
                Value(Query(AWAY, "away"), "short", ((None, GREEN), (1, RED))),
                Value(
                    Query(f"{total(increase('started_total', window='10m'))} / 10", "payments a minute"),
                    "short",
                    decimals=1,
                ),
                Value(
                    Query(f"{overall('1h')} or 1 + {ALL_AWAY}", "success, 1 h"),
                    "percentunit",
                    decimals=1,
                    mapped={"2": ("all are away", RED)},
                ),
            ],
        ),
        15,
        5,
    )
    loaded = f"0 * count(ALERTS{{{exactly('alertname', _WATCHDOG)}}})"
    here.add(
        several(
            Text(
                "Alerts firing now",
                "Of all nodes and exporters of the job; the table at the end lists them. Good: 0.",
                "short",
            ),
            [
                Value(
                    Query(f"count({_firing(exactly('severity', severity))}) or {loaded}", severity.value),
                    "short",
                    ((None, GREEN), (1, color)),
                )
                for severity, color in ((Severity.CRITICAL, RED), (Severity.WARNING, ORANGE))
            ],
            empty="the rules are not loaded",
        ),
        9,
        5,
    )


def _or_none(expr: str) -> str:
    """Return the expression with no number for nodes without a result: otherwise these would have no row."""
    return f"{expr} or {PER_NODE} NaN * {each(KNOWN)}"


def _version() -> str:
    """Return the version of each node that answers, as a label."""
    first_word = f'label_replace({m("node_info")}, "version", "$1", "version", "([^ ]+).*")'
    return _filled("version", _or_none(f"max by ({', '.join(NODE)}, version) ({first_word}) {READY}"))


def _columns() -> tuple[str, ...]:
    """Return the numbers of each node; of a node that is away only those that go on."""
    judged = f"{burn('1h')} and {enough('1h')}"
    inactive = total(m("node_channels", exactly("state", ChannelState.INACTIVE)), *NODE)
    return (
        f"{each(judged)} {READY}",
        f"{overall('1h', *NODE)} {READY}",
        f"{total(increase('started_total', window='1h'), *NODE)} {READY}",
        f"round({each(m('node_spendable_msat'))} / {SAT}) {READY}",
        runway(),
        f"{inactive} {READY}",
        BLOCKS_LEFT,
    )


def _nodes(here: Grid) -> None:
    here.add(
        grid(
            Text(
                "Nodes, the most urgent first; a click leads to the payments of one",
                "Sorted by the most urgent alert that fires, the state, and the burn of the budget. Burn, success and "
                "payments: of the last hour; inactive: channels; lasts: at the present trend; -: not known, or too "
                "few payments. A node taken away stays until it is out of the time shown. Quiet is not dead.",
                "short",
            ),
            [
                Query(STATE),
                *(Query(_or_none(expr)) for expr in _columns()),
                Query(_version()),
                Query(_worst_alert()),
            ],
            [
                Column("node", "Node", "string", link=_LINK),
                Column("Value #J", "Severity", words=_SEVERITIES, width=85),
                Column("alert", "Alert", "string", width=150),
                Column("Value #A", "State", words=STATES, empty=EXPORTER_AWAY, width=115),
                Column("Value #B", "Burn", "suffix: x", _BURN, 1, empty="-", width=75),
                Column("Value #C", "Success", "percentunit", decimals=1, empty="-", width=85),
                Column("Value #D", "Payments", "locale", decimals=0, empty="-", width=95),
                Column("Value #E", "Spendable", SATS, empty="-", width=110),
                Column("Value #F", "Lasts", "s", decimals=1, empty="-", width=100),
                Column("Value #G", "Inactive", "short", _INACTIVE, 0, empty="-", width=90),
                Column("Value #H", "Blocks left", "short", _LEFT, 0, empty="-", width=100),
                Column("version", "Version", "string", width=120),
                Column("instance", "Instance", "string"),
                Column("job", "Job", "string"),
            ],
            NODE,
            sort=("Severity", "State", "Burn"),
        ),
        24,
        11,
    )


def _alerts(here: Grid) -> None:
    """Add the table of alerts: the one of nodes has only the most urgent of each."""
    here.add(
        grid(
            Text(
                "Alerts firing",
                "Of all nodes and exporters of the job, the most urgent first. An alert without a node is one of an "
                "exporter, or of several nodes.",
                "short",
            ),
            [Query(_filled("node", _filled("instance", f"max by (job, instance, node, alert) ({_named(_ranks())})")))],
            [
                Column("Value", "Severity", words=_SEVERITIES, width=100),
                Column("alert", "Alert", "string"),
                Column("node", "Node", "string"),
                Column("instance", "Instance", "string"),
            ],
            ("job", "instance", "node", "alert"),
            sort="Severity",
            empty=f"no alert fires, {NO_RULES}",
        ),
        12,
        10,
    )


def _busiest(here: Grid) -> None:
    """Add the graph of the busiest nodes; more colours can't be told apart."""
    minutely = f"60 * {total(rate('started_total'), *NODE)}"
    began = total(f"increase({m('started_total')}[$__range] @ end())", *NODE)
    most = f"topk({_SHOWN}, {began})"
    here.add(
        bars(
            Text(
                "Payments per minute, the busiest nodes",
                f"What began, of {_SHOWN} nodes and of all others. Good: as on other days.",
                "short",
            ),
            [
                Query(f"{minutely} and {PER_NODE} {most}", WHO),
                Query(f"sum({minutely} unless {PER_NODE} {most})", _OTHERS),
            ],
            colors={_OTHERS: GREY},
        ),
        12,
        10,
    )
