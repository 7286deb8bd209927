"""HTLCs that lnd calls in flight although they are on no channel any more: their payments may hang for ever."""

from collections.abc import Iterable, Mapping

from exporter.payments.payment import NS_PER_S, Moment, Run
from exporter.payments.run import OpenRun

GHOST_NS = 600 * NS_PER_S
"""An HTLC is a ghost if lists of channels so long apart, and all between, lack it: one may be a moment too early."""


class Ghosts:
    """The HTLCs outstanding that were missing on their channel; as many as are in flight, at most."""

    def __init__(self) -> None:
        """Start with none."""
        self._since_ns: dict[tuple[Run, int], int] = {}  # by run and `Attempt.key`, monotonic clock
        self._asked_ns = 0  # when lnd was last asked, monotonic clock

    def compare(self, offered: Mapping[int, frozenset[str]], runs: Iterable[OpenRun], asked: Moment) -> None:
        """Compare the HTLCs of the open runs with those on active channels, which lnd was asked for at `asked`.

        An HTLC whose channel isn't listed is left out: it is being closed, and the HTLC resolved on chain, or its peer
        is offline. lnd lists what is in its own commitment, and an HTLC gets there only when the peer has answered.
        """
        self._asked_ns = asked.mono_ns
        self._since_ns = {
            (run.run, key): self._since_ns.get((run.run, key), asked.mono_ns)
            for run in runs
            if run.terminal is None
            for key, attempt in run.outstanding.items()
            if attempt.channel_id in offered
            and run.run.payment_hash not in offered[attempt.channel_id]
            and attempt.attempt_ns < asked.wall_ns
        }

    def count(self, runs: Mapping[Run, OpenRun]) -> tuple[int, int]:
        """Return number and amount in msat of the ghosts among the HTLCs of the open runs, as of the last list."""
        amounts = [
            runs[run].outstanding[key].amount_msat
            for (run, key), since_ns in self._since_ns.items()
            if self._asked_ns - since_ns >= GHOST_NS and run in runs and key in runs[run].outstanding
        ]
        return len(amounts), sum(amounts)
