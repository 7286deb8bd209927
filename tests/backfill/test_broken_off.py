"""The command as a process that is broken off at bad moments: by signals, by another run, by what is in its files."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from exporter.backfill.output import SAVE_POINT
from tests.backfill.process import LABELS, Command, Result
from tests.bench.fake_lnd import fake_lnd

PAST = "past"
SMALL = (f"--labels={LABELS}", "--metrics.without=peers,amounts,attempt-histograms,fee-histograms", "--adopt")


async def stopped(command: Command, number: signal.Signals, *flags: str, there: str = "*.om") -> Result:
    """Start it, send a signal as soon as there is a file in its directory, and return what it leaves."""
    process = await command.start(*SMALL, f"--output={command.directory / PAST}", *flags)
    while process.returncode is None and not [*(command.directory / PAST).glob(there)]:
        await asyncio.sleep(0.02)
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
    while not [*past.glob("*.part")]:
        await asyncio.sleep(0.02)
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
    assert os.listdir(past)
