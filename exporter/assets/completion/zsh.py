"""The script that completes the command line in zsh."""

import re
from collections.abc import Mapping
from shlex import quote
from typing import Any

from exporter.assets.completion.table import (
    ALWAYS,
    DIRECTORY,
    FIRST,
    SECOND,
    STATE,
    arguments_of,
    assigned,
    is_path,
    short,
)
from exporter.config.assets import SHELLS
from exporter.config.commands import COMMANDS, PROGRAM, Command
from exporter.config.problems import FILE, SHELL
from exporter.config.setting import Setting
from exporter.config.usage import flags_of, help_of

_SCRIPT = """\
#compdef {program}
# Completion of {program} for zsh, made by `{program} completion zsh`.
_lnd_payments_exporter() {{
    local command=run
    local -a known
    if [[ $words[2] != -* ]]; then
        if (( CURRENT == 2 )); then
            known=({first})
            _describe command known
            return
        fi
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    if [[ $command == {state} ]]; then
        if (( CURRENT == 2 )); then
            known=({second})
            _describe command known
            return
        fi
        command="{state} $words[2]"
        shift words
        (( CURRENT-- ))
    fi
    case $command in
{flags}
    esac
    _arguments $known {always}
}}
_lnd_payments_exporter "$@"
"""


def script() -> str:
    """Return the script, which zsh loads from a directory of `$fpath`."""
    return _SCRIPT.format(
        program=PROGRAM,
        state=STATE,
        first=_described(FIRST),
        second=_described(SECOND),
        always=" ".join(quote(f"{flag}[{text}]") for flag, text in ALWAYS.items()),
        flags="\n".join(f"        {quote(command)}) known=({_known(command)}) ;;" for command in COMMANDS),
    )


def _described(words: Mapping[str, str]) -> str:
    return " ".join(quote(f"{word}:{text}") for word, text in words.items())


def _known(command: Command) -> str:
    """Return what `_arguments` is told of a command."""
    flags = [_flag(each, help_of(each, command)) for each in flags_of(command)]
    return " ".join(map(quote, [*flags, *map(_argument, arguments_of(command))]))


def _flag(setting: Setting[Any], text: str) -> str:
    shown = re.sub(r"([][:\\])", r"\\\1", short(text))
    flag = f"{'*' * setting.several}{assigned(setting)}[{shown}]"
    if setting.switch:
        return flag
    action = " "
    if setting.words:
        one, words = setting.metavar.partition(",")[0], " ".join(setting.words)
        action = f"_values -s , {one} {words}" if setting.several else f"({words})"
    elif is_path(setting):
        action = "_files -/" if setting.metavar == DIRECTORY else "_files"
    return f"{flag}:{setting.metavar.replace(':', ' ')}:{action}"


def _argument(name: str) -> str:
    one = name.removesuffix("...")
    action = {FILE: "_files", SHELL: f"({' '.join(SHELLS)})"}.get(one, " ")
    return f"{'*' * (one != name)}:{one}:{action}"
