"""Recorded series of nodes that are away, and of the HTLCs that were held when they were last seen."""

from exporter.payments.labels import NodeState
from exporter.payments.node import BLOCK_S, STALE_BLOCK_S
from exporter.rules.last_page import HEADER, HEIGHT, kept, moved, seen_within
from exporter.rules.rule import (
    NODES_OF_A_JOB,
    OF_EXPORTER,
    PAGE_A_NODE,
    PER_NODE,
    Recording,
    Selector,
    at_exporter,
    one_of,
)

DAY_S = 86_400
UNASKED = (NodeState.UNREACHABLE, NodeState.LOCKED, NodeState.DENIED, NodeState.WRONG_NODE)
"""States in which the exporter can't ask lnd, each with an alert that fires within minutes."""

GONE = "instance_node:lnd_payments_gone:bool"
"""1 for a node that was on a page and is on none: its exporter is away, or it was removed."""
LISTED = "instance_node:lnd_payments_listed:bool"
"""1 while a node is on a page or its page can't be got; 0 when the exporter that last had it is up without it."""
AWAY = "instance_node:lnd_payments_away:bool"
"""1 for a node whose page can't be got; in both layouts `instance` is the address of its exporter."""
DOWN = "instance_node:lnd_payments_down:bool"
"""1 for a node whose payments nobody watches: its page can't be got, or its exporter can't ask lnd."""
HELD_EXPIRY = "instance_node:lnd_payments_held_earliest_expiry_height:min"
"""Expiry height of the first held HTLC; 0 if none is held; absent while lnd can't be asked."""
LAST_HELD_EXPIRY = "instance_node:lnd_payments_held_earliest_expiry_height:last"
BLOCKS_LEFT = "instance_node:lnd_payments_held_blocks_left:min"


def recordings(s: Selector) -> list[Recording]:
    """Return the recordings, in the order in which each reads those before it."""
    return [
        Recording(GONE, _gone(s)),
        kept(s, LISTED, f"1 + 0 * {s('node_up')} or 0 * ({removed(s(GONE))})"),
        Recording(AWAY, _away(s)),
        Recording(DOWN, f"{s(AWAY)} or 1 + 0 * max by (job, instance, node) ({at_exporter(_unasked(s))})"),
        Recording(HELD_EXPIRY, f"{s('held_earliest_expiry_height')} or {PER_NODE} 0 * ({s('stream_up')} == 1)"),
        kept(s, LAST_HELD_EXPIRY, s(HELD_EXPIRY)),
        Recording(BLOCKS_LEFT, _blocks_left(s)),
    ]


def _gone(s: Selector) -> str:
    return f"{s(LISTED)} == 1 unless {NODES_OF_A_JOB} {s('node_up')} unless {PER_NODE} {moved(s(HEADER))}"


def removed(gone: str, *matchers: str) -> str:
    """Return those of the nodes that were removed: their exporter is up without them.

    If each node has a target, Prometheus doesn't discover the node's any more, while another one of the exporter is up.
    `matchers` select the targets.
    """
    up, others = (f"up{{{','.join((*matchers, *more))}}}" for more in ((), (PAGE_A_NODE,)))
    return f"""
    ({gone}) and on (job, instance) {up} == 1
    or ({gone}) unless on (job, instance) {up} and {OF_EXPORTER} {others} == 1
    """


def _away(s: Selector) -> str:
    """Return the nodes that are gone and were not removed: for a day, and as long as they have a target.

    They are found by their own series, so the job may have any name. `up` without a job reads all targets of
    Prometheus, which may be thousands, so it is read only once.
    """
    gone = s(GONE)
    lately_or_down = f"{gone} and {PER_NODE} {seen_within(s, DAY_S)} or {gone} and on (job, instance) up == 0"
    away = f"({lately_or_down}) unless {PER_NODE} {s(LISTED)} == 0"
    return f"1 + 0 * max by (job, instance, node) ({at_exporter(away)})"


def _unasked(s: Selector) -> str:
    """Return the nodes that their exporter can't ask; those that are starting will soon answer."""
    return f"{s('node_state', one_of('state', UNASKED))} == 1"


def _blocks_left(s: Selector) -> str:
    """Return the blocks until the first held HTLC expires, from the last page, however old (lnd allows 2016 blocks).

    While lnd or the exporter is away, or lnd sees no new blocks, blocks are estimated by time, as `open` does.
    """
    height, header = (f"max by (job, node) ({s(name)})" for name in (HEIGHT, HEADER))
    age = f"clamp_min(time() - {header}, 0)"
    unseen = f"""
      {age} > {STALE_BLOCK_S}
      or {age} unless {NODES_OF_A_JOB} {s("stream_up")} == 1
      or 0 * {header}
    """
    return f"""
    ((
      {s(HELD_EXPIRY)}
      or (
        {s(LAST_HELD_EXPIRY)}
        unless {NODES_OF_A_JOB} {s(HELD_EXPIRY)}
        unless {PER_NODE} {moved(s(HEADER))}
        unless {PER_NODE} {s(LISTED)} == 0
      )
    ) > 0)
      - {NODES_OF_A_JOB} group_left () ({height} + floor(({unseen}) / {BLOCK_S}))
    """
