"""What all shells complete: the words of commands, and the values of flags and arguments."""

import textwrap
from typing import Any

from exporter.config import values
from exporter.config.commands import COMMANDS, OF_STATE, Command
from exporter.config.problems import FILE
from exporter.config.setting import Setting

STATE = "state"
FIRST = {name.partition(" ")[0]: text.summary for name, text in COMMANDS.items()} | {
    STATE: "move the state of a node to another exporter"
}
"""The words that a command line may begin with, and what they do."""
SECOND = {name.removeprefix(f"{STATE} "): COMMANDS[name].summary for name in OF_STATE}
"""The words that may follow `state`."""
ALWAYS = {"--help": "print the text of --help", "--version": "print the version"}
DIRECTORY = "DIR"
_PATHS = (FILE, "PATH", DIRECTORY)
_LONGEST = 70


def short(text: str) -> str:
    """Return the beginning of a help text, for one line of a list."""
    return textwrap.shorten(text, _LONGEST, placeholder=" ...")


def is_path(setting: Setting[Any]) -> bool:
    """Return whether the value of a flag is a file or a directory."""
    return setting.metavar in _PATHS and setting.parse is values.text  # other paths are those of URLs


def assigned(setting: Setting[Any]) -> str:
    """Return the flag, with `=` if a value follows."""
    return setting.flag + "=" * (not setting.switch)


def arguments_of(command: Command) -> list[str]:
    """Return the placeholders of the arguments that aren't flags; `...` ends one that may be repeated."""
    words = COMMANDS[command].arguments.removeprefix(command).replace("[", "").replace("]", "").split()
    return [word for word in words if word.isupper() and word != "FLAGS" and "-" not in word]
