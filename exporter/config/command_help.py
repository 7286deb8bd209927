"""What the `--help` of a command consists of, and texts that several commands share."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

STOPPED = "stopped by Ctrl-C or SIGTERM"
BUG = "stopped by a bug, which the log shows"
UNWRITABLE = "the output can't be written"
NO_STDOUT = "standard output can't be written"
BAD_CALL = "the command line is wrong"
WRONG = "the command line or the configuration is wrong"


class CommandHelp(NamedTuple):
    """The parts of a command's `--help`, except its flags."""

    arguments: str
    """The command and its arguments."""
    summary: str
    """For the list of commands."""
    exit_codes: dict[str, str]
    details: str = ""
    example: str = ""
    """The arguments of a useful call."""
    flags: Mapping[str, str] = MappingProxyType({})
    """Help texts of settings that mean something else for this command, by name."""
