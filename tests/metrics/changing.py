"""Nodes that change as captured views do: what didn't change is shared with the view before, and nothing is altered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from exporter.payments.labels import (
    BlocksLeft,
    Cause,
    Code,
    FailureSource,
    Mode,
    NodeState,
    Outcome,
    PeerOutcome,
    Purpose,
)
from exporter.payments.node import Channels, PeerChannels
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName, Labels
from exporter.payments.view import View
from tests.metrics import scene

ALIASES = (
    'say "hi"',
    "back\\slash",
    "two\nlines",
    'x",node="stolen"} 1\n#',
    "%s {0} {} \1\0",
    "\ud800",
    "名 \u202e",
    "",
)
NUMBERS = (0, 1, 2, 999_999, 1_000_000, 1_000_001, 10**15 + 1, 2**53 + 1, 2**63, 10**24 - 1, 10**40)


def whole(view: View, chance: Random) -> View:
    """Change nothing, but make a new view."""
    return replace(view)


def counter(view: View, chance: Random) -> View:
    """Count something."""
    changed = chance.choice(list(Counter))
    series = view.counters[changed].copy()
    if series:
        series[chance.choice(list(series))] += chance.choice(NUMBERS)
    return replace(view, counters=view.counters | {changed: series})


def rare(view: View, chance: Random) -> View:
    """Count something for the first time; the new series is the last one."""
    labels = (chance.choice(list(Purpose)), chance.choice(list(Code)), FailureSource.UNKNOWN)
    series = view.counters[Counter.ATTEMPTS_FAILED] | {labels: chance.choice(NUMBERS)}
    return replace(view, counters=view.counters | {Counter.ATTEMPTS_FAILED: series})


def order(view: View, chance: Random) -> View:
    """Have the same totals in another order, as after a peer lost its place and got it again."""
    changed = chance.choice(list(Counter))
    series = dict(reversed(view.counters[changed].items()))
    return replace(view, counters=view.counters | {changed: series})


def histogram(view: View, chance: Random) -> View:
    """Observe something; the other series of the histogram are shared."""
    name = chance.choice([name for name in HistogramName if view.histograms[name]])
    labels = chance.choice(list(view.histograms[name]))
    changed = view.histograms[name][labels].copy()
    changed.observe(chance.choice((*EDGES[name], *NUMBERS)))
    return replace(view, histograms=view.histograms | {name: view.histograms[name] | {labels: changed}})


def peers(view: View, chance: Random) -> View:
    """Meet peers, lose others, and learn their aliases."""
    names = [f"{chance.choice(ALIASES[:5])}{chance.randrange(3)}" for _ in range(chance.randrange(4))]
    attempts: dict[Labels, int] = {(peer, how): chance.choice(NUMBERS) for peer in names for how in PeerOutcome}
    sent: dict[Labels, int] = {(peer,): chance.choice(NUMBERS) for peer in names}
    return replace(
        view,
        counters=view.counters | {Counter.PEER_ATTEMPTS: attempts, Counter.PEER_SENT: sent, Counter.PEER_FEES: sent},
        peers_in_flight={peer: (chance.randrange(3), chance.choice(NUMBERS)) for peer in names},
        peer_channels={peer: PeerChannels(chance.randrange(3), offered_msat=chance.choice(NUMBERS)) for peer in names},
        status=replace(view.status, channels=Channels(chance.choice(NUMBERS), dict(zip(names, ALIASES, strict=False)))),
    )


def destinations(view: View, chance: Random) -> View:
    """Name other destinations: their series come and go, those of the histogram, too."""
    names = [f"{chance.choice('ab')}{chance.randrange(3)}" for _ in range(chance.randrange(4))]
    ended: dict[Labels, int] = {(name, "failed", cause): chance.choice(NUMBERS) for name in names for cause in Cause}
    sent: dict[Labels, int] = {(name,): chance.choice(NUMBERS) for name in names}
    duration = HistogramName.DESTINATION_DURATION
    durations: dict[Labels, Histogram] = {(name, of): Histogram(EDGES[duration]) for name in names for of in Outcome}
    return replace(
        view,
        counters=view.counters | {Counter.DESTINATION_ENDED: ended, Counter.DESTINATION_SENT: sent},
        histograms=view.histograms | {duration: durations},
    )


def in_flight(view: View, chance: Random) -> View:
    """Have other payments in flight."""
    held = {band: (chance.randrange(3), chance.choice(NUMBERS)) for band in BlocksLeft}
    runs = {labels: chance.randrange(3) for labels in view.in_flight.runs}
    oldest = chance.choice((None, *NUMBERS[:8]))
    return replace(
        view,
        in_flight=replace(
            view.in_flight, runs=runs, held=chance.choice((None, held)), oldest_us=oldest, msat=chance.choice(NUMBERS)
        ),
        last_update_ns=chance.choice((None, chance.randrange(2 * 10**18))),
    )


def status(view: View, chance: Random) -> View:
    """Be in another state, with another alias."""
    info = chance.choice((None, scene.STATUS.info and replace(scene.STATUS.info, alias=chance.choice(ALIASES))))
    return replace(view, status=replace(view.status, state=chance.choice(list(NodeState)), info=info))


def mode(view: View, chance: Random) -> View:
    """Be followed in another way: some metrics come or go."""
    return replace(view, status=replace(view.status, mode=chance.choice((None, *Mode))))


CHANGES: Sequence[Callable[[View, Random], View]] = (
    whole,
    counter,
    rare,
    order,
    histogram,
    peers,
    destinations,
    in_flight,
    status,
    mode,
)


def everything(view: View, more: int = 1) -> View:
    """Add to all series of all counters and histograms."""
    histograms = {name: {labels: h.copy() for labels, h in series.items()} for name, series in view.histograms.items()}
    for series in histograms.values():
        for histogram in series.values():
            histogram.observe(more)
    return replace(
        view,
        counters={c: {labels: n + more for labels, n in series.items()} for c, series in view.counters.items()},
        histograms=histograms,
        last_update_ns=(view.last_update_ns or 0) + more,
    )


def payment(view: View) -> View:
    """Count what a payment changes, about."""
    counters = view.counters | {
        changed: {labels: n + (not place) for place, (labels, n) in enumerate(view.counters[changed].items())}
        for changed in (
            Counter.STARTED,
            Counter.TRANSITIONS,
            Counter.SUCCEEDED,
            Counter.SENT,
            Counter.FEES,
            Counter.ATTEMPTS_STARTED,
            Counter.ATTEMPTS_SETTLED,
            Counter.LOCKED_MSAT_MS,
            Counter.PEER_ATTEMPTS,
            Counter.PEER_SENT,
            Counter.PEER_FEES,
            Counter.UPDATES,
        )
    }
    histograms = dict(view.histograms)
    for name, series in view.histograms.items():
        labels = next(iter(series))
        changed = series[labels].copy()
        changed.observe(1)
        histograms[name] = series | {labels: changed}
    return replace(view, counters=counters, histograms=histograms, last_update_ns=(view.last_update_ns or 0) + 1)
