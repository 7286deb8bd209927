"""Prints the lines of a table: on a terminal those that are too long are broken between words."""

from rich.console import Console
from rich.text import Text

MIN_WIDTH = 20
"""Columns into which words are put, however narrow the terminal is."""
CONTINUED = 2
"""Blanks before the rest of a line that was broken, beside those that the line begins with."""


def print_text(text: str) -> None:
    """Print several lines of text to stdout."""
    console = Console()
    for line in text.splitlines():
        print_line(console, Text(line))


def print_line(console: Console, line: Text) -> None:
    """Print a line of text; elsewhere than on a terminal, and with `no_wrap`, in one piece."""
    if console.is_terminal and not line.no_wrap and line.cell_len > console.width:
        indent = len(line.plain) - len(line.plain.lstrip())
        first, *rest = line[indent:].wrap(console, max(MIN_WIDTH, console.width - indent - CONTINUED))
        pieces = [Text(" " * indent) + first, *(Text(" " * (indent + CONTINUED)) + piece for piece in rest)]
    else:
        pieces = [line]
    for piece in pieces:
        piece.rstrip()
        console.print(piece, soft_wrap=True, highlight=False)
