"""Writes the table into a document, between markers, with the date and the machine."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.bench import line
from tests.bench.line import Line

GROWTH = "growth"
SECTIONS = ("table", GROWTH)
"""The tables of a document."""
_CPU = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Return the date, the processor and Python's version."""
    models = [row.partition(":")[2].strip() for row in _CPU.read_text().splitlines() if row.startswith("model name")]
    processor = models[0] if models else platform.machine()
    return (
        f"{dt.datetime.now(dt.UTC).date()}, {os.cpu_count()} cores of {processor}, Python {platform.python_version()}"
    )


def markdown(lines: Sequence[Line], earlier: Sequence[Line] = ()) -> str:
    """Return the table as Markdown; with `earlier` lines it has a column of their values, and of ratios to the same."""
    before = {(each.group, each.name): each for each in earlier}
    columns = ["figure", *(["before"] if earlier else []), "measured", "compared with, in the same run", "ratio"]
    columns += ["goal", "met"]
    rows = [columns, ["---"] * len(columns)]
    for each in lines:
        old = before.get((each.group, each.name))
        same = old is not None and old.ratio is not None and old.compared_with == each.compared_with
        ratio = f", {line.ratio_text(old)}" if old and same else ""
        rows.append(
            [
                f"{each.group}: {line.full_name(each)}",
                *([f"{line.number(old.value)} {old.unit}{ratio}" if old else ""] if earlier else []),
                line.value_text(each),
                line.baseline_text(each),
                line.ratio_text(each),
                line.goal_text(each),
                line.met_text(each),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_into(document: Path, lines: Sequence[Line], machine: str, earlier: Sequence[Line] = ()) -> None:
    """Replace the tables of a document: the growth of costs has one of its own, if it was measured.

    Raises ValueError if the document lacks the markers of a table.
    """
    text = document.read_text()
    for name in SECTIONS:
        chosen = [each for each in lines if (each.group == GROWTH) == (name == GROWTH)]
        if chosen:
            text = _replaced(text, name, f"{machine}.\n\n{markdown(chosen, earlier)}")
    document.write_text(text)


def markers(name: str) -> tuple[str, str]:
    """Return the lines before and after a table."""
    return f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"


def _replaced(text: str, name: str, content: str) -> str:
    first, last = markers(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document has no lines {first} and {last}")
    return f"{before}{first}\n{content}\n{last}{after}"
