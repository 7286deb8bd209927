"""The dashboard of all nodes: one table, with a link to each node."""

from dashboards.board import Board
from dashboards.graphs import bars, number
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, ORANGE, RED, Query, Text
from dashboards.presence import AWAY, BLOCKS_LEFT, EXPORTER_AWAY, KNOWN, NODES, STATE, STATES
from dashboards.query import FAR, NEAR, NODE, OUTAGE, TARGET, WHO, each, increase, m, overall, rate, total
from dashboards.tables import Column, grid

_LINK = (
    "/d/lnd-payments-overview?${__url_time_range}&var-datasource=${datasource}"
    "&var-job=${__data.fields.Job}&var-instance=${__data.fields.Instance}&var-node=${__data.fields.Node}"
)
_RATE = ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN))


def fleet() -> Board:
    """Return the dashboard of all nodes."""
    here = Grid()
    _first_row(here)
    _nodes(here)
    here.add(
        bars(
            Text("Payments per minute, by node", "What began. Good: as on other days.", "short"),
            [Query(f"60 * {total(rate('started_total'), *NODE)}", WHO)],
        ),
        24,
    )
    return Board("fleet", "Lightning payments: all nodes", "Every node at a glance; a click leads to one.", here)


def _first_row(here: Grid) -> None:
    here.add(
        number(
            Text("Nodes", "Nodes that were followed within the time shown.", "short"),
            NODES,
            ((None, BLUE),),
        ),
        6,
        4,
    )
    here.add(
        number(
            Text(
                "Nodes away",
                "Nodes that don't answer, don't let the exporter in, or whose exporter is away. Good: 0.",
                "short",
            ),
            AWAY,
            ((None, GREEN), (1, RED)),
        ),
        6,
        4,
    )
    here.add(
        number(
            Text("Payments per minute", "Over all nodes, of every kind, within the last 10 minutes.", "short"),
            f"6 * {total(increase('started_total', window='10m'))} / 60",
            ((None, BLUE),),
            decimals=1,
        ),
        6,
        4,
    )
    here.add(
        number(
            Text(
                "Success rate",
                f"Of each try, over all nodes, within the time shown. Good: above {TARGET:.0%}.",
                "percentunit",
            ),
            overall("$__range"),
            _RATE,
            decimals=1,
            empty="no payments",
        ),
        6,
        4,
    )


def _columns() -> tuple[str, ...]:
    return (
        overall("$__range", *NODE),
        total(increase("started_total"), *NODE),
        total(m("in_flight"), *NODE),
        f"{total(m('held_htlcs'), *NODE)} or 0 * {each(m('node_up'))}",
        BLOCKS_LEFT,
        f"1000 * {each(m('last_update_timestamp_seconds'))}",
    )


def _nodes(here: Grid) -> None:
    here.add(
        grid(
            Text(
                "Nodes, a click leads to the payments of one",
                "Success rate (of each try) and payments within the time shown; in flight and held as of lnd's last "
                "answer; blocks left go on when nobody looks. A node taken away stays until it is out of the time "
                "shown. Good: ready, no red. Quiet is not dead: a node may have no payments for days.",
                "short",
            ),
            [
                Query(STATE),
                *(Query(f"{expr} or NaN * {each(KNOWN)}") for expr in _columns()),  # or a node without values is gone
            ],
            [
                Column("node", "Node", "string", link=_LINK),
                Column("Value #A", "State", words=STATES, empty=EXPORTER_AWAY),
                Column("Value #B", "Success rate", "percentunit", _RATE, 1, empty="no payments"),
                Column("Value #C", "Payments", "locale", decimals=0, empty="-"),
                Column("Value #D", "In flight", "short", decimals=0, empty="-"),
                Column("Value #E", "Held HTLCs", "short", ((None, GREEN), (1, ORANGE)), 0, empty="-"),
                Column("Value #F", "Blocks left", "short", ((None, RED), (NEAR, ORANGE), (FAR, GREEN)), 0, empty="-"),
                Column("Value #G", "Last update", "dateTimeFromNow", empty="-"),
                Column("instance", "Instance", "string"),
                Column("job", "Job", "string"),
            ],
            NODE,
            sort="State",
        ),
        24,
        12,
    )
