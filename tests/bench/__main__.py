"""`make bench`: measure, and show one table. ARGS chooses groups, lines, the size, and where the table is written."""

import argparse
import asyncio
import compileall
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import exporter
from tests.bench import group_decode, group_growth, group_history, group_page, group_process, group_stream, line
from tests.bench.document import describe_machine, write_into
from tests.bench.line import NORMAL, QUICK, Line, Measure, Scale

GROUPS: Mapping[str, Measure] = {
    group_stream.GROUP: group_stream.measure,
    group_decode.GROUP: group_decode.measure,
    group_page.GROUP: group_page.measure,
    group_process.GROUP: group_process.measure,
    group_history.GROUP: group_history.measure,
    group_growth.GROUP: group_growth.measure,
}
"""The groups by name, in the order of the table."""

_WIDTH = 200
"""Of the table, characters, where the output is no terminal."""


async def measure(groups: Sequence[str], scale: Scale, console: Console, written: Path | None) -> list[Line]:
    """Measure groups; show and write each line as soon as it is measured.

    Nothing moves on the terminal meanwhile, for that would cost CPU.
    """
    lines: list[Line] = []
    for group in groups:
        console.print(f"{group}: measuring", style="bold", highlight=False)
        async for each in GROUPS[group](scale):
            if not scale.wants(each.name):
                continue
            lines.append(each)
            if written:
                _write(written, lines, scale)
            text = f"  {each.name}: {line.value_text(each)}"
            if each.ratio is not None:
                text += f", {line.ratio_text(each)} {each.compared_with}"
            if each.goal:
                text += f", goal {line.goal_text(each)}: {line.met_text(each)}"
            console.print(text, highlight=False, markup=False)
    return lines


def table(lines: Sequence[Line]) -> Table:
    """Return the table."""
    shown = Table("group", "figure", "measured", "compared with", "ratio", "goal", "met")
    for each in lines:
        shown.add_row(
            each.group,
            line.full_name(each),
            line.value_text(each),
            line.baseline_text(each),
            line.ratio_text(each),
            line.goal_text(each),
            line.met_text(each),
        )
    return shown


def _write(file: Path, lines: Sequence[Line], scale: Scale) -> None:
    content = {"machine": describe_machine(), "scale": scale._asdict(), "lines": [line.as_json(each) for each in lines]}
    file.write_text(json.dumps(content, indent=1) + "\n")


def _read(file: Path) -> list[Line]:
    content: dict[str, Any] = json.loads(file.read_text())
    return [line.from_json(each) for each in content["lines"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"any of {', '.join(GROUPS)}; by default all")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="only show that it works: the figures mean nothing")
    parser.add_argument("--full", action="store_true", help="long lines in full size: a burst of 50,000, a million ...")
    parser.add_argument("--repeat", type=int, metavar="N", help=f"repetitions, by default {NORMAL.repetitions}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--read", type=Path, metavar="FILE", help="show what --json wrote instead of measuring")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into this document")
    parser.add_argument("--before", type=Path, metavar="FILE", help="what --json wrote earlier: a column of --write")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 also if a goal is missed, for another machine is another figure."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if unknown := [group for group in arguments.groups if group not in GROUPS]:
        parser.error(f"no group is called {', '.join(unknown)}")
    scale = (QUICK if arguments.quick else NORMAL)._replace(full=arguments.full, only=arguments.only)
    if arguments.repeat:
        scale = scale._replace(repetitions=arguments.repeat)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for package in exporter.__path__:  # as pip compiles it: compiling at a start costs seconds, and memory
        compileall.compile_dir(package, quiet=2)
    machine = describe_machine()
    if arguments.read:
        lines, machine = _read(arguments.read), json.loads(arguments.read.read_text())["machine"]
    else:
        lines = asyncio.run(measure(arguments.groups or list(GROUPS), scale, console, arguments.json))
    console.print(table(lines))
    if arguments.write:
        write_into(arguments.write, lines, machine, _read(arguments.before) if arguments.before else [])
    return 0


if __name__ == "__main__":
    sys.exit(main())
