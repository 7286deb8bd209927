"""Can the numbers be relied upon: the node, what the exporter hears of it, and the exporter itself."""

from dashboards.board import Board
from dashboards.exporter import exporter, heard
from dashboards.graphs import areas, lines, states
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import SAT, m, total
from deploy.prometheus.rule import exactly
from exporter.payments.labels import NodeState

_STATES: dict[NodeState, str] = {
    NodeState.READY: GREEN,
    NodeState.STARTING: YELLOW,
    NodeState.UNREACHABLE: RED,
    NodeState.LOCKED: "purple",
    NodeState.NO_WALLET: "dark-purple",
    NodeState.DENIED: ORANGE,
    NodeState.WRONG_NODE: "dark-red",
}


def node() -> Board:
    """Exporter and node."""
    here = Grid()
    _node(here)
    heard(here)
    exporter(here)
    return Board(
        "node",
        "Lightning payments: exporter and node",
        "Is the node well, does the exporter hear everything, and can its numbers be relied upon?",
        here,
    )


def _node(here: Grid) -> None:
    here.row("The node")
    numbered = " + ".join(
        f"{place} * max by (node) ({m('node_state', exactly('state', state))})"
        for place, state in enumerate(_STATES, 1)
    )
    here.add(
        states(
            Text(
                "State of the node",
                "Good: ready. locked: lnd waits for its password. denied: the macaroon. unreachable: lnd or the "
                "network.",
                "none",
            ),
            [Query(numbered, "{{node}}")],
            {str(place): (state.value, color) for place, (state, color) in enumerate(_STATES.items(), 1)},
        ),
        12,
        6,
    )
    here.add(
        states(
            Text(
                "Stream of updates, chain",
                "Whether updates are flowing (or would flow), and whether lnd follows the chain. Good: both yes.",
                "none",
            ),
            [
                Query(f"max by (node) ({m('stream_up')})", "{{node}}: updates flow"),
                Query(f"max by (node) ({m('node_synced_to_chain')})", "{{node}}: chain followed"),
            ],
            {"1": ("yes", GREEN), "0": ("no", RED)},
        ),
        12,
        6,
    )
    header = f"time() - max by (node) ({m('node_best_header_timestamp_seconds')})"
    here.add(
        lines(
            Text(
                "Age of the newest block",
                "Good: below an hour, mostly; an alert tells it after two, the dashed line.",
                "s",
            ),
            [Query(header, "{{node}}")],
            ((None, "transparent"), (7200, RED)),
        ),
        8,
    )
    here.add(
        areas(
            Text("Channels", "Open and usable, open with the peer away, being opened or closed.", "short"),
            [Query(total(m("node_channels"), "state"), "{{state}}")],
            colors={"active": GREEN, "inactive": ORANGE, "pending": BLUE},
        ),
        8,
    )
    here.add(
        lines(
            Text(
                "Spendable, sat",
                "Local balance of the active channels less their reserves. A fall that nobody meant is an outflow.",
                "locale",
            ),
            [Query(f"max by (node) ({m('node_spendable_msat')}) / {SAT}", "{{node}}")],
        ),
        8,
    )
