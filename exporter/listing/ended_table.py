"""Prints ended payments as a table: some lines for each, because hashes and keys fill lines of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from exporter.listing.ended_report import EndedOfNode, EndedReport
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
    """The second line of a payment."""

    when: str
    sat: str
    fee: str
    kind: str
    outcome: str
    cause: str
    attempts: str
    duration: str


_TITLES = _Row("when (UTC)", "sat", "fee", "kind", "outcome", "cause", "attempts", "duration")
_TO_THE_RIGHT = {"sat", "fee", "attempts", "duration"}


def print_table(report: EndedReport, console: Console | None = None) -> None:
    """Print the report, by default to stdout."""
    console = console or Console()
    if not report.nodes:
        _print(console, Text("The state file contains no nodes yet."))
    for number, node in enumerate(report.nodes):
        if number:
            _print(console, Text())
        for line in _lines(node, report):
            _print(console, line)


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)


def _lines(node: EndedOfNode, report: EndedReport) -> Iterator[Text]:
    yield Text(_headline(node, report), style="bold")
    if warning := freshness(node.node, report.now_s, running=report.running):
        yield Text(warning, style="yellow")
    if node.earlier:
        yield Text(_earlier(node, report.now_s), style="yellow")
    if not node.payments:
        return
    rows = [_row(payment) for payment in node.payments]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    yield Text(_format_row(_TITLES, widths), style="dim")
    for payment, row in zip(node.payments, rows, strict=True):
        yield Text(payment.run.payment_hash)
        yield Text(_format_row(row, widths), style="magenta" if payment.late else _COLOUR.get(payment.outcome, ""))
        for detail in _details(node, payment):
            yield Text(f"    {detail}")
    if hidden := node.outcomes.total() - len(node.payments):
        yield Text(f"and {hidden:,} older: --limit=0 shows all", style="dim")


def _headline(node: EndedOfNode, report: EndedReport) -> str:
    since_s, count = report.options.since_s, node.outcomes.total()
    time = "" if since_s is None else f" in the last {format_duration(since_s)}"
    if not count:
        return f"{node.node.name}: no such payment ended{time}"
    payments = f"{count:,} payment{'s' * (count != 1)} ended{time}"
    by_outcome = ", ".join(f"{node.outcomes[outcome]:,} {outcome}" for outcome in RunOutcome if node.outcomes[outcome])
    return f"{node.node.name}: {payments} ({by_outcome})" + ", newest first" * (count > 1)


def _earlier(node: EndedOfNode, now_s: int) -> str:
    """Return that the list doesn't reach back far enough, and what to do."""
    payments = f"{node.earlier:,} payment{'s' * (node.earlier != 1)} counted"
    if node.begins_s is None:
        return f"The list is empty: it has none of the {payments} so far (see --storage.ended)."
    return f"The list begins at {format_time(node.begins_s, now_s)}, after {payments} before (see --storage.ended)."


def _row(payment: EndedPayment) -> _Row:
    outcome = f"{payment.outcome} late" if payment.late else payment.outcome
    shown = payment.outcome == RunOutcome.FAILED or payment.late
    return _Row(
        f"{datetime.fromtimestamp(payment.counted_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}",
        format_sat(payment.value_msat),
        format_sat(payment.fee_msat) if payment.outcome == RunOutcome.SUCCEEDED else "-",
        payment.kind,
        f"{outcome}: {payment.reason}" if shown else outcome,
        payment.cause or "-",
        "?" if payment.attempts is None else str(payment.attempts),
        "?" if payment.duration_ns is None else _format_duration(payment.duration_ns),
    )


def _format_duration(nanoseconds: int) -> str:
    seconds = nanoseconds // NS_PER_S
    return format_duration(seconds) if seconds >= LONG_S else f"{nanoseconds // NS_PER_MS / 1000:.1f}s"


def _details(node: EndedOfNode, payment: EndedPayment) -> Iterator[str]:
    """Yield lines with first hops and destination, the last failure, and a late recovery, as far as they are known."""
    path = []
    if payment.first_hops:
        path.append(f"via {', '.join(sanitize(node.name_of(key)) for key in payment.first_hops)}")
    if payment.destination:
        path.append(f"to {sanitize(node.name_of(payment.destination))}")
    if path:
        yield " ".join(path)
    if payment.failure_code:
        where = _SOURCE.get(payment.failure_source, payment.failure_source)
        by = f", by {sanitize(node.name_of(payment.failed_by))}" if payment.failed_by else ""
        yield f"last failure: {payment.failure_code} {where}{by}"
    if payment.ended_us is not None and payment.counted_us - payment.ended_us > RECOVERED_S * NS_PER_S // NS_PER_US:
        ago_s = (payment.counted_us - payment.ended_us) * NS_PER_US // NS_PER_S
        yield f"ended {format_duration(ago_s)} before it was counted"


def _format_row(row: _Row, widths: list[int]) -> str:
    cells = [
        f"{cell:>{width}}" if title in _TO_THE_RIGHT else f"{cell:<{width}}"
        for title, cell, width in zip(_Row._fields, row, widths, strict=True)
    ]
    return "  " + "  ".join(cells).rstrip()
