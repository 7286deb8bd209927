"""The command `open`: what is in flight by the state on disk, so it asks neither lnd nor the exporter, if it runs."""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.config import Config, ConfigError, Problem
from exporter.payments.description import PaymentInFlight, describe
from exporter.payments.labels import Mode, NodeState
from exporter.store import StoredNode, StoreError, read_state

_SECOND_NS = 1_000_000_000


class Node(NamedTuple):
    """One node and its payments in flight."""

    name: str
    pubkey: str
    """Identity key, 66 hex digits; empty if it never said."""
    state: NodeState
    following: bool
    """An exporter runs and hears all that happens to its payments."""
    left: bool
    """The exporter that runs doesn't follow it any more."""
    mode: Mode | None
    """How its payments are followed, or were; None if it isn't known."""
    followed_s: int
    """Until when all was heard that happened to its payments, seconds since 1970; 0 if it never was."""
    written_s: int
    """When the exporter last wrote of it, seconds since 1970."""
    height: int | None
    """Of the chain; None if it never said."""
    estimated: bool
    """Nobody hears of blocks now: the height is guessed from the time of the last one."""
    payments: tuple[PaymentInFlight, ...]
    """The oldest first."""

    def blocks_left(self, payment: PaymentInFlight) -> int | None:
        """Until the first of its HTLCs expires, below 0 if one has; None if there is none, or it isn't known."""
        if payment.expiry_height is None or self.height is None:
            return None
        return payment.expiry_height - self.height


class Report(NamedTuple):
    """All there is to show."""

    running: bool
    """An exporter keeps its state there now."""
    now_s: int
    """When it was read, seconds since 1970."""
    older_than_s: int
    """Payments that have been in flight for less are left out, seconds."""
    nodes: tuple[Node, ...]


def report(config: Config, now_ns: int) -> Report:
    """Read the state; `now_ns` in nanoseconds since 1970. Raises `ConfigError`."""
    wanted, path = config.open, config.storage.path
    assert path is not None, "else the configuration is refused"
    try:
        found = read_state(path)
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None
    if wanted.node is not None and wanted.node not in found.nodes:
        others = f"Kept is something of {', '.join(found.nodes)}." if found.nodes else f"{path} knows no node yet."
        raise ConfigError([Problem("--lnd.name", f"nothing is kept of {wanted.node}.", others)])
    nodes = (
        _node(name, kept, running=found.running, now_ns=now_ns, older_than_s=wanted.older_than_s)
        for name, kept in found.nodes.items()
        if wanted.node in (None, name)
    )
    return Report(found.running, now_ns // _SECOND_NS, wanted.older_than_s, tuple(nodes))


def _node(name: str, kept: StoredNode, *, running: bool, now_ns: int, older_than_s: int) -> Node:
    state, heard = kept.state, kept.state.heard
    following = running and heard.following
    known = heard.block_height or None
    return Node(
        name=name,
        pubkey=state.pubkey,
        state=heard.state,
        following=following,
        left=running and heard.left,
        mode=heard.mode,
        followed_s=heard.followed_ns // _SECOND_NS,
        written_s=state.at.wall_ns // _SECOND_NS,
        height=known if following else heard.height_at(now_ns // _SECOND_NS),
        estimated=not following,
        payments=tuple(_payments(kept, now_ns, older_than_s)),
    )


def _payments(kept: StoredNode, now_ns: int, older_than_s: int) -> Iterator[PaymentInFlight]:
    for run in sorted(kept.open, key=lambda run: run.run.created_us):
        payment = describe(run, kept.state.heard.aliases, now_ns)
        if payment.age_s >= older_than_s:
            yield payment
