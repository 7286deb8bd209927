"""Reads the state file into a report of the payments in flight."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from exporter.config import Config, ConfigError, Problem
from exporter.payments.description import PaymentInFlight, describe
from exporter.payments.labels import Mode, NodeState
from exporter.payments.payment import NS_PER_S
from exporter.store import StoredNode, StoreError, read_state


class NodeReport(NamedTuple):
    """One node and its payments in flight."""

    name: str
    pubkey: str
    """Identity key, 66 hex digits; empty if it was never received."""
    state: NodeState
    following: bool
    """True if an exporter is running and receives all updates of the node's payments."""
    left: bool
    """True if the running exporter doesn't follow this node any more."""
    mode: Mode | None
    """How the node's payments are followed, or were last; None if unknown."""
    followed_s: int
    """Until when all updates of its payments were received, seconds since 1970; 0 if never."""
    written_s: int
    """When the exporter last wrote the node's state, seconds since 1970."""
    height: int | None
    """Block height; None if it was never received."""
    estimated: bool
    """True if the height is estimated from the time of the last block: the node isn't followed, or sees no blocks."""
    payments: tuple[PaymentInFlight, ...]
    """Oldest first."""

    def blocks_left(self, payment: PaymentInFlight) -> int | None:
        """Return the blocks until the first HTLC expires, negative after that; None without HTLC or known height."""
        if payment.expiry_height is None or self.height is None:
            return None
        return payment.expiry_height - self.height


class Report(NamedTuple):
    """What the command `open` shows."""

    running: bool
    """True if an exporter is using the state file now."""
    now_s: int
    """When the state was read, seconds since 1970."""
    older_than_s: int
    """Payments that have been in flight for less are left out, seconds."""
    nodes: tuple[NodeReport, ...]


def read_report(config: Config, now_ns: int) -> Report:
    """Read the state file; `now_ns` is in nanoseconds since 1970. Raises `ConfigError` if it can't be read."""
    options, path = config.open, config.storage.path
    assert path is not None, "the configuration is refused without a path"
    try:
        stored = read_state(path)
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None
    check_node(options.node, stored.nodes, path)
    nodes = (
        node_report(name, node, running=stored.running, now_ns=now_ns, older_than_s=options.older_than_s)
        for name, node in stored.nodes.items()
        if options.node in (None, name)
    )
    return Report(stored.running, now_ns // NS_PER_S, options.older_than_s, tuple(nodes))


def check_node(node: str | None, nodes: Collection[str], path: Path) -> None:
    """Raise `ConfigError` if a node was chosen that the state file doesn't have."""
    if node is not None and node not in nodes:
        others = f"Its nodes: {', '.join(nodes)}." if nodes else f"{path} has no nodes yet."
        raise ConfigError([Problem("--lnd.name", f"the state file has no node {node}.", others)])


def node_report(name: str, node: StoredNode, *, running: bool, now_ns: int, older_than_s: int) -> NodeReport:
    """Return the report of one node; `now_ns` is in nanoseconds since 1970."""
    state, last_known = node.state, node.state.heard
    following = running and last_known.following
    now_s = now_ns // NS_PER_S
    known = following and last_known.sees_blocks(now_s)
    return NodeReport(
        name=name,
        pubkey=state.pubkey,
        state=last_known.state,
        following=following,
        left=running and last_known.left,
        mode=last_known.mode,
        followed_s=last_known.followed_ns // NS_PER_S,
        written_s=state.at.wall_ns // NS_PER_S,
        height=(last_known.block_height or None) if known else last_known.height_at(now_s),
        estimated=not known,
        payments=tuple(_payments(node, now_ns, older_than_s)),
    )


def _payments(node: StoredNode, now_ns: int, older_than_s: int) -> Iterator[PaymentInFlight]:
    for run in sorted(node.open, key=lambda run: run.run.created_us):
        payment = describe(run, node.state.heard.aliases, now_ns)
        if payment.age_s >= older_than_s:
            yield payment
