"""HTLCs that lnd calls in flight although they are on no channel any more: their payments may hang for ever."""

from collections.abc import Iterable, Iterator, Mapping

from exporter.payments.labels import MSAT_PER_SAT
from exporter.payments.node import Offered, OfferedHtlc
from exporter.payments.payment import NS_PER_S, Attempt, Moment, Run
from exporter.payments.run import OpenRun

GHOST_NS = 600 * NS_PER_S
"""An HTLC is a ghost if lists of channels so long apart, and all between, lack it: one may be a moment too early.

lnd needs less to disconnect a peer that doesn't answer any more: a minute and a half, through Tor four and a half
(`pingInterval`, `pingTimeout` in its peer/brontide.go). Until then the channel is active, and lacks what the peer has
not acknowledged.
"""


def missing(attempts: Iterable[Attempt], payment_hash: str, offered: Mapping[int, Offered]) -> Iterator[Attempt]:
    """Yield those of a payment's HTLCs in flight that aren't on their channel; `offered` is by active channel.

    Several parts may go over one channel with the same hash: then it must list as many. If it lists fewer, those are
    missing that are like none in the list. An HTLC whose channel isn't listed is left out: it is being closed, and the
    HTLC resolved on chain, or its peer is offline. lnd lists what is in its own commitment, and an HTLC gets there only
    when the peer has answered.
    """
    by_channel: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.channel_id in offered:
            by_channel.setdefault(attempt.channel_id, []).append(attempt)
    for channel_id, sent in by_channel.items():
        listed = list(offered[channel_id].get(payment_hash, ()))
        fewer = len(sent) - len(listed)
        for attempt in sent if fewer > 0 else ():
            htlc = OfferedHtlc(attempt.amount_msat // MSAT_PER_SAT, attempt.expiry_height)
            if htlc in listed:
                listed.remove(htlc)
            elif fewer > 0:
                fewer -= 1
                yield attempt


class Ghosts:
    """The HTLCs outstanding that were missing on their channel; as many as are in flight, at most."""

    def __init__(self) -> None:
        """Start with none."""
        self._since_ns: dict[tuple[Run, int], int] = {}  # by run and `Attempt.key`, monotonic clock

    def compare(
        self, offered: Mapping[int, Offered], runs: Iterable[OpenRun], asked: Moment, *, caught_up: bool
    ) -> list[OpenRun]:
        """Compare the HTLCs of the open runs with those on active channels, which lnd was asked for at `asked`.

        Until the exporter has `caught_up` with lnd, HTLCs that it believes in flight may have ended while it wasn't
        connected: then none becomes a ghost. Return the runs whose `ghosts` have changed.
        """
        since_ns: dict[tuple[Run, int], int] = {}
        changed: list[OpenRun] = []
        for run in runs:
            ghosts: set[int] = set()
            for attempt in missing(run.outstanding.values(), run.run.payment_hash, offered):
                if run.terminal is None and attempt.attempt_ns < asked.wall_ns:
                    place = run.run, attempt.key
                    since_ns[place] = self._since_ns.get(place, asked.mono_ns)
                    if attempt.key in run.ghosts or (caught_up and asked.mono_ns - since_ns[place] >= GHOST_NS):
                        ghosts.add(attempt.key)
            if ghosts != run.ghosts:
                run.ghosts = frozenset(ghosts)
                changed.append(run)
        self._since_ns = since_ns
        return changed

    def count(self, runs: Mapping[Run, OpenRun]) -> tuple[int, int]:
        """Return number and amount in msat of the ghosts among the HTLCs of the open runs, as of the last list."""
        amounts = [
            runs[run].outstanding[key].amount_msat
            for run, key in self._since_ns
            if run in runs and key in runs[run].ghosts and key in runs[run].outstanding
        ]
        return len(amounts), sum(amounts)
