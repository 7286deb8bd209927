"""The arguments of `state export` and `state import`: a node, and files."""

from pathlib import Path

from exporter.config.commands import PROGRAM, Command
from exporter.config.model import HandoverConfig
from exporter.config.problems import FILE, NODE, InvalidValue, Problem
from exporter.config.raw import RawValue
from exporter.config.values import node_name

STREAM = "-"
"""The name of a file that means standard output or input."""


def read_handover(command: Command, names: list[str], problems: list[Problem]) -> HandoverConfig:
    """Return what is exported or imported; `names` are the arguments that aren't flags."""
    if command == "state import":
        if not names:
            fix = f"Write: {PROGRAM} state import FILE...; `state export` makes the files."
            problems.append(Problem(FILE, "The file to import is missing.", fix))
        return HandoverConfig("", tuple(_path(name, problems) for name in names))
    if not names:
        fix = f"Write: {PROGRAM} state export NODE FILE; `open` shows the nodes of the state file."
        problems.append(Problem(NODE, "The name of a node is missing.", fix))
        return HandoverConfig()
    node, *files = names
    try:
        node_name(node)
    except InvalidValue as error:
        problems.append(error.at(NODE))
    if len(files) > 1:
        problems.append(Problem(FILE, f"{files[1]!r} is one argument too many.", "One node at a time, to one file."))
    return HandoverConfig(node, tuple(_path(name, problems) for name in files[:1] or [STREAM]))


def _path(name: str, problems: list[Problem]) -> Path | None:
    """Return the absolute path; None for standard output or input, or if there is a problem."""
    if not name:
        problems.append(Problem(FILE, "The name of the file is empty.", "Is a variable of the shell not set?"))
    if name in ("", STREAM):
        return None
    try:
        return RawValue(name, FILE).path
    except InvalidValue as error:
        problems.append(error.at(FILE))
        return None
