"""Writes the table into a document, between two markers, with the date and the machine."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.bench import line
from tests.bench.line import Line

BEGIN, END = "<!-- bench -->", "<!-- end of bench -->"
_CPU = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Return the date, the processor and Python's version."""
    models = [row.partition(":")[2].strip() for row in _CPU.read_text().splitlines() if row.startswith("model name")]
    today = dt.datetime.now(dt.UTC).date()
    return (
        f"{today}, {os.cpu_count()} x {models[0] if models else platform.machine()}, Python {platform.python_version()}"
    )


def markdown(lines: Sequence[Line]) -> str:
    """Return the table as Markdown."""
    rows = [
        "| figure | measured | compared with, in the same run | ratio | goal | met |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in lines:
        cells = (
            f"{each.group}: {each.name}",
            line.value_text(each),
            line.baseline_text(each),
            line.ratio_text(each),
            line.goal_text(each),
            line.met_text(each),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def write_into(document: Path, lines: Sequence[Line]) -> None:
    """Replace what is between the markers of a document. Raises ValueError if it has none."""
    text = document.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no lines {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n{describe_machine()}\n\n{markdown(lines)}\n{END}{after}")
