"""The fourth dashboard: can the numbers be trusted? The node, its updates, and the exporter itself."""

from dashboards.board import Board
from dashboards.exporter import exporter, updates
from dashboards.graphs import areas, lines, states
from dashboards.layout import Grid
from dashboards.logs import LOKI, STREAM, warnings_logged
from dashboards.panel import BLACK, BLUE, GREEN, GREY, ORANGE, RED, SATS, Query, Text
from dashboards.presence import KNOWN, READY, STATE, STATES
from dashboards.query import HEADER_S, NODE, SAT, WHO, each, m, total
from dashboards.tables import Column, grid

_HEARD = {"0": ("no", RED), "1": ("not known", GREY), "2": ("yes", GREEN)}
"""Text and colour of each value; what is worse has a lower number."""
_AWAY = "the node is away"


def node() -> Board:
    """Return the dashboard 'Exporter and node'."""
    here = Grid()
    _node(here)
    updates(here)
    exporter(here)
    warnings_logged(here)
    return Board(
        "node",
        "Lightning payments: exporter and node",
        "Is the node well, does the exporter hear everything, and can its numbers be relied upon?",
        here,
        more=[LOKI, STREAM],
    )


def _node(here: Grid) -> None:
    here.row("The node")
    here.add(
        states(
            Text(
                "State of the node",
                "Good: ready. locked: lnd waits for its password. denied: the macaroon. unreachable: lnd or the "
                "network. exporter away: Prometheus gets no page of it, or it was taken away.",
                "none",
            ),
            [Query(STATE, WHO)],
            STATES,
        ),
        12,
        6,
    )
    here.add(
        states(
            Text(
                "Stream of updates, chain, graph",
                "Whether updates are flowing (or would flow), whether lnd follows the chain, and whether it knows the "
                "public channels well enough to find routes: of several nodes the worst. Good: all yes. not known: the "
                "node or its exporter is away.",
                "none",
            ),
            [
                Query(_worst(each(m("stream_up"))), "updates flow"),
                Query(_worst(f"{each(m('node_synced_to_chain'))} {READY}"), "chain followed"),
                Query(_worst(f"{each(m('node_synced_to_graph'))} {READY}"), "graph known"),
            ],
            _HEARD,
        ),
        12,
        6,
    )
    _chain(here)
    _versions(here)


def _worst(expr: str) -> str:
    """Return the worst value of all nodes, of an expression that is 0 or 1 for each where it is known."""
    return f"min(2 * ({expr}) or 1 + 0 * {each(KNOWN)})"


def _chain(here: Grid) -> None:
    """Add the panels on the chain, without nodes that can't be reached: their last answers look healthy."""
    here.add(
        lines(
            Text(
                "Age of the newest block",
                f"Good: below an hour, mostly; an alert tells it after {HEADER_S / 3600:g} h, the dashed line. Not "
                "shown while the node is away.",
                "s",
            ),
            [Query(f"time() - {each(m('node_best_header_timestamp_seconds'))} {READY}", WHO)],
            ((None, "transparent"), (HEADER_S, ORANGE)),
            empty=_AWAY,
        ),
        8,
    )
    here.add(
        areas(
            Text(
                "Channels",
                "Open and usable, open with the peer away, being opened or closed. Good: mostly active. Not "
                "shown while the node is away.",
                "short",
            ),
            [Query(total(f"{m('node_channels')} {READY}", "state"), "{{state}}")],
            colors={"active": GREEN, "inactive": ORANGE, "pending": BLUE},
            empty=_AWAY,
        ),
        8,
    )
    here.add(
        lines(
            Text(
                "Spendable, sat",
                "Local balance of the active channels less their reserves. A fall that nobody meant is an outflow. "
                "Not shown while the node is away, or where the macaroon doesn't allow ListChannels.",
                SATS,
            ),
            [Query(f"{each(m('node_spendable_msat'))} / {SAT} {READY}", WHO)],
            empty="the node is away, or the macaroon doesn't allow ListChannels",
        ),
        8,
    )


def _versions(here: Grid) -> None:
    """Add the table of what the nodes are: their versions, their keys to be copied."""
    mode = total(f"{m('mode')} == 1", *NODE, "mode")
    here.add(
        grid(
            Text(
                "Versions and keys",
                "As lnd last said. Mode: firehose follows all payments in one stream, track each by itself, final "
                "hears only how they end. Catching up: the exporter reads what it missed; good: no.",
                "none",
            ),
            [
                Query(total(m("node_info"), *NODE, "alias", "version", "network", "pubkey")),
                Query(mode),
                Query(each(m("catching_up"))),
                Query(f"1000 * {each(m('last_update_timestamp_seconds'))}"),
            ],
            [
                Column("node", "Node", "string", width=150),
                Column("alias", "Alias", "string"),
                Column("version", "lnd", "string", width=260),
                Column("network", "Network", "string", width=100),
                Column("mode", "Mode", "string", width=100),
                Column("Value #C", "Catching up", width=110, words={"0": ("no", BLACK), "1": ("yes", ORANGE)}),
                Column("Value #D", "Last update", "dateTimeFromNow", width=150, empty="-"),
                Column("instance", "Exporter", "string", width=180),
                Column("pubkey", "Key", "string", copied=True),
            ],
            NODE,
            empty="the exporter is away, or lnd has never answered it",
        ),
        24,
        5,
    )
