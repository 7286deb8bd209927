"""Shows a payment: on a terminal as a table that changes in place, in a pipe once it has ended, or as JSON."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exporter.lnd.client import LndError
from exporter.payments.detail import PaymentDetail
from exporter.payments.labels import NodeState
from exporter.payments.payment import Moment
from exporter.text import STATE_TEXT
from exporter.track.document import to_json_line
from exporter.track.table import Outage, render_payment, render_waiting
from exporter.track.watcher import PaymentUpdate

_REFRESHES_PER_S = 4
"""How often a terminal is redrawn while no update arrives, so that durations advance."""


class PaymentDisplay(ABC):
    """A context manager that shows updates and is the listener of a `PaymentWatcher`; everything is out at its exit."""

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(  # noqa: B027 - optional: not every display holds back output
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print everything that was deferred."""

    @abstractmethod
    def show(self, update: PaymentUpdate) -> None:
        """Show the new state of the payment."""

    def warn(self, message: str) -> None:
        """Print a message to stderr."""
        print(message, file=sys.stderr, flush=True)

    def connection_lost(self, error: LndError) -> None:
        """Print why updates have stopped."""
        self.warn(f"{error.advice}; retrying until lnd answers")

    def connection_restored(self) -> None:
        """Print that updates arrive again."""
        self.warn("lnd sends updates of the payment again")

    def awaiting_end(self, detail: PaymentDetail) -> None:  # noqa: B027 - optional: only a terminal shows that
        """Show that the payment is known and its end awaited."""


class TableDisplay(PaymentDisplay):
    """Shows a table for people."""

    def __init__(
        self, preface: str, now: Callable[[], Moment], *, secrets: bool, console: Console | None = None
    ) -> None:
        """Write to `console`, by default stdout; `preface` names the node, if it has a name."""
        self._preface = preface
        self._now = now
        self._secrets = secrets
        self._console = console or Console(highlight=False)
        self._update: PaymentUpdate | None = None
        self._awaiting: tuple[PaymentDetail, int] | None = None  # and since when, nanoseconds since 1970
        self._outage: Outage | None = None
        self._live: Live | None = None
        self._finished = False

    def __enter__(self) -> Self:
        """Start to redraw the table, if the console is a terminal."""
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=_REFRESHES_PER_S,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the complete table on the console, including attempts for which the terminal had no room."""
        self._finished = True
        if self._live is not None:
            self._live.stop()
        elif self._update is not None:
            print(self._render(), file=self._console.file, flush=True)

    def show(self, update: PaymentUpdate) -> None:
        """Redraw a terminal at once; elsewhere keep the update for the exit."""
        self._update = update
        if self._live is not None:
            self._live.refresh()

    def warn(self, message: str) -> None:
        """Print a message above the table, or to stderr if there is no terminal."""
        if self._live is not None:
            self._console.print(Text(message, style="yellow"))
        else:
            super().warn(message)

    def connection_lost(self, error: LndError) -> None:
        """Freeze the table, and show how old it is."""
        since_ns = self._outage.since_ns if self._outage else self._now().wall_ns
        reason = "connection lost" if error.state is NodeState.READY else STATE_TEXT[error.state]
        self._outage = Outage(since_ns, reason)
        super().connection_lost(error)

    def connection_restored(self) -> None:
        """Let durations advance again."""
        self._outage = None
        super().connection_restored()

    def awaiting_end(self, detail: PaymentDetail) -> None:
        """Show on a terminal since when the end is awaited."""
        since_ns = self._awaiting[1] if self._awaiting else self._now().wall_ns
        self._awaiting = detail, since_ns

    def _render(self) -> Text:
        console = None if self._finished else self._console
        now_ns, outage = self._now().wall_ns, self._outage and self._outage._replace(over=self._finished)
        if self._update is None:
            if self._awaiting is None:
                return Text(f"{self._preface}asking lnd", style="dim")
            return render_waiting(*self._awaiting, self._preface, now_ns, outage)
        return render_payment(
            self._update, self._preface, now_ns, secrets=self._secrets, console=console, outage=outage
        )


class JsonDisplay(PaymentDisplay):
    """Prints each update to stdout as a line of JSON."""

    def __init__(self, node: str, *, secrets: bool) -> None:
        """Name `node` in each line; include preimages and payment request only if `secrets`."""
        self._node = node
        self._secrets = secrets

    def show(self, update: PaymentUpdate) -> None:
        """Print a line at once."""
        print(to_json_line(update, self._node, secrets=self._secrets), flush=True)
