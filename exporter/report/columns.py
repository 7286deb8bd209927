"""Lays out rows of cells as lines of text: numbers to the right, names to the left, within the width of a terminal."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

GAP = "  "
MIN_NAME = 12
"""Cells that a name gets, however narrow the terminal is."""


class Row(NamedTuple):
    """A row: its name, numbers, and a remark, each of which may be shortened to what fits."""

    name: str
    numbers: tuple[str, ...] = ()
    remark: tuple[str, ...] = ()
    """The parts of the remark, the most important first."""


def lay_out(title: Row, rows: Sequence[Row], total: Row | None, width: int | None) -> Iterator[Text]:
    """Yield the lines of a table with a title line and perhaps a total; `width` None: as wide as they are.

    Names that are too long are cut. Remarks end where the terminal does, and are left out if most wouldn't fit.
    """
    every = [title, *rows, *([total] if total else [])]
    sizes = [max(len(cell) for cell in cells) for cells in zip(*(row.numbers for row in every), strict=True)]
    numbers = sum(len(GAP) + size for size in sizes)
    longest = max(cell_len(row.name) for row in every)
    name = longest if width is None else min(longest, max(MIN_NAME, width - len(GAP) - numbers))
    room = None if width is None else width - 2 * len(GAP) - name - numbers
    remarks = room is None or room >= max(cell_len(_remark(row.remark[:1])) for row in every) + 4 * bool(rows)
    for row in every:
        cells = [f"{cell:>{size}}" for cell, size in zip(row.numbers, sizes, strict=True)]
        line = GAP + GAP.join([_fit(row.name, name), *cells])
        if remarks and row.remark:
            line += GAP + _shortened(row.remark, room)
        yield Text(line.rstrip(), style="dim" if row is title else "bold" if row is total else "", no_wrap=True)


def _fit(name: str, size: int) -> str:
    """Return a name in exactly this many cells."""
    return set_cell_size(name, size - 1) + "…" if cell_len(name) > size else set_cell_size(name, size)


def _remark(parts: Sequence[str]) -> str:
    return ", ".join(parts)


def _shortened(parts: Sequence[str], room: int | None) -> str:
    """Return as many parts as fit, and a sign that there are more."""
    whole = _remark(parts)
    if room is None or cell_len(whole) <= room:
        return whole
    for count in range(len(parts) - 1, 0, -1):
        some = f"{_remark(parts[:count])}, …"
        if cell_len(some) <= room:
            return some
    return "…"
