"""PromQL for nodes, their states and the blocks left of held HTLCs, including nodes that can't be reached."""

from dashboards.panel import GREEN, GREY, RED, YELLOW
from dashboards.query import each, m, total
from exporter.payments.labels import NodeState
from exporter.payments.node import BLOCK_S, STALE_BLOCK_S
from exporter.rules import away
from exporter.rules.boards import HELD
from exporter.rules.last_page import SEEN
from exporter.rules.rule import PER_NODE, exactly

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
ALL_AWAY = f"1 + 0 * (count({KNOWN} unless {UP} == 1) == count({KNOWN}))"
"""1 if none of the nodes answers, else nothing."""


def _state() -> str:
    codes = " + ".join(
        f"{place} * {each(m('node_state', exactly('state', state)))}" for place, state in enumerate(_COLORS, 1)
    )
    return f"{codes} or {len(STATES)} + 0 * {each(KNOWN)}"


def _blocks_left() -> str:
    """Return the series of the alerts; without the rules, those of nodes that are followed."""
    age = f"time() - {m('node_best_header_timestamp_seconds')}"
    unseen = f"floor(({age} > {STALE_BLOCK_S} or 0 * {m('node_block_height')}) / {BLOCK_S})"
    height = f"({m('node_block_height')} + {PER_NODE} {unseen})"
    return each(f"{m(away.BLOCKS_LEFT)} or ({m('held_earliest_expiry_height')} - {PER_NODE} {height})")


STATE = _state()
"""State of each node as a number; see the texts above."""
BLOCKS_LEFT = _blocks_left()
"""Blocks until the first held HTLC of each node expires; estimated while the node isn't followed."""


def held(blocks_left: str) -> str:
    """Count the held HTLCs with these blocks left; 0 while the node doesn't answer, because the number isn't known."""
    return total(f"{m('held_htlcs', exactly('blocks_left', blocks_left))} * {PER_NODE} {UP}")


def held_unseen() -> str:
    """Count the HTLCs that were held on the last page of nodes that don't answer, or whose exporter doesn't."""
    not_up = f"(({UP} or 0 * {m(SEEN)}) == bool 0 unless {PER_NODE} {m(away.LISTED)} == 0)"
    return total(f"{m(HELD)} * {PER_NODE} {not_up}")
