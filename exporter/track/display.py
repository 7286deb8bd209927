"""Where a payment is shown: on a terminal, where it changes in place; in a pipe, once it has ended; or as JSON."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exporter.listing.table import STATE
from exporter.lnd.client import LndError
from exporter.payments.detail import Detail
from exporter.payments.labels import NodeState
from exporter.payments.payment import Moment
from exporter.track.course import Update
from exporter.track.document import line
from exporter.track.view import Silence, view, waiting

_PER_S = 4
"""How often times are brought up to date while nothing is heard."""


class Display(ABC):
    """Used in a `with`; on leaving it, all has been said."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(  # noqa: B027 - not everybody has something left
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say what is left to be said."""

    @abstractmethod
    def show(self, update: Update) -> None:
        """The payment is now so."""

    def say(self, words: str) -> None:
        """Something that a person should know; on stderr where there is no terminal."""
        print(words, file=sys.stderr, flush=True)

    def lost(self, trouble: LndError) -> None:
        """Nothing is heard for now; `trouble` is a new one."""
        self.say(f"{trouble.advice}; lnd is asked again until it answers")

    def found(self) -> None:
        """That is over."""
        self.say("lnd tells of the payment again")

    def wait(self, detail: Detail) -> None:  # noqa: B027 - only who looks on wonders
        """Nothing is to be shown before the end."""


class Table(Display):
    """A table for people."""

    def __init__(
        self, preface: str, now: Callable[[], Moment], *, secrets: bool, console: Console | None = None
    ) -> None:
        """Of a payment of the node that `preface` names, if it has a name; by default on stdout."""
        self._preface = preface
        self._now = now
        self._secrets = secrets
        self._console = console or Console(highlight=False)
        self._update: Update | None = None
        self._waiting: tuple[Detail, int] | None = None  # since when, nanoseconds since 1970
        self._silence: Silence | None = None
        self._live: Live | None = None
        self._over = False

    def __enter__(self) -> Self:
        """On a terminal it is drawn again and again from here on."""
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._drawn, refresh_per_second=_PER_S, redirect_stderr=False
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it there as it is: all of it, also what the terminal had no room for."""
        self._over = True
        if self._live is not None:
            self._live.stop()
        elif self._update is not None:
            print(self._drawn(), file=self._console.file, flush=True)

    def show(self, update: Update) -> None:
        """It is drawn at once on a terminal, else in the end."""
        self._update = update
        if self._live is not None:
            self._live.refresh()

    def say(self, words: str) -> None:
        """Above the table, or on stderr."""
        if self._live is not None:
            self._console.print(Text(words, style="yellow"))
        else:
            super().say(words)

    def lost(self, trouble: LndError) -> None:
        """What is shown stays as it is, and says how old it is."""
        since_ns = self._silence.since_ns if self._silence else self._now().wall_ns
        why = "the line broke" if trouble.state is NodeState.READY else STATE[trouble.state]
        self._silence = Silence(since_ns, why)
        super().lost(trouble)

    def found(self) -> None:
        """Times go on."""
        self._silence = None
        super().found()

    def wait(self, detail: Detail) -> None:
        """A terminal shows that it waits, and since when."""
        since_ns = self._waiting[1] if self._waiting else self._now().wall_ns
        self._waiting = detail, since_ns

    def _drawn(self) -> Text:
        console = None if self._over else self._console
        now_ns, silence = self._now().wall_ns, self._silence and self._silence._replace(over=self._over)
        if self._update is None:
            if self._waiting is None:
                return Text(f"{self._preface}asking lnd", style="dim")
            return waiting(*self._waiting, self._preface, now_ns, silence)
        return view(self._update, self._preface, now_ns, secrets=self._secrets, console=console, silence=silence)


class Lines(Display):
    """JSON for programs."""

    def __init__(self, node: str, *, secrets: bool) -> None:
        """Of a payment of `node`, on stdout."""
        self._node = node
        self._secrets = secrets

    def show(self, update: Update) -> None:
        """A line, at once."""
        print(line(update, self._node, secrets=self._secrets), flush=True)
