"""Progress of long catch-ups is shown, and short ones are not."""

import asyncio
import io
import sys

from rich.console import Console
from structlog.testing import capture_logs

from exporter.bars import Bars
from exporter.follow import Account
from exporter.payments.node import CatchUpProgress
from exporter.progress import LONG_S, LogLines, Patient, report_progress
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.follow.watch import Clocks

HALF = CatchUpProgress(first=100, at=600, last=1100, payments=500)
DONE = HALF._replace(at=1100, payments=1000)


class Recorder:
    """A display that records what it is given."""

    def __init__(self) -> None:
        """Start with nothing recorded."""
        self.shown: list[dict[str, CatchUpProgress]] = []

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Record it, unless it is the same as before."""
        if self.shown[-1:] != [nodes]:
            self.shown.append(nodes)


def test_only_long_catch_ups_are_shown() -> None:
    """Each node is shown from `LONG_S` on; at the end the display is cleared."""
    recorder = Recorder()

    async def scenario(_: VirtualLoop) -> None:
        alice, bob = accounts = [Account(name, Clocks(), 5) for name in ("alice", "bob")]
        task = asyncio.create_task(report_progress(lambda: accounts, recorder))
        alice.set_status(reading=HALF)
        bob.set_status(reading=HALF)
        await asyncio.sleep(LONG_S - 0.1)
        bob.set_status(reading=None)
        await asyncio.sleep(LONG_S)
        bob.set_status(reading=HALF)
        alice.set_status(reading=DONE)
        await asyncio.sleep(LONG_S - 0.6)
        alice.set_status(reading=None)
        await asyncio.sleep(2)
        task.cancel()
        await asyncio.wait([task])

    run_virtually(scenario)
    assert recorder.shown == [{}, {"alice": HALF}, {"alice": DONE}, {}, {"bob": HALF}, {}]


def test_a_patient_display() -> None:
    """It shows nothing of a node before `LONG_S`; one that comes again is new."""
    now_s, recorder = 1000.0, Recorder()
    patient = Patient(recorder, lambda: now_s)
    patient.show({"alice": HALF})
    now_s += LONG_S - 0.1
    patient.show({"alice": HALF})
    now_s += 0.1
    patient.show({"alice": DONE, "bob": HALF})
    patient.show({})
    patient.show({"alice": HALF})
    assert recorder.shown == [{}, {"alice": DONE}, {}]


def test_log_lines() -> None:
    """Each node gets a line at once, and then one every `LOG_INTERVAL_S`; a new catch-up begins with a line again."""
    now_s = 1000.0
    lines = LogLines(lambda: now_s)
    with capture_logs() as logs:
        for _ in range(22):
            lines.show({"alice": HALF, "bob": DONE} if now_s > 1003 else {"alice": HALF})
            now_s += 0.5
        lines.show({})
        lines.show({"alice": DONE})
    assert [(line["node"], line["index"], line["last_index"]) for line in logs] == [
        ("alice", 600, 1100),
        ("bob", 1100, 1100),
        ("alice", 600, 1100),
        ("bob", 1100, 1100),
        ("alice", 600, 1100),
        ("alice", 1100, 1100),
    ]


def test_progress_bars() -> None:
    """Each node has a bar; log lines are printed above the bars; nothing is left when all are done."""
    terminal = io.StringIO()
    bars = Bars(Console(file=terminal, force_terminal=True, width=100, legacy_windows=False), "catching up")
    stderr = sys.stderr
    bars.show({})
    assert terminal.getvalue() == ""
    bars.show({"alice": HALF, "bob": DONE})
    assert "alice: catching up" in terminal.getvalue()
    assert " 500 payments," in terminal.getvalue()
    assert " 1,000 payments," in terminal.getvalue()
    sys.stderr.write("a line of the log\n")
    assert "a line of the log" in terminal.getvalue()
    terminal.truncate(0)
    bars.show({"alice": DONE})
    assert "bob" not in terminal.getvalue()
    bars.show({})
    assert sys.stderr is stderr
    terminal.truncate(0)
    bars.show({})
    assert terminal.getvalue() == ""
