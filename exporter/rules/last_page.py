"""Recorded series that keep the last value of a node whose page can't be got: for alerts on what nobody can see now."""

from exporter.rules.rule import MEMORY_S, NODES_OF_A_JOB, PER_NODE, Recording, Selector

KEPT = "26h"
"""How far back a recorded series looks for its own last value: Prometheus may be down for a day."""
SEEN = "instance_node:lnd_payments_node_up:timestamp"
"""When a node was last on a page, seconds since 1970."""
HEADER = "instance_node:lnd_payments_node_best_header_timestamp_seconds:last"
"""Time of the newest block on a node's last page, seconds since 1970."""
HEIGHT = "instance_node:lnd_payments_node_block_height:last"


def pages(s: Selector) -> list[Recording]:
    """Return the recordings of the last pages; the others that go on after it need them, so they come first."""
    return [
        Recording(SEEN, f"timestamp({s('node_up')}) or last_over_time({s(SEEN)}[{KEPT}]) > time() - {MEMORY_S}"),
        kept(s, HEADER, s("node_best_header_timestamp_seconds")),
        kept(s, HEIGHT, s("node_block_height")),
    ]


def kept(s: Selector, record: str, expr: str, per: str = PER_NODE) -> Recording:
    """Record an expression, and its last value while it has none, until its node has been on no page for `MEMORY_S`.

    Each evaluation looks only for what an earlier one has recorded: to look for the last sample that was scraped would
    mean to read 15 days of samples each time.
    """
    return Recording(record, f"{expr} or last_over_time({s(record)}[{KEPT}]) and {per} {s(SEEN)}")


def seen_within(s: Selector, seconds: int) -> str:
    """Return the nodes that were on a page within this time."""
    return f"time() - {s(SEEN)} < {seconds}"


def moved(header: str) -> str:
    """Return a condition for last pages with an older block than another page of the node: its exporter has moved.

    `header` is the time of the newest block on each last page.
    """
    return f"({header} < {NODES_OF_A_JOB} group_left () max by (job, node) ({header}))"
