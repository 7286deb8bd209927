"""The command as a process that is broken off at bad moments: by signals, by another run, by what is in its files."""

import asyncio
import json
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from exporter.backfill.output import SAVE_POINT
from tests.backfill.process import LABELS, Command, Result
from tests.bench.fake_lnd import fake_lnd

PAST = "past"
SMALL = (f"--labels={LABELS}", "--metrics.without=peers,amounts,attempt-histograms,fee-histograms", "--adopt")


async def until_there(directory: Path, pattern: str, process: Process) -> None:
    """Wait until there is such a file in a directory, or the process has ended."""
    while process.returncode is None and not [*directory.glob(pattern)]:  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)


async def stopped(command: Command, number: signal.Signals, *flags: str, there: str = "*.om") -> Result:
    """Start it, send a signal as soon as there is a file in its directory, and return what it leaves."""
    process = await command.start(*SMALL, f"--output={command.directory / PAST}", *flags)
    await until_there(command.directory / PAST, there, process)
    process.send_signal(number)
    output, error = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode is not None
    return Result(process.returncode, output.decode(), error.decode())


async def test_signals_are_heard_in_years_without_payments(tmp_path: Path) -> None:
    """They end it with 128 plus their number, though it waits for nothing then."""
    async with fake_lnd(tmp_path) as lnd:
        await lnd.remember(20, 3000.0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            command = Command(lnd, tmp_path / number.name)
            command.directory.mkdir()
            result = await stopped(command, number, "--step=60s")
            assert (result.code, result.output) == (128 + number, "")
            assert "Traceback" not in result.error
            assert not command.state.exists()


async def test_two_at_once(command: Command) -> None:
    """The second one is refused, and disturbs nothing: the first one writes what it writes alone."""
    past = command.directory / PAST
    first = await command.start(*SMALL, f"--output={past}")
    await until_there(past, "*.part", first)
    first.send_signal(signal.SIGSTOP)
    second = await command.run(*SMALL[1:], f"--output={past}")
    first.send_signal(signal.SIGCONT)
    assert second.code == 2
    assert f"Another run of `backfill` writes to {past} now." in second.error
    await first.communicate()
    assert first.returncode == 0
    assert all(path.read_text().endswith("# EOF\n") for path in past.rglob("*.om"))
    assert not [*past.rglob("*.part")]


async def test_killed_before_the_first_save_point(command: Command) -> None:
    """The files that it has left are written anew, and nothing of them stays."""
    past = command.directory / PAST
    await stopped(command, signal.SIGKILL)
    (past / SAVE_POINT).unlink(missing_ok=True)
    (past / f"{SAVE_POINT}.new").write_text("{")
    (past / "20200101T0000Z.om").write_text("of other labels")
    result = await command.run(*SMALL[1:], f"--output={past}")
    assert result.code == 0, result.error
    assert all(path.read_text().endswith("# EOF\n") for path in past.rglob("*.om"))


async def test_a_link_in_place_of_the_save_point(command: Command) -> None:
    """What it leads to is left alone, and the save point, which has payment hashes, is readable for its owner only."""
    past, other = command.directory / "past", command.directory / "other"
    await stopped(command, signal.SIGKILL)
    other.write_text("mine")
    new = past / f"{SAVE_POINT}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(other)
    assert (await command.run(*SMALL[1:], f"--output={past}")).code == 0
    assert other.read_text() == "mine"
    assert (past / SAVE_POINT).stat().st_mode & 0o777 == 0o600


async def test_the_directory_is_removed_meanwhile(command: Command) -> None:
    """One line: it isn't made again, or only a part of the past would be in it, and counted as all of it."""
    past = command.directory / PAST
    process = await command.start(*SMALL, f"--output={past}")
    await until_there(past, "*.om", process)
    process.send_signal(signal.SIGSTOP)
    past.rename(command.directory / "elsewhere")
    process.send_signal(signal.SIGCONT)
    _, error = await process.communicate()
    assert (process.returncode, past.exists(), command.state.exists()) == (1, False, False)
    said = error.decode().splitlines()[-1]
    assert said.endswith("can't be written (No such file or directory). Run the same command again to continue.")


async def test_complete_without_the_state(command: Command) -> None:
    """The state file was reset, or is another one: that the directory is complete isn't all that is to be said."""
    past = command.directory / PAST
    assert (await command.run(*SMALL[1:], f"--output={past}")).code == 0
    command.state = command.directory / "other.sqlite"
    result = await command.run(*SMALL[1:], f"--output={past}")
    assert result.code == 2
    assert "is complete, but the state file doesn't have its sums" in result.error
    assert "To begin again, name a new directory." in result.error
    assert not command.state.exists()


async def test_written_in_part_and_adopted_by_another_run(command: Command) -> None:
    """The part isn't taken for the whole; but the whole is, if only the last word about it was not written."""
    past, other = command.directory / PAST, command.directory / "other"
    await stopped(command, signal.SIGKILL, there=SAVE_POINT)
    assert (await command.run(*SMALL[1:], f"--output={other}")).code == 0
    part = await command.run(*SMALL[1:], f"--output={past}")
    assert part.code == 2
    assert f"{past} is written in part" in part.error
    point = json.loads((other / SAVE_POINT).read_text())
    assert (point["written"], point["done"]) == (False, True)
    (other / SAVE_POINT).write_text(json.dumps(point | {"written": True, "done": False}))
    whole = await command.run(*SMALL[1:], f"--output={other}")
    assert whole.code == 0
    assert f"{other} is complete: nothing is left to do." in whole.error


WRONG: dict[str, object] = {
    "step_ns": 0,
    "last_read": [],
    "version": 99,
    "counters": 5,
    "histograms": [["fee", ["payment"], [1], 1]],
}
"""Fields of a save point, and values that none has."""


@pytest.mark.parametrize("field", [*WRONG, ""])
async def test_a_save_point_of_something_else(command: Command, field: str) -> None:
    """One error, exit code 2, and nothing is changed: also if it was cut off."""
    past = command.directory / PAST
    await stopped(command, signal.SIGKILL, there=SAVE_POINT)
    text = (past / SAVE_POINT).read_text()
    wrong = json.dumps(json.loads(text) | {field: WRONG[field]}) if field else text[: len(text) // 2]
    (past / SAVE_POINT).write_text(wrong)
    before = {path: path.read_bytes() for path in past.rglob("*.om")}
    result = await command.run(*SMALL[1:], f"--output={past}")
    assert result.code == 2
    assert "has a save point that can't be read (" in result.error
    assert "Traceback" not in result.error
    assert {path: path.read_bytes() for path in past.rglob("*.om")} == before
