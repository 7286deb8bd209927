"""PromQL for nodes, their states and the blocks left of held HTLCs, including nodes that can't be reached."""

from dashboards.panel import GREEN, GREY, RED, YELLOW
from dashboards.query import JOBS, LAST_PAGE, NODE, each, m, total
from deploy.prometheus.last_page import moved
from deploy.prometheus.recording import removed
from deploy.prometheus.rule import NODES_OF_A_JOB, PER_NODE, exactly
from exporter.payments.labels import NodeState
from exporter.payments.node import BLOCK_S

_COLORS: dict[NodeState, str] = {
    NodeState.READY: GREEN,
    NodeState.STARTING: YELLOW,
    NodeState.LOCKED: "purple",
    NodeState.NO_WALLET: "dark-purple",
    NodeState.DENIED: "dark-orange",
    NodeState.WRONG_NODE: "dark-red",
    NodeState.UNREACHABLE: RED,
}
EXPORTER_AWAY = "exporter away"
STATES = {str(place): (state.value, color) for place, (state, color) in enumerate(_COLORS.items(), 1)}
STATES |= {str(len(STATES) + 1): (EXPORTER_AWAY, GREY)}
"""Text and colour of each value of STATE; higher values are worse."""

UP = m("node_up")
READY = f"and {PER_NODE} {UP} == 1"
"""The end of an expression: only while the node answers, because its last answers stay on the page."""
KNOWN = f"last_over_time({UP}[$__range])"
"""All nodes that were on a page within the time range."""
NODES = f"count({KNOWN}) or vector(0)"
AWAY = f"count({KNOWN} unless {UP} == 1) or vector(0)"
"""Number of nodes that don't answer, or whose exporter doesn't."""


def _state() -> str:
    codes = " + ".join(
        f"{place} * {each(m('node_state', exactly('state', state)))}" for place, state in enumerate(_COLORS, 1)
    )
    return f"{codes} or {len(STATES)} + 0 * {each(KNOWN)}"


def _last(name: str) -> str:
    return f"last_over_time({m(name)}[{LAST_PAGE}])"


def _blocks_left() -> str:
    """Return the expression of the recorded series that the alerts use, from the last page, however old.

    A node that isn't followed holds HTLCs if its last numbers of held HTLCs are not 0.
    """
    expiry, header = "held_earliest_expiry_height", _last("node_best_header_timestamp_seconds")
    without_page = f"{_last('node_up')} unless {NODES_OF_A_JOB} {UP}"
    height = f"{_last('node_block_height')} + clamp_min(time() - {header}, 0) / {BLOCK_S}"
    gone = (
        f"{_last(expiry)} and {PER_NODE} {total(_last('held_htlcs'), *NODE)} > 0 "
        f"unless {NODES_OF_A_JOB} {m('stream_up')} == 1 unless {PER_NODE} {moved(header)} "
        f"unless {PER_NODE} ({removed(without_page, JOBS)})"
    )
    return each(f"({m(expiry)} or ({gone})) - ({height})")


STATE = _state()
"""State of each node as a number; see the texts above."""
BLOCKS_LEFT = _blocks_left()
"""Blocks until the first held HTLC of each node expires; estimated while the node isn't followed."""


def held(blocks_left: str) -> str:
    """Count the held HTLCs with these blocks left; 0 while the node doesn't answer, because the number isn't known."""
    return total(f"{m('held_htlcs', exactly('blocks_left', blocks_left))} * {PER_NODE} {UP}")


def held_unseen() -> str:
    """Count the HTLCs that were held on the last page of nodes that don't answer, or whose exporter doesn't."""
    away = f"(({UP} or 0 * last_over_time({UP}[{LAST_PAGE}])) == bool 0)"
    return total(f"{total(_last('held_htlcs'), *NODE)} * {PER_NODE} {away}")
