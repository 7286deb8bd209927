"""Progress bars on a terminal: of long catch-ups, and of commands that read the past."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from exporter.payments.node import CatchUpProgress


class Bars:
    """A display with a progress bar for each node below the log lines; the bar is removed when the catch-up ends."""

    def __init__(self, console: Console, doing: str) -> None:
        """Start without a bar; `doing` says what takes so long."""
        self._console = console
        self._doing = doing
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Draw a bar for each node, and remove the bars of all others."""
        if self._progress is None:
            if not nodes:
                return
            self._progress = self._start()
        for name in self._bars.keys() - nodes.keys():
            self._progress.remove_task(self._bars.pop(name))
        for name, progress in nodes.items():
            total = max(progress.last, progress.at) - progress.first
            completed, payments = progress.at - progress.first, progress.payments
            if name not in self._bars:  # at once with its numbers, for this draws it
                self._bars[name] = self._progress.add_task(name, total=total, completed=completed, payments=payments)
            self._progress.update(self._bars[name], total=total, completed=completed, payments=payments)
        self._progress.refresh()
        if not nodes:
            self._progress.stop()
            self._progress = None

    def _start(self) -> Progress:
        """Start rich's display; while it runs, it replaces `sys.stderr` to print other output above the bars."""
        progress = Progress(
            TextColumn(f"{{task.description}}: {self._doing}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[payments]:,} payments,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            transient=True,
            auto_refresh=False,
        )
        progress.start()
        return progress


def on_terminal(doing: str) -> Bars | None:
    """Return bars on stderr; None if this terminal can only append lines."""
    console = Console(stderr=True)
    return None if console.is_dumb_terminal else Bars(console, doing)
