"""Prints ended payments as a table: some lines for each, because hashes and keys fill lines of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from exporter.listing.ended_report import EndedOfNode, EndedReport
from exporter.listing.lines import print_line
from exporter.listing.table import format_time, freshness
from exporter.payments.ended import EndedPayment, RunOutcome
from exporter.payments.labels import FailureSource
from exporter.payments.payment import NS_PER_MS, NS_PER_S, NS_PER_US
from exporter.text import format_duration, format_sat, sanitize

LONG_S = 10
"""Shorter durations are shown with fractions of a second."""
RECOVERED_S = 60
"""If a payment ended longer before it was counted, seconds, this is said."""
_SOURCE: dict[str, str] = {
    FailureSource.SELF: "at this node",
    FailureSource.FIRST_HOP: "at the first hop",
    FailureSource.INTERMEDIATE: "on the way",
    FailureSource.RECIPIENT: "at the recipient",
    FailureSource.UNKNOWN: "at an unknown node",
}
_COLOUR: dict[str, str] = {RunOutcome.FAILED: "red", RunOutcome.LOST: "yellow"}


class _Row(NamedTuple):
    """The second line of a payment; its columns are called as the filters and the fields of JSON are."""

    when: str
    sat: str
    fee: str
    kind: str
    outcome: str
    cause: str
    reason: str
    attempts: str
    duration: str


_TITLES = _Row("when (UTC)", *_Row._fields[1:])
_TO_THE_RIGHT = {"sat", "fee", "attempts", "duration"}
_MAY_MOVE = ("kind", "fee", "reason", "duration", "attempts")
"""Columns that go to a line below the row if the terminal is too narrow for them: these stay first."""
_NOTHING = ("-", "?")
"""Cells that say nothing there."""
_GAP = "  "


def print_table(report: EndedReport, console: Console | None = None) -> None:
    """Print the report, by default to stdout: on a terminal in colours and within its width, else in whole rows."""
    console = console or Console()
    if not report.nodes:
        print_line(console, Text("The state file contains no nodes yet."))
    for number, node in enumerate(report.nodes):
        if number:
            print_line(console, Text())
        for line in _lines(node, report, console.width if console.is_terminal else None):
            print_line(console, line)


def _lines(node: EndedOfNode, report: EndedReport, width: int | None) -> Iterator[Text]:
    yield Text(_headline(node, report), style="bold")
    if warning := freshness(node.node, report.now_s, running=report.running):
        yield Text(warning, style="yellow")
    if node.earlier:
        yield Text(_earlier(node, report.now_s), style="yellow")
    if not node.payments:
        return
    rows = [_row(payment) for payment in node.payments]
    sizes = dict(zip(_Row._fields, (max(map(len, cells)) for cells in zip(_TITLES, *rows, strict=True)), strict=True))
    below = _below(sizes, width)
    yield Text(_format_row(_TITLES, sizes, below), style="dim", no_wrap=True)
    for payment, row in zip(node.payments, rows, strict=True):
        yield Text(payment.run.payment_hash)
        yield Text(
            _format_row(row, sizes, below), style="magenta" if payment.late else _COLOUR.get(payment.outcome, "")
        )
        for detail in (_format_below(row, below), *_details(node, payment)):
            if detail:
                yield Text(f"    {detail}")
    if hidden := node.outcomes.total() - len(node.payments):
        yield Text(f"and {hidden:,} older: --limit=0 shows all", style="dim")


def _below(sizes: dict[str, int], width: int | None) -> list[str]:
    """Return the columns that don't fit into the width, the least important first to go."""
    below = list[str]()
    for column in reversed(_MAY_MOVE):
        if width is None or sum(len(_GAP) + size for name, size in sizes.items() if name not in below) <= width:
            break
        below.append(column)
    return below[::-1]


def _headline(node: EndedOfNode, report: EndedReport) -> str:
    since_s, count = report.options.since_s, node.outcomes.total()
    time = "" if since_s is None else f" in the last {format_duration(since_s)}"
    if not count:
        return f"{node.node.name}: no such payment ended{time}"
    payments, order = f"{count:,} payment{'s' * (count != 1)}", ", newest first" * (count > 1)
    outcomes = [outcome for outcome in RunOutcome if node.outcomes[outcome]]
    if len(outcomes) == 1:
        be = f"{'was' if count == 1 else 'were'} " * (outcomes[0] is RunOutcome.LOST)
        return f"{node.node.name}: {payments} {be}{outcomes[0]}{time}{order}"
    by_outcome = ", ".join(f"{node.outcomes[outcome]:,} {outcome}" for outcome in outcomes)
    return f"{node.node.name}: {payments} ended{time} ({by_outcome}){order}"


def _earlier(node: EndedOfNode, now_s: int) -> str:
    """Return that the list doesn't reach back far enough, and what to do."""
    payments = f"{node.earlier:,} payment{'s' * (node.earlier != 1)} counted"
    if node.begins_s is None:
        return f"The list is empty: it has none of the {payments} so far (see --storage.ended)."
    return f"The list begins at {format_time(node.begins_s, now_s)}, after {payments} before (see --storage.ended)."


def _row(payment: EndedPayment) -> _Row:
    given_up = payment.outcome == RunOutcome.FAILED or payment.late
    return _Row(
        f"{datetime.fromtimestamp(payment.counted_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}",
        format_sat(payment.value_msat),
        format_sat(payment.fee_msat) if payment.outcome == RunOutcome.SUCCEEDED else "-",
        payment.kind,
        f"{payment.outcome} late" if payment.late else payment.outcome,
        payment.cause or "-",
        payment.reason if given_up else "-",
        "?" if payment.attempts is None else str(payment.attempts),
        "?" if payment.duration_ns is None else _format_duration(payment.duration_ns),
    )


def _format_duration(nanoseconds: int) -> str:
    seconds = nanoseconds // NS_PER_S
    return format_duration(seconds) if seconds >= LONG_S else f"{nanoseconds // NS_PER_MS / 1000:.1f}s"


def _details(node: EndedOfNode, payment: EndedPayment) -> Iterator[str]:
    """Yield lines with first hops, destination, the last failure, and a late recovery, as far as they are known."""
    if payment.first_hops:
        yield f"via {', '.join(sanitize(node.name_of(key)) for key in payment.first_hops)}"
    if payment.destination:
        yield f"to {sanitize(node.name_of(payment.destination))}"
    if payment.failure_code:
        where = _SOURCE.get(payment.failure_source, payment.failure_source)
        by = f", by {sanitize(node.name_of(payment.failed_by))}" if payment.failed_by else ""
        yield f"last failure: {payment.failure_code} {where}{by}"
    if payment.ended_us is not None and payment.counted_us - payment.ended_us > RECOVERED_S * NS_PER_S // NS_PER_US:
        ago_s = (payment.counted_us - payment.ended_us) * NS_PER_US // NS_PER_S
        yield f"ended {format_duration(ago_s)} before it was counted"


def _format_row(row: _Row, sizes: dict[str, int], below: list[str]) -> str:
    cells = [
        f"{cell:>{sizes[name]}}" if name in _TO_THE_RIGHT else f"{cell:<{sizes[name]}}"
        for name, cell in row._asdict().items()
        if name not in below
    ]
    return _GAP + _GAP.join(cells).rstrip()


def _format_below(row: _Row, below: list[str]) -> str:
    """Return the cells that are not in the row, each with its title."""
    cells = row._asdict()
    return ", ".join(f"{name} {cells[name]}" for name in below if cells[name] not in _NOTHING)
