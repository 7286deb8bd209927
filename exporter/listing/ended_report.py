"""Reads the lists of ended payments in the state file into a report of those that were asked for."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.config import Config, ConfigError, Problem
from exporter.config.model import EndedConfig
from exporter.listing.report import NodeReport, check_node, node_report
from exporter.payments.ended import EndedPayment, RunOutcome
from exporter.payments.labels import MSAT_PER_SAT
from exporter.payments.payment import NS_PER_S, NS_PER_US
from exporter.payments.saved import SavedState
from exporter.store import StoredNode, StoreError, read_ended

MIN_DIGITS = 4
"""Shorter beginnings of a key are only looked for in aliases."""


class _Found(NamedTuple):
    """The payments of a node that were asked for."""

    newest: tuple[EndedPayment, ...]
    outcomes: Counter[str]


class EndedOfNode(NamedTuple):
    """One node and its ended payments that were asked for."""

    node: NodeReport
    """Without payments in flight."""
    aliases: Mapping[str, str]
    """Known aliases of direct peers by identity key."""
    payments: tuple[EndedPayment, ...]
    """The newest ones, the newest first, as many as were asked for."""
    outcomes: Counter[str]
    """How many there are in all, by `RunOutcome`."""
    earlier: int
    """Number of payments that were counted in the time asked for, or at any time, but have left the list."""
    begins_s: int | None
    """When the oldest payment of the list was counted, seconds since 1970; None if the list is empty."""

    def name_of(self, key: str) -> str:
        """Return the alias of a node if it is known, else its key."""
        return self.aliases.get(key) or key


class EndedReport(NamedTuple):
    """What the command `ended` shows."""

    running: bool
    """True if an exporter is using the state file now."""
    now_s: int
    """When the state was read, seconds since 1970."""
    options: EndedConfig
    nodes: tuple[EndedOfNode, ...]


def read_report(config: Config, now_ns: int) -> EndedReport:
    """Read the state file; `now_ns` is in nanoseconds since 1970. Raises `ConfigError` if it can't be read."""
    options, path = config.ended, config.storage.path
    assert path is not None, "the configuration is refused without a path"
    since_us = 0 if options.since_s is None else (now_ns - options.since_s * NS_PER_S) // NS_PER_US

    def collect(name: str, state: SavedState, entries: Iterator[EndedPayment]) -> _Found:
        return _collect(entries, state.heard.aliases, options) if options.node in (None, name) else _collect_none()

    try:
        running, stored = read_ended(path, since_us, collect)
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None
    check_node(options.node, stored, path)
    nodes = []
    for name, (state, counted, oldest, found) in stored.items():
        if options.node not in (None, name):
            continue
        node = node_report(name, StoredNode(state, ()), running=running, now_ns=now_ns, older_than_s=0)
        earlier = oldest.number - 1 if oldest else counted
        if oldest and oldest.counted_us < since_us:  # the list reaches back far enough
            earlier = 0
        begins_s = oldest.counted_us * NS_PER_US // NS_PER_S if oldest else None
        nodes.append(EndedOfNode(node, state.heard.aliases, *found, earlier, begins_s))
    return EndedReport(running, now_ns // NS_PER_S, options, tuple(nodes))


def _collect_none() -> _Found:
    return _Found((), Counter())


def _collect(entries: Iterator[EndedPayment], aliases: Mapping[str, str], options: EndedConfig) -> _Found:
    """Return the entries that match, as many as are wanted, and how many there are in all."""
    newest, outcomes = deque[EndedPayment](), Counter[str]()
    for entry in entries:
        if _matches(entry, aliases, options):
            outcomes[entry.outcome] += 1
            if options.limit is None or len(newest) < options.limit:
                newest.append(entry)
    return _Found(tuple(newest), outcomes)


def _matches(entry: EndedPayment, aliases: Mapping[str, str], options: EndedConfig) -> bool:
    """Return True if a payment is one of those that were asked for."""
    return (
        _outcome_matches(entry, options)
        and (not options.kinds or entry.kind in options.kinds)
        and entry.value_msat >= options.min_sat * MSAT_PER_SAT
        and (not options.peer or any(_is_peer(key, aliases.get(key, ""), options.peer) for key in entry.first_hops))
    )


def _outcome_matches(entry: EndedPayment, options: EndedConfig) -> bool:
    """Return True if its outcome, cause and reason are among those that were asked for.

    A cause or a reason selects among the payments that have one. Others are left out, unless a flag names their
    outcome.
    """
    failed, lost = entry.outcome == RunOutcome.FAILED, entry.outcome == RunOutcome.LOST
    named = (options.failed and failed) or (options.late and entry.late) or (options.lost and lost)
    if not named and (options.failed or options.late or options.lost):
        return False
    right_cause = not options.causes or (entry.cause in options.causes if failed or lost else named)
    right_reason = not options.reasons or (entry.reason in options.reasons if failed or entry.late else named)
    return right_cause and right_reason


def _is_peer(key: str, alias: str, wanted: str) -> bool:
    return (len(wanted) >= MIN_DIGITS and key.startswith(wanted)) or wanted in alias.lower()
