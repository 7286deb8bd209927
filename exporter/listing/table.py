"""Prints the payments in flight as a table: two lines per payment, because its hash fills a line of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from exporter.listing.lines import print_line
from exporter.listing.report import NodeReport, Report
from exporter.payments.description import FirstHop, PaymentInFlight
from exporter.payments.inflight import blocks_left as band_of
from exporter.payments.labels import BlocksLeft, Mode, Reason
from exporter.text import STATE_TEXT, format_duration, format_sat, sanitize, with_spaces

STALE_AFTER_S = 600
"""A running exporter writes the state of a followed node every minute, as long as lnd answers within five minutes."""
MIN_HOP_WIDTH = 12
"""Cells that a first hop gets, however narrow the terminal is."""

GIVEN_UP: dict[Reason, str] = {
    Reason.TIMEOUT: "timeout",
    Reason.NO_ROUTE: "no route",
    Reason.ERROR: "error",
    Reason.INCORRECT_PAYMENT_DETAILS: "refused",
    Reason.INSUFFICIENT_BALANCE: "balance",
    Reason.CANCELED: "canceled",
    Reason.NONE: "",
    Reason.OTHER: "other",
}
_ALARM = "red"
_COLOUR: dict[BlocksLeft, str] = {
    BlocksLeft.EXPIRED: _ALARM,
    BlocksLeft.UNDER_36: _ALARM,
    BlocksLeft.UNDER_144: "yellow",
}


class _Row(NamedTuple):
    """The second line of a payment."""

    age: str
    sat: str
    htlcs: str
    blocks: str
    status: str
    hops: tuple[str, ...]


_TITLES = _Row("age", "sat", "HTLCs", "blocks left", "status", ("first hop",))


def print_table(report: Report, console: Console | None = None) -> None:
    """Print the report, by default to stdout: on a terminal in colours and cut to its width, elsewhere whole."""
    console = console or Console()
    if not report.nodes:
        print_line(console, Text("The state file contains no nodes yet."))
    for number, node in enumerate(report.nodes):
        if number:
            print_line(console, Text())
        for line in _lines(node, report, console.width if console.is_terminal else None):
            print_line(console, line)


def _lines(node: NodeReport, report: Report, width: int | None) -> Iterator[Text]:
    minimum = f" for {format_duration(report.older_than_s)} or longer" if report.older_than_s else ""
    count = len(node.payments)
    order = ", oldest first" if count > 1 else ""
    payments = f"{count:,} payment{'s' * (count != 1)}" if count else "nothing"
    yield Text(f"{node.name}: {payments} in flight{minimum}{order}", style="bold")
    if warning := freshness(node, report.now_s, running=report.running):
        yield Text(warning, style="yellow")
    if not count:
        return
    rows = [_row(node, payment) for payment in node.payments]
    widths = [max(map(len, column)) for column in list(zip(_TITLES, *rows, strict=True))[:-1]]
    yield Text(next(_format_row(_TITLES, widths, width)), style="dim", no_wrap=True)
    for payment, row in zip(node.payments, rows, strict=True):
        yield Text(payment.payment_hash, no_wrap=True)
        for line in _format_row(row, widths, width):
            style = _ALARM if payment.ghosts else _style(node.blocks_left(payment))
            yield Text(line, style=style, no_wrap=True)


def freshness(node: NodeReport, now_s: int, *, running: bool) -> str:
    """Return why the payments shown may be out of date, as of `now_s`, seconds since 1970; empty if they aren't."""
    if node.following and now_s - node.written_s <= STALE_AFTER_S:
        return "Payments are listed once a minute (--lnd.final-updates-only)." if node.mode is Mode.FINAL else ""
    if node.following:
        when = format_time(node.written_s, now_s)
        return f"The state of this node was last written at {when}: is the disk full?"
    state = "it is not in the exporter's configuration" if node.left else STATE_TEXT[node.state]
    reason = f"The node is not followed: {state}." if running else "The exporter is not running."
    return reason + (f" This is the state at {format_time(node.followed_s, now_s)}." if node.followed_s else "")


def format_time(then_s: int, now_s: int) -> str:
    """Return a time, seconds since 1970, and how long ago it is."""
    return f"{datetime.fromtimestamp(then_s, UTC):%Y-%m-%d %H:%M:%S} UTC, {format_duration(max(0, now_s - then_s))} ago"


def _row(node: NodeReport, payment: PaymentInFlight) -> _Row:
    left = node.blocks_left(payment)
    unknown = "?" if payment.htlcs else "-"
    status = with_spaces(payment.status) if payment.given_up is None else f"given up: {GIVEN_UP[payment.given_up]}"
    return _Row(
        format_duration(payment.age_s),
        format_sat(payment.amount_msat),
        str(payment.htlcs),
        unknown if left is None else f"{'~' * node.estimated}{left}",
        f"{status}, {payment.ghosts} on no channel" if payment.ghosts else status,
        tuple(map(_format_hop, payment.first_hops)) or ("-",),
    )


def _format_hop(hop: FirstHop) -> str:
    name = sanitize(hop.alias) or hop.pubkey or "?"
    return name if hop.htlcs == 1 else f"{hop.htlcs}x {name}"


def _style(left: int | None) -> str:
    return "" if left is None else _COLOUR.get(band_of(left), "")


def _format_row(row: _Row, widths: list[int], width: int | None) -> Iterator[str]:
    """Yield the lines of a row: one per first hop."""
    *numbers, status, hops = row
    cells = [f"{number:>{size}}" for number, size in zip(numbers, widths, strict=False)]
    left = "  " + "  ".join([*cells, f"{status:<{widths[-1]}}"]) + "  "
    room = max(MIN_HOP_WIDTH, width - len(left)) if width else None
    for start, hop in zip_longest([left], hops, fillvalue=" " * len(left)):
        yield start + (hop if room is None or cell_len(hop) <= room else set_cell_size(hop, room - 1) + "…")
