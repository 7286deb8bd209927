"""Which runs have ended, and wait for a moment until they are counted; how each ended."""

from dataclasses import dataclass

from exporter.payments.labels import Reason, Status
from exporter.payments.payment import Moment, Run

HOLD_NS = 1_000_000_000
"""A run that ended is held this long before it is counted: the second terminal update came within 23 ms."""
RECENT_NS = 30_000_000_000
"""An end that is older than the newest thing that lnd shows, by this and as long as we waited, is its last word."""
MOST_POSTPONED = 20
"""So often a hold is made longer because this process stood still."""


@dataclass(slots=True)
class Terminal:
    """The end of a run, held for a moment because lnd may still overwrite its reason."""

    status: Status
    """Of the first terminal update: it stays."""
    reason: Reason
    """Of the last terminal update: it is what lnd's database keeps."""
    live: bool
    """The first terminal update came by the stream."""
    complete: bool
    """It shows all attempts: it came by the stream, or lnd has kept the failed ones."""
    received: Moment
    asked_mono_ns: int
    """When the last question was put that it answers, monotonic clock; receipt, if it came by the stream."""
    latest_ns: int
    """Lnd's time of what happened to it last: what it wrote in that moment may not be its last word."""
    told: bool
    """The stream has told of it: at first, or at last of an end that was learnt by asking."""
    postponed: int = 0
    """How often its hold was made longer."""

    @property
    def asked_late(self) -> bool:
        """The last question was put a second after the first terminal: its answer shows the second one, too."""
        return self.asked_mono_ns >= self.received.mono_ns + HOLD_NS

    def may_change(self, newest_ns: int, at: Moment) -> bool:
        """True if lnd may have been asked between the two terminal updates, and must be asked once more.

        The stream tells both, if late: lnd reads its whole table before it says the first word. What was asked a
        second after the first shows the second, too, and so does what is old compared with `newest_ns`, lnd's time of
        the newest thing that it has shown.
        """
        if self.told or self.asked_late:
            return False
        return newest_ns - self.latest_ns < RECENT_NS + at.mono_ns - self.asked_mono_ns


class Holds:
    """Which runs are on hold; who began to wait first comes first."""

    def __init__(self) -> None:
        """None."""
        self._held: dict[Run, tuple[int, Terminal]] = {}  # until when, monotonic clock

    def __len__(self) -> int:
        """Runs on hold."""
        return len(self._held)

    def __contains__(self, run: Run) -> bool:
        """True if it is on hold."""
        return run in self._held

    def begin(self, run: Run, terminal: Terminal, at: Moment) -> None:
        """Hold a run, from now on if it is on hold already."""
        self.end(run)
        self._held[run] = at.mono_ns + HOLD_NS, terminal

    def end(self, run: Run) -> None:
        """Hold it no longer, if it was."""
        self._held.pop(run, None)

    def clear(self) -> None:
        """Hold none."""
        self._held.clear()

    def due(self, at: Moment) -> list[Run]:
        """Those whose time is over."""
        return [run for run, (until_mono_ns, _) in self._held.items() if until_mono_ns <= at.mono_ns]

    def postpone(self, by_ns: int) -> None:
        """Hold longer what is on hold: its second terminal update may have come, and nobody was there to read it.

        Not for ever, though: a process that is always late must count, too.
        """
        for run, (until_mono_ns, terminal) in self._held.items():
            if terminal.postponed < MOST_POSTPONED:
                terminal.postponed += 1
                self._held[run] = until_mono_ns + by_ns, terminal
