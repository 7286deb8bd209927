"""The manual page in roff, made from the tables of commands and settings."""

import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from exporter import __version__
from exporter.config.command_help import CommandHelp
from exporter.config.commands import COMMANDS, PROGRAM, Command
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS
from exporter.config.usage import ABOUT, CONFIGURATION, GROUPS, flags_of, help_of

_WIDTH = 65
"""Columns of a paragraph in the source, where a dash takes two."""
_OF_A_COMMAND = "command"
"""The group of settings that OPTIONS leaves out: they are described at their commands."""


def page() -> str:
    """Return the page, for `man` and `mandoc`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.\\" Made by `{PROGRAM} man`.'
    today = datetime.now(UTC).date()  # there is no other date: the page is made when it is printed
    yield f'.TH {PROGRAM.upper()} 1 "{today}" "{PROGRAM} {__version__}" "User Commands"'
    yield from (".nh", ".ad l")  # flags that are broken in two could not be copied
    yield from (".SH NAME", f"{_escaped(PROGRAM)} \\-", *_filled(ABOUT))
    yield from (".SH SYNOPSIS", f".B {_escaped(PROGRAM)}", "[COMMAND] [FLAGS]")
    yield ".SH COMMANDS"
    for command, text in COMMANDS.items():
        yield from _command(command, text)
    yield ".SH OPTIONS"
    for group, title in GROUPS.items():
        if group != _OF_A_COMMAND:
            yield f".SS {_escaped(title)}"
            for setting in SETTINGS.values():
                if setting.group == group:
                    yield from _flag(setting, help_of(setting, "run"))
    yield from (".SH CONFIGURATION", *_verbatim(CONFIGURATION))


def _command(command: Command, text: CommandHelp) -> Iterator[str]:
    yield f".SS {_escaped(text.arguments)}"
    yield from _filled(text.details or f"{text.summary[0].upper()}{text.summary[1:]}.")
    described_below = []
    for setting in flags_of(command):
        if setting.group == _OF_A_COMMAND or setting.name in text.flags:
            yield from _flag(setting, help_of(setting, command))
        else:
            described_below.append(setting.flag)
    if described_below:
        yield from (".PP", *_filled(f"And, of OPTIONS: {', '.join(described_below)}"))
    if text.example:
        yield from (".PP", "Example:", ".PP", *_verbatim(f"{PROGRAM} {text.example}"))
    yield from (".PP", "Exit codes:")
    for code, meaning in text.exit_codes.items():
        yield from (".TP", code, *_filled(meaning))


def _flag(setting: Setting[Any], text: str) -> Iterator[str]:
    value = "" if setting.switch else f"={setting.metavar}"
    yield from (".TP", f".B {_escaped(setting.flag + value)}", *_filled(text))


def _verbatim(text: str) -> Iterator[str]:
    """Yield lines that are shown as they are."""
    yield from (".in +2n", ".nf", *map(_escaped, text.splitlines()), ".fi", ".in")


def _filled(text: str) -> Iterator[str]:
    """Yield a paragraph in lines that are no longer than `mandoc -T lint` likes them."""
    yield from map(_escaped, textwrap.wrap(text, _WIDTH, break_on_hyphens=False))


def _escaped(line: str) -> str:
    """Return a line without the special meaning of backslashes, of dashes, and of a dot at its beginning."""
    return re.sub(r"^(?=[.'])", r"\\&", line.replace("\\", "\\e").replace("-", "\\-"))
