"""The open runs as they were last encoded for the state file, and which of them have changed since."""

from exporter.payments.noted import NotedDict
from exporter.payments.payment import Run
from exporter.payments.run import OpenRun


class OpenTexts:
    """Texts of the open runs, for whoever writes the state."""

    def __init__(self, runs: dict[Run, OpenRun]) -> None:
        """Start without any text; `runs` are the open runs, which change."""
        self.runs = runs
        self.texts: NotedDict[Run, str] = NotedDict()
        """Each run as text, by whoever writes the state; empty if nobody does."""
        self.stale: set[Run] = set()
        """Runs whose text is missing or old, and those that are open no more but have one."""

    def changed(self, run: Run) -> None:
        """Note that something of an open run changed that outlives the process."""
        self.stale.add(run)

    def closed(self, run: Run) -> None:
        """Note that a run isn't open any more."""
        if run in self.texts:
            self.stale.add(run)
        else:
            self.stale.discard(run)
