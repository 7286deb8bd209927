"""All nodes in one table; a click leads to the node."""

from dashboards.board import Board
from dashboards.graphs import bars, number
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, ORANGE, RED, Query, Text
from dashboards.query import AWAY, OUTAGE, TARGET, m, overall, rate, success_rate, total
from dashboards.tables import Column, grid

_LINK = "/d/lnd-payments-overview?${__url_time_range}&var-datasource=${datasource}&var-node=${__value.text}"


def fleet() -> Board:
    """Every node."""
    here = Grid()
    here.add(
        number(
            Text("Nodes", "Nodes that are followed.", "short"),
            f"count({m('node_up')}) or vector(0)",
            ((None, BLUE),),
        ),
        6,
        4,
    )
    here.add(
        number(
            Text("Nodes away", "Nodes that don't answer, or don't let the exporter in. Good: 0.", "short"),
            AWAY,
            ((None, GREEN), (1, RED)),
        ),
        6,
        4,
    )
    here.add(
        number(
            Text("Payments per minute", "Over all nodes, of every kind, within the last 10 minutes.", "short"),
            f"6 * sum(increase({m('started_total')}[10m])) / 60",
            ((None, BLUE),),
            decimals=1,
        ),
        6,
        4,
    )
    here.add(
        number(
            Text("Success rate", "Over all nodes, within the time shown. Good: above 95 %.", "percentunit"),
            overall("$__range"),
            ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN)),
            decimals=1,
            empty="no payments",
        ),
        6,
        4,
    )
    here.add(
        grid(
            Text(
                "Nodes, a click leads to the payments of one",
                "Success rate and payments within the time shown; the rest is as of now. Good: up, no red, few in "
                "flight. Quiet is not dead: a node may have no payments for days.",
                "short",
            ),
            [
                Query(f"max by (node) ({m('node_up')})"),
                Query(success_rate("$__range", "node")),
                Query(f"sum by (node) (increase({m('started_total')}[$__range]))"),
                Query(total(m("in_flight"), "node")),
                Query(f"{total(m('held_htlcs'), 'node')} or 0 * max by (node) ({m('node_up')})"),
                Query(f"1000 * max by (node) ({m('last_update_timestamp_seconds')})"),
            ],
            [
                Column("node", "Node", "string", link=_LINK),
                Column("Value #A", "Up", "bool_yes_no", ((None, RED), (1, GREEN))),
                Column("Value #B", "Success rate", "percentunit", ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN)), 1),
                Column("Value #C", "Payments", "locale", decimals=0),
                Column("Value #D", "In flight", "short", decimals=0),
                Column("Value #E", "Held HTLCs", "short", ((None, GREEN), (1, ORANGE)), 0),
                Column("Value #F", "Last update", "dateTimeFromNow"),
            ],
            "node",
            sort="Payments",
        ),
        24,
        12,
    )
    here.add(
        bars(
            Text("Payments per minute, by node", "What began. Good: as on other days.", "short"),
            [Query(f"60 * sum by (node) ({rate('started_total')})", "{{node}}")],
        ),
        24,
    )
    return Board("fleet", "Lightning payments: all nodes", "Every node at a glance; a click leads to one.", here)
