"""The manual page: it describes all commands and settings, and nothing in it is taken for a macro by mistake."""

import re
import subprocess

import pytest

from exporter import __version__
from exporter.__main__ import main
from exporter.config import values
from exporter.config.commands import COMMANDS
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS
from tests.debian import need

MACROS = {"TH", "SH", "SS", "TP", "PP", "B", "nh", "ad", "in", "nf", "fi"}


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str]) -> str:
    """The source of the page."""
    assert main(["man"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def text_of(roff: str) -> str:
    """Return the words without macros and escapes."""
    lines = [re.sub(r"^\.(SH|SS|B) ", "", line) for line in roff.splitlines()]
    text = "\n".join(line for line in lines if not line.startswith("."))
    return " ".join(re.sub(r"\\(.)", lambda found: {"e": "\\", "&": ""}.get(found[1], found[1]), text).split())


def test_everything_is_described(page: str) -> None:
    """Each command with its details, its exit codes and its example, and each flag with its help text."""
    text = text_of(page)
    for command in COMMANDS.values():
        for words in (command.arguments, command.details, command.example, *command.exit_codes.values()):
            assert " ".join(words.split()) in text
    for setting in SETTINGS.values():
        value = "" if setting.switch else f"={setting.metavar}"
        assert f" {setting.flag}{value} " in text
        of_single_commands = all(setting.name in COMMANDS[name].flags for name in setting.commands)
        assert of_single_commands or setting.help in text
    assert "listen_address: :10019" in text


def test_only_macros_are_macros(page: str) -> None:
    """A line that begins with a dot is one of those that are meant; a backslash begins one of three escapes."""
    lines = page.splitlines()
    assert lines[1].endswith(f'"lnd-payments-exporter {__version__}" "User Commands"')
    assert {line[1:3].strip() for line in lines if line.startswith(".")} - {'\\"'} == MACROS
    assert [line for line in lines if line.startswith("'")] == []
    assert {*re.findall(r"\\(.)", page)} <= {"e", "-", "&", '"'}


def test_mandoc_finds_nothing_wrong(page: str) -> None:
    """Neither errors nor matters of style."""
    need("mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "all"], input=page, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_help_texts_are_only_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Dots and quotes at the beginning of a line, and backslashes, are shown as they are."""
    need("mandoc")
    for name, text in {"dot": ".SH dots", "quote": "'SH quotes", "backslash": r"C:\lnd\fB"}.items():
        monkeypatch.setitem(SETTINGS, name, Setting(name, "", values.switch, "false", ("man",), text))
    assert main(["man"]) == 0
    roff = capsys.readouterr().out
    shown = subprocess.run(["mandoc", "-T", "utf8"], input=roff, capture_output=True, text=True, check=True).stdout
    plain = re.sub(".\b", "", shown)  # bold letters are printed twice
    assert re.findall(r"--(dot|quote|backslash)\s+(\S.*)", plain) == [
        ("dot", ".SH dots"),
        ("quote", "'SH quotes"),
        ("backslash", r"C:\lnd\fB"),
    ]
