"""The command as a process: what it leaves after kills, and what it says about wrong use."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from exporter.backfill.output import SAVE_POINT
from exporter.payments.totals import Counter
from exporter.store import Store
from tests.backfill.process import LABELS, Command

SMALL = ("--metrics.without=peers,amounts,attempt-histograms,fee-histograms", "--adopt")
"""Fewer series, so that files are small."""


def whole_files(directory: Path) -> dict[str, list[bytes]]:
    """Return the lines of the files of whole days, in any order: the other files depend on when the command ran."""
    return {path.name: sorted(path.read_bytes().splitlines()) for path in sorted(directory.glob("*.om"))[:-1]}


def next_steps(error: str) -> str:
    """Return the end of what was said: what to do with the files."""
    return error[error.index("Then give the files to Prometheus") :]


def counters(state: Path) -> object:
    """Return the counters of the only node of a state file, except those of its exporter."""
    store = Store(state)
    try:
        saved = store.load("lnd")
        assert saved is not None
        return {counter: totals for counter, totals in saved.counters.items() if counter is not Counter.LND_CALLS}
    finally:
        store.close()


async def test_killed_again_and_again(command: Command) -> None:
    """Killed at random moments and continued, it writes the same samples and the same state as without any kill."""
    whole = command.directory / "whole"
    assert (await command.run(*SMALL, f"--output={whole}")).code == 0
    expected = counters(command.state)
    command.state = command.directory / "second.sqlite"

    broken, kills, points = command.directory / "broken", 0, set[bytes]()
    chance = random.Random(7)
    while kills < 40:
        process = await command.start(*SMALL, f"--labels={LABELS}", f"--output={broken}")
        point = broken / SAVE_POINT
        before = point.read_bytes() if point.exists() else b""
        for _ in range(200):  # until it has saved something new, and a random while longer
            await asyncio.sleep(0.02)
            if process.returncode is not None or (point.exists() and point.read_bytes() != before):
                break
        await asyncio.sleep(chance.uniform(0, 0.05))
        if process.returncode is not None:
            break
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        kills += 1
        points.add(point.read_bytes() if point.exists() else b"")
    assert (await command.run(*SMALL, f"--output={broken}")).code == 0
    assert len(points) >= 3, "it was killed at several places"
    assert whole_files(broken) == whole_files(whole), "samples differ"
    assert len(whole_files(whole)) >= 3
    assert counters(command.state) == expected
    assert not [*broken.rglob("*.part")]


async def test_a_second_run_adds_nothing(command: Command) -> None:
    """It says that all is there; into another directory it is refused, because the counters have it."""
    first = await command.run(*SMALL, "--output=" + str(command.directory / "past"))
    assert first.code == 0
    before = command.state.read_bytes()
    again = await command.run(*SMALL, "--output=" + str(command.directory / "past"))
    assert (again.code, again.output) == (0, "")
    done = f"{command.directory / 'past'} is complete: nothing is left to do. To begin again, name a new directory.\n"
    assert again.error == done + next_steps(first.error)
    mended = await command.run("--adopt", "--output=" + str(command.directory / "past"))
    assert (mended.code, "was begun with other labels" in mended.error) == (2, True)
    moved = (command.directory / "past").rename(command.directory / "moved")
    assert (await command.run(*SMALL, f"--output={moved}")).code == 0
    other = await command.run(*SMALL, "--output=" + str(command.directory / "other"))
    assert other.code == 2
    assert f"{command.state} has the history of lnd already: its counters began with it." in other.error
    without = await command.run(*SMALL[:-1], "--output=" + str(command.directory / "other"))
    assert without.code == 2
    assert f"The counters of lnd in {command.state} began with the sums of its history." in without.error
    assert command.state.read_bytes() == before


WRONG: list[tuple[list[str], list[str]]] = [
    ([f"--labels={LABELS}", "--adopt"], ["--output\n      is missing.", "Name a directory: --output=DIR"]),
    (["--output=x", "--adopt"], ["--labels\n      is missing", "Write those that Prometheus shows at /targets"]),
    (["--output=x", "--labels=job=a", "--adopt"], ["instance is missing."]),
    (["--output=x", "--labels=job=a,instance=b,node=c"], ["node is not a label of a target."]),
    (["--output=x", "--labels=job=a,instance=b,job=c"], ["job is given twice."]),
    (["--output=x", "--labels=job"], ["'job' is not a label."]),
    (["--output=x", f"--labels={LABELS}"], ["counts no node lnd.", "If none does yet, add --adopt"]),
    (["--output=x", f"--labels={LABELS}", "--adopt", "--step=10m"], ["10m is not between 1s and 5m."]),
    (["--output=x", f"--labels={LABELS}", "--adopt", "--since=1h", "--until=2h"], ["nothing is left."]),
    (["--output=x", f"--labels={LABELS}", "--storage.memory"], ["leaves nothing on disk that tells"]),
    (["--output=full", f"--labels={LABELS}", "--adopt"], ["full has files of something else."]),
    (["--output=/proc/x", f"--labels={LABELS}", "--adopt"], ["/proc/x can't be used (No such file or directory)."]),
    (["--output=file", f"--labels={LABELS}", "--adopt"], ["file can't be used (File exists)."]),
    (["--output=bad", f"--labels={LABELS}", "--adopt"], ["bad has a save point that can't be read"]),
]
"""Flags, and what is said about them."""


async def test_wrong_use(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake is said at once, with what would be right; nothing is written."""
    monkeypatch.chdir(command.directory)
    for name in ("full", "bad"):
        (command.directory / name).mkdir()
    (command.directory / "full" / "notes.txt").write_text("mine")
    (command.directory / "bad" / SAVE_POINT).write_text("{}")
    (command.directory / "file").write_text("")
    for flags, says in WRONG:
        process = await command.start(*flags)
        output, error = await process.communicate()
        assert (process.returncode, output) == (2, b""), flags
        missing = [each for each in says if each not in error.decode()]
        assert not missing, (flags, error.decode())
        assert not command.state.exists()


async def test_next_steps(command: Command) -> None:
    """Its commands work in a shell, in a directory with an odd name; there are none for files that aren't there."""
    odd = command.directory / "o'clock $HOME \"x"
    first = await command.run(*SMALL, f"--output={odd}", "--since=5h")
    assert first.code == 0
    assert f"Start the exporter now: in {command.state} its counters of lnd go on from these sums.\n" in first.error
    (command.directory / "promtool").write_text('#!/bin/sh\necho "$@"\n')
    (command.directory / "promtool").chmod(0o755)
    commands = [line for line in next_steps(first.error).splitlines() if line.startswith("  for file in ")]
    given = await asyncio.create_subprocess_shell(
        "\n".join(commands),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": f"{command.directory}:/usr/bin:/bin"},
    )
    output, _ = await given.communicate()
    files = [*sorted(odd.glob("*.om")), *sorted((odd / "later").glob("*.om"))]
    assert output.decode().splitlines() == [
        f"tsdb create-blocks-from -q openmetrics {file} PROMETHEUS_DATA" for file in files
    ]
    assert len(commands) == len({file.parent for file in files})


async def test_no_history(command: Command) -> None:
    """A span without a sample leaves nothing to give to Prometheus."""
    result = await command.run(*SMALL, f"--output={command.directory / 'none'}", "--until=9000d")
    assert result.code == 0
    assert "No series are written, so there is nothing to give to Prometheus.\n" in result.error
    assert "promtool" not in result.error


async def test_standard_output(command: Command) -> None:
    """One text with an end, and the samples are in order; it can't be continued."""
    result = await command.run(*SMALL, "--output=-", "--since=2h", "--step=5m")
    lines = result.output.splitlines()
    assert (result.code, lines[-1]) == (0, "# EOF")
    times = [float(line.split()[-1]) for line in lines if line.startswith("lnd_payments_started_total{")]
    assert times == sorted(times)
    assert 20 <= len(times) <= 25
    assert not [path for path in command.directory.iterdir() if path.suffix == ".om"]


@pytest.mark.parametrize("blocks", [4000, 5000])
async def test_a_disk_that_is_full(command: Command, blocks: int) -> None:
    """One line, exit code 1; what is there is continued when there is room again."""
    past = command.directory / "past"
    past.mkdir()
    words = command.words(f"--labels={LABELS}", *SMALL, f"--output={past}")
    limited = f"ulimit -f {blocks}; exec {' '.join(words)}"
    process = await asyncio.create_subprocess_shell(limited, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in error.decode()
    assert "can't be written (File too large). Run the same command again to continue.\n" in error.decode()
    assert (await command.run(*SMALL, f"--output={past}")).code == 0
