"""Which nodes there are, in which state, and how long their held HTLCs have: also of those that nobody hears of."""

from dashboards.panel import GREEN, GREY, ORANGE, RED, YELLOW
from dashboards.query import LAST_PAGE, NODE, OURS, each, m, total
from deploy.prometheus.recording import older
from deploy.prometheus.rule import NODES_OF_A_JOB, PER_NODE, exactly
from exporter.payments.labels import NodeState
from exporter.payments.node import BLOCK_S

_COLORS: dict[NodeState, str] = {
    NodeState.READY: GREEN,
    NodeState.STARTING: YELLOW,
    NodeState.LOCKED: "purple",
    NodeState.NO_WALLET: "dark-purple",
    NodeState.DENIED: ORANGE,
    NodeState.WRONG_NODE: "dark-red",
    NodeState.UNREACHABLE: RED,
}
EXPORTER_AWAY = "exporter away"
STATES = {str(place): (state.value, color) for place, (state, color) in enumerate(_COLORS.items(), 1)}
STATES |= {str(len(STATES) + 1): (EXPORTER_AWAY, GREY)}
"""The words for each value of STATE, and their colours; the worse the higher."""

UP = m("node_up")
READY = f"and {PER_NODE} {UP} == 1"
"""The end of an expression that only holds while the node answers: its last answers stay on the page."""
KNOWN = f"last_over_time({UP}[$__range])"
"""All nodes that were heard of within the time shown."""
NODES = f"count({KNOWN}) or vector(0)"
AWAY = f"count({KNOWN} unless {UP} == 1) or vector(0)"
"""How many nodes don't answer, or have an exporter that doesn't."""


def _state() -> str:
    codes = " + ".join(
        f"{place} * {each(m('node_state', exactly('state', state)))}" for place, state in enumerate(_COLORS, 1)
    )
    return f"{codes} or {len(STATES)} + 0 * {each(KNOWN)}"


def _last(name: str) -> str:
    return f"last_over_time({m(name)}[{LAST_PAGE}])"


def _blocks_left() -> str:
    """As the recorded series that the alerts look at, without recording: of the last page, however long ago.

    Of a node that isn't followed something was held if its last numbers of held HTLCs are not 0.
    """
    expiry, header = "held_earliest_expiry_height", _last("node_best_header_timestamp_seconds")
    height = f"{_last('node_block_height')} + clamp_min(time() - {header}, 0) / {BLOCK_S}"
    gone = (
        f"{_last(expiry)} and {PER_NODE} {total(_last('held_htlcs'), *NODE)} > 0 "
        f"unless {NODES_OF_A_JOB} {m('stream_up')} == 1 unless {PER_NODE} {older(m)} "
        f"unless {PER_NODE} ({_last('node_up')} unless {NODES_OF_A_JOB} {UP} and on (job, instance) up{{{OURS}}} == 1)"
    )
    return each(f"({m(expiry)} or ({gone})) - ({height})")


STATE = _state()
"""For each node a number that stands for a word."""
BLOCKS_LEFT = _blocks_left()
"""For each node that holds HTLCs, until the first of them expires; estimated while nobody looks."""


def held(blocks_left: str) -> str:
    """How many HTLCs are held, with so many blocks left; 0 while the node doesn't answer, for nobody knows."""
    return total(f"{m('held_htlcs', exactly('blocks_left', blocks_left))} * {PER_NODE} {UP}")


def held_unseen() -> str:
    """How many HTLCs were held when nodes that don't answer, or their exporters, were last heard."""
    away = f"(({UP} or 0 * last_over_time({UP}[{LAST_PAGE}])) == bool 0)"
    return total(f"{total(_last('held_htlcs'), *NODE)} * {PER_NODE} {away}")
