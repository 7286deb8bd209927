"""What is in flight as a table: two lines a payment, for a hash leaves no room beside it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise, zip_longest
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from exporter.listing import Node, Report
from exporter.metrics.foreign import clean
from exporter.payments.description import FirstHop, PaymentInFlight
from exporter.payments.inflight import blocks_left as band_of
from exporter.payments.labels import MSAT_PER_SAT, BlocksLeft, Mode, NodeState, Reason

SILENT_S = 600
"""An exporter that follows a node writes of it once a minute, if lnd answers at all within five."""
LEAST_HOP = 12
"""Cells that a first hop gets, however narrow the terminal is."""

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_GIVEN_UP: dict[Reason, str] = {
    Reason.TIMEOUT: "timeout",
    Reason.NO_ROUTE: "no route",
    Reason.ERROR: "error",
    Reason.INCORRECT_PAYMENT_DETAILS: "refused",
    Reason.INSUFFICIENT_BALANCE: "balance",
    Reason.CANCELED: "canceled",
    Reason.NONE: "",
    Reason.OTHER: "other",
}
STATE: dict[NodeState, str] = {
    NodeState.UNREACHABLE: "lnd doesn't answer",
    NodeState.NO_WALLET: "lnd has no wallet",
    NodeState.LOCKED: "the wallet is locked",
    NodeState.STARTING: "lnd is starting",
    NodeState.READY: "its updates aren't flowing yet",
    NodeState.DENIED: "lnd refuses the macaroon",
    NodeState.WRONG_NODE: "another node answers",
}
"""Why nothing is heard of a node."""
_URGENT: dict[BlocksLeft, str] = {BlocksLeft.EXPIRED: "red", BlocksLeft.UNDER_36: "red", BlocksLeft.UNDER_144: "yellow"}


class _Row(NamedTuple):
    """The second line of a payment."""

    age: str
    sat: str
    htlcs: str
    blocks: str
    status: str
    hops: tuple[str, ...]


_TITLES = _Row("age", "sat", "HTLCs", "blocks left", "status", ("first hop",))


def show(report: Report, console: Console | None = None) -> None:
    """Print it, by default to stdout: in colours and cut to the width of a terminal, whole elsewhere."""
    console = console or Console()
    if not report.nodes:
        _say(console, Text("The exporter has not met any node yet."))
    for number, node in enumerate(report.nodes):
        if number:
            _say(console, Text())
        for line in _lines(node, report, console.width if console.is_terminal else None):
            _say(console, line)


def spoken(seconds: int) -> str:
    """A length of time in its largest unit and the next: `2d 3h`, `10m`, never `1d 8m`."""
    for (unit, size_s), (smaller, smaller_s) in pairwise(_UNITS):
        if seconds >= size_s:
            rest = seconds % size_s // smaller_s
            return f"{seconds // size_s}{unit}" + (f" {rest}{smaller}" if rest else "")
    return f"{seconds}s"


def _say(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)


def _lines(node: Node, report: Report, width: int | None) -> Iterator[Text]:
    long = f" for {spoken(report.older_than_s)} or longer" if report.older_than_s else ""
    count = len(node.payments)
    order = ", the oldest first" if count > 1 else ""
    in_flight = f"{count:,} payment{'s' * (count != 1)}" if count else "nothing"
    yield Text(f"{node.name}: {in_flight} in flight{long}{order}", style="bold")
    if caution := _caution(node, report):
        yield Text(caution, style="yellow")
    if not count:
        return
    rows = [_row(node, payment) for payment in node.payments]
    widths = [max(map(len, column)) for column in list(zip(_TITLES, *rows, strict=True))[:-1]]
    yield Text(next(_laid_out(_TITLES, widths, width)), style="dim")
    for payment, row in zip(node.payments, rows, strict=True):
        yield Text(payment.payment_hash)
        for line in _laid_out(row, widths, width):
            yield Text(line, style=_style(node.blocks_left(payment)))


def _caution(node: Node, report: Report) -> str:
    """Why this may not be all that is so now."""
    if node.following and report.now_s - node.written_s <= SILENT_S:
        return "Looked for once a minute (--lnd.final-updates-only)." if node.mode is Mode.FINAL else ""
    if node.following:
        when = _moment(node.written_s, report.now_s)
        return f"Nothing has been written of this node since {when}: is the disk full?"
    state = "it is not in the exporter's configuration" if node.left else STATE[node.state]
    why = f"The node is not followed: {state}." if report.running else "The exporter does not run."
    return why + (f" This was so at {_moment(node.followed_s, report.now_s)}." if node.followed_s else "")


def _moment(then_s: int, now_s: int) -> str:
    return f"{datetime.fromtimestamp(then_s, UTC):%Y-%m-%d %H:%M:%S} UTC, {spoken(max(0, now_s - then_s))} ago"


def _row(node: Node, payment: PaymentInFlight) -> _Row:
    left = node.blocks_left(payment)
    unknown = "?" if payment.htlcs else "-"
    return _Row(
        spoken(payment.age_s),
        sat(payment.amount_msat),
        str(payment.htlcs),
        unknown if left is None else f"{'~' * node.estimated}{left}",
        spaced(payment.status) if payment.given_up is None else f"given up: {_GIVEN_UP[payment.given_up]}",
        tuple(map(_hop, payment.first_hops)) or ("-",),
    )


def spaced(word: StrEnum) -> str:
    """One of our words as people write it: `in flight`."""
    return word.replace("_", " ")


def sat(msat: int) -> str:
    """An amount in sat, to the last msat if it has any."""
    sat, rest = divmod(msat, MSAT_PER_SAT)
    return f"{sat:,}" + (f".{rest:03}" if rest else "")


def _hop(hop: FirstHop) -> str:
    name = clean(hop.alias) or hop.pubkey or "?"
    return name if hop.htlcs == 1 else f"{hop.htlcs}x {name}"


def _style(left: int | None) -> str:
    return "" if left is None else _URGENT.get(band_of(left), "")


def _laid_out(row: _Row, widths: list[int], width: int | None) -> Iterator[str]:
    """The lines of a row: one for each first hop."""
    *numbers, status, hops = row
    cells = [f"{number:>{size}}" for number, size in zip(numbers, widths, strict=False)]
    left = "  " + "  ".join([*cells, f"{status:<{widths[-1]}}"]) + "  "
    room = max(LEAST_HOP, width - len(left)) if width else None
    for start, hop in zip_longest([left], hops, fillvalue=" " * len(left)):
        yield start + (hop if room is None or cell_len(hop) <= room else set_cell_size(hop, room - 1) + "…")
