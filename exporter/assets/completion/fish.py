"""The script that completes the command line in fish."""

from collections.abc import Iterator
from typing import Any

from exporter.assets.completion.table import DIRECTORY, FIRST, SECOND, STATE, arguments_of, is_path, short
from exporter.config.assets import SHELLS
from exporter.config.commands import COMMANDS, PROGRAM
from exporter.config.problems import FILE, SHELL
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS

_HEAD = f"""\
# Completion of {PROGRAM} for fish, made by `{PROGRAM} completion fish`.
function __lnd_payments_exporter_in --description 'whether the command line is of one of these commands'
    set -l words (commandline -opc)[2..]
    switch "$words[1]"
        case '' '-*'
            contains run $argv
        case {STATE}
            contains -- "$words[1..2]" $argv
        case '*'
            contains -- "$words[1]" $argv
    end
end
function __lnd_payments_exporter_last --description 'complete the last one of several words with commas'
    set -l before (commandline -t | string replace -r '^--[^=]*=' '' | string replace -r '[^,]*$' '')
    printf '%s\\n' "$before"$argv
end
"""
_BEFORE_ALL = "test (count (commandline -opc)) = 1"


def script() -> str:
    """Return the script, for fish 3.4 or newer."""
    return _HEAD + "".join(f"complete -c {PROGRAM} {line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    """Yield the arguments of `complete`."""
    yield "-f"
    yield "-l help -d 'print a help text'"
    yield "-l version -d 'print the version'"
    for word, text in FIRST.items():
        yield f"-n {_quoted(_BEFORE_ALL)} -a {word} -d {_quoted(text)}"
    for word, text in SECOND.items():
        yield f"-n {_quoted(f'__lnd_payments_exporter_in {STATE}')} -a {word} -d {_quoted(text)}"
    for command in COMMANDS:
        placeholders = [each.removesuffix("...") for each in arguments_of(command)]
        condition = _quoted(f"__lnd_payments_exporter_in {_quoted(command)}")
        if FILE in placeholders:
            yield f"-n {condition} -F"
        if SHELL in placeholders:
            yield f"-n {condition} -a {_quoted(' '.join(SHELLS))}"
    for setting in SETTINGS.values():
        condition = f"__lnd_payments_exporter_in {' '.join(map(_quoted, setting.commands))}"
        yield f"-n {_quoted(condition)} -l {setting.name}{_value(setting)} -d {_quoted(short(setting.help))}"


def _quoted(text: str) -> str:
    """Return the text in quotes, in which fish, unlike other shells, reads backslashes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _value(setting: Setting[Any]) -> str:
    """Return how `complete` is told of the value of a flag."""
    if setting.switch:
        return ""
    if setting.words:
        words = " ".join(setting.words)
        return f" -x -a {_quoted(f'(__lnd_payments_exporter_last {words})' if setting.several else words)}"
    if setting.metavar == DIRECTORY:
        return " -x -a '(__fish_complete_directories)'"
    return " -r -F" if is_path(setting) else " -x"
