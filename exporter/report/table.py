"""Prints the report on a node for people: the sum of fees first, then a table of groups, then why payments failed."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from exporter.config.grouping import By
from exporter.listing.lines import print_line
from exporter.payments.labels import MSAT_PER_SAT, Cause
from exporter.report.columns import Row, lay_out
from exporter.report.fold import Fold, Htlcs, Paid, Payments, by_size, date_of, peers_by_size
from exporter.report.node_report import NodeReport, Span
from exporter.text import format_duration, sanitize

EXACT_BELOW_MSAT = 1_000_000
"""If all sums of a column are below 1,000 sat, it shows msat, too."""
NOTHING = "-"


def print_node(report: NodeReport, span: Span, console: Console | None = None, *, first: bool = True) -> None:
    """Print the report on one node, by default to stdout, below others unless it is the `first`.

    On a terminal lines are as wide as that at most.
    """
    console = console or Console()
    if not first:
        print_line(console, Text())
    for line in _lines(report, span, console.width if console.is_terminal else None):
        print_line(console, line)


def print_all(reports: Sequence[NodeReport], console: Console | None = None) -> None:
    """Print the sums over all nodes, below the reports on each."""
    console, total = console or Console(), Payments()
    for report in reports:
        total.include(report.fold.total)
    print_line(console, Text())
    print_line(console, Text(f"all {len(reports)} nodes: {_cost(total)}", style="bold"))
    print_line(console, Text(f"{_number(total.ended, 'payment')} ended: {_outcomes(total)}"))


def _lines(report: NodeReport, span: Span, width: int | None) -> Iterator[Text]:
    fold = report.fold
    if fold.total.ended:
        yield Text(f"{report.name}: {_cost(fold.total)}", style="bold")
        if (rebalances := fold.rebalances).succeeded and fold.by is not By.KIND:
            yield Text(f"of which {_number(rebalances.succeeded, 'rebalance')}: {_cost(rebalances)}")
        yield Text(f"{_number(fold.total.ended, 'payment')} ended {_when(fold, span)}: {_outcomes(fold.total)}")
    else:
        yield Text(f"{report.name}: no payment ended {_when(fold, span)}".rstrip(), style="bold")
    if fold.by is By.PEER:
        yield from _peers(report, width)
    elif fold.by is not By.CAUSE:
        yield from _groups(fold, width)
    if fold.total.failed:
        yield Text()
        yield from _causes(fold, width)
    if notes := [*_notes(fold)]:
        yield Text()
        yield from (Text(note, style="dim") for note in notes)


def _cost(total: Paid) -> str:
    ppm = f" ({_ppm(total)} ppm)" * bool(total.volume_msat)
    return f"{_sat(total.fees_msat)} sat in fees for {_sat(total.volume_msat)} sat paid{ppm}"


def _outcomes(total: Payments) -> str:
    return f"{total.succeeded:,} succeeded ({_percent(total.succeeded, total.ended)}), {total.failed:,} failed"


def _when(fold: Fold, span: Span) -> str:
    if span.since_s is not None:
        return f"in the last {format_duration(span.since_s)}"
    if fold.first_ns is None:
        return ""
    first, last = date_of(fold.first_ns), date_of(fold.last_ns)
    return f"on {first}" if first == last else f"from {first} to {last}"


def _groups(fold: Fold, width: int | None) -> Iterator[Text]:
    groups = [*by_size(fold)]
    if not groups:
        return
    exact = _exact([group for _, group in groups])
    numbers = ("payments", "succeeded", "sat paid", "fees, sat", "ppm", "failed")
    remarks = ("because of",) if fold.total.failed else ()
    rows = [_group(sanitize(name), group, exact) for name, group in groups]
    yield Text()
    total = _group("total", fold.total, exact)._replace(remark=())  # that is the next table
    yield from lay_out(Row(fold.by, numbers, remarks), rows, total, width)


def _group(name: str, group: Payments, exact: tuple[bool, bool]) -> Row:
    numbers = (
        f"{group.ended:,}",
        _percent(group.succeeded, group.ended),
        *_money(group, exact),
        f"{group.failed:,}",
    )
    return Row(name, numbers, tuple(f"{cause} {number:,}" for cause, number in _frequent(group.causes)))


def _peers(report: NodeReport, width: int | None) -> Iterator[Text]:
    fold, peers = report.fold, peers_by_size(report.fold)
    if not peers:
        return
    exact = _exact([peer for _, peer in peers])

    def row(name: str, peer: Htlcs) -> Row:
        share = _percent(peer.fees_msat, fold.htlcs.fees_msat)
        return Row(name, (f"{peer.settled:,}", *_money(peer, exact), share))

    title = Row("first hop", ("HTLCs settled", "sat paid", "fees, sat", "ppm", "of the fees"))
    yield Text()
    rows = [row(sanitize(report.name_of(key)), peer) for key, peer in peers]
    yield from lay_out(title, rows, row("total", fold.htlcs), width)


def _causes(fold: Fold, width: int | None) -> Iterator[Text]:
    """Yield the table of failures by cause, the most frequent first."""
    total = fold.total

    def row(name: str, number: int, msat: int) -> Row:
        return Row(name, (f"{number:,}", _percent(number, total.failed), _sat(msat)))

    rows = [row(cause, number, total.causes_msat[cause]) for cause, number in _frequent(total.causes)]
    title = Row("failed because of", ("payments", "of them", "sat not paid"))
    yield from lay_out(title, rows, row("total", total.failed, total.failed_msat), width)


def _notes(fold: Fold) -> Iterator[str]:
    """Yield what the sums leave out, or can't know."""
    if fold.in_flight:
        be = "is" if fold.in_flight == 1 else "are"
        yield f"{_number(fold.in_flight, 'payment')} of {_sat(fold.in_flight_msat)} sat {be} in flight: not counted."
    if fold.without_attempts:
        yield (
            f"lnd has no HTLC attempt of {fold.without_attempts:,} of the {fold.total.failed:,} that failed: it made"
            " none, or has deleted them, so its reason alone tells their cause."
        )
    if fold.malformed:
        be = "is" if fold.malformed == 1 else "are"
        yield f"{_number(fold.malformed, 'payment')} that lnd lists {be} left out: the numbers can't be right."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _frequent(causes: Mapping[Cause, int]) -> list[tuple[Cause, int]]:
    """Return the causes that occurred, the most frequent first."""
    return sorted(((cause, causes[cause]) for cause in Cause if causes.get(cause)), key=lambda pair: -pair[1])


def _money(paid: Paid, exact: tuple[bool, bool]) -> tuple[str, str, str]:
    return _sat(paid.volume_msat, exact=exact[0]), _sat(paid.fees_msat, exact=exact[1]), _ppm(paid)


def _exact(groups: Sequence[Paid]) -> tuple[bool, bool]:
    """Return whether the columns of amounts and of fees show msat."""
    columns = [each.volume_msat for each in groups], [each.fees_msat for each in groups]
    amounts, fees = (sum(column) < EXACT_BELOW_MSAT and any(map(_fraction, column)) for column in columns)
    return amounts, fees


def _sat(msat: int, *, exact: bool | None = None) -> str:
    """Return an amount in sat: rounded, or with msat; by default that depends on its size."""
    if exact if exact is not None else msat < EXACT_BELOW_MSAT and _fraction(msat):
        return f"{msat // MSAT_PER_SAT:,}.{_fraction(msat):03}"
    return f"{(msat + MSAT_PER_SAT // 2) // MSAT_PER_SAT:,}"


def _fraction(msat: int) -> int:
    return msat % MSAT_PER_SAT


def _ppm(paid: Paid) -> str:
    return NOTHING if paid.fee_ppm is None else f"{paid.fee_ppm:,.0f}"


def _percent(part: int, whole: int) -> str:
    """Return a share; it isn't rounded to 0 or 100 % unless it is that."""
    if not whole:
        return NOTHING
    if part in (0, whole):
        return f"{100 * part // whole} %"
    return f"{min(99.9, max(0.1, 100 * part / whole)):.1f} %"
