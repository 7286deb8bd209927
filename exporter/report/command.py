"""Reads the payments of one node after the other, and prints the sums: as soon as a node is read, except as JSON."""

import csv
import sys
from collections.abc import Callable, Iterable
from contextlib import aclosing

from exporter import log
from exporter.backfill.reader import HistoryReader, Renumbered
from exporter.config import Config, NodeConfig
from exporter.config.grouping import By
from exporter.lnd.client import Client, LndError
from exporter.payments.payment import NS_PER_S, Moment
from exporter.progress import Patient, bars_or_nothing
from exporter.report.document import csv_columns, csv_rows, to_json
from exporter.report.fold import Fold
from exporter.report.node_report import NodeReport, Span
from exporter.report.table import print_all, print_node

OK, FAILED = 0, 1
"""Exit codes; FAILED if a node can't be asked."""
LONGEST_HOLD_NS = 21 * 86_400 * NS_PER_S
"""How long before its end a payment may have been created: an HTLC expires after 2,016 blocks at the latest, which are
two weeks, and a week is enough to resolve it on chain."""
_RENUMBERED = "lnd has numbered its payments anew while they were read, or deleted some: run this again"


async def report(config: Config, client_of: Callable[[NodeConfig], Client], now: Callable[[], Moment]) -> int:
    """Print the reports on all nodes that can be asked, and return the exit code."""
    log.configure("warning", "auto")
    options, span, reports = config.report, Span(now().wall_ns, config.report.since_s), list[NodeReport]()
    if options.csv:
        _print_csv([csv_columns(options.by)])
    for node in config.nodes:
        try:
            found = await _read(config, node, client_of(node), now, span=span)
        except LndError as error:
            advice = _RENUMBERED if isinstance(error, Renumbered) else error.advice
            print(f"{node.preface}{advice}", file=sys.stderr)
            continue
        if options.csv:
            _print_csv(row.values() for row in csv_rows(found))
        elif not options.json:
            print_node(found, span, first=not reports)
        reports.append(found)
    complete = len(reports) == len(config.nodes)
    if options.json:
        print(to_json(reports, options.by, span))
    elif not options.csv and complete and len(reports) > 1:
        print_all(reports)
    return OK if complete else FAILED


def _note(line: str) -> None:
    """Tell a person something at once, above the progress bar."""
    print(line, file=sys.stderr)


def _print_csv(rows: Iterable[Iterable[object]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    sys.stdout.flush()


async def _read(
    config: Config, node: NodeConfig, client: Client, now: Callable[[], Moment], *, span: Span
) -> NodeReport:
    """Read all payments of a node, or with --since those that may have ended since then. Raises `LndError`."""
    options = config.report
    fold = Fold(options.by, since_ns=span.since_ns, destinations=config.destinations)
    bars = bars_or_nothing("reading")
    display = Patient(bars, lambda: now().mono_ns / NS_PER_S) if bars else None
    reader = HistoryReader(node.name, client, now, display, lambda line: _note(node.preface + line))
    try:
        await reader.connect()
        all_pages = options.since_s is None
        pages = reader.pages() if all_pages else reader.pages_back(span.since_ns - LONGEST_HOLD_NS)
        async with aclosing(pages):
            async for page in pages:
                for payment in page.payments:
                    fold.add(payment)
        aliases = await _aliases(client) if options.by is By.PEER else {}
    finally:
        if display:
            display.show({})
        await client.close()
    return NodeReport(node.name, fold, aliases)


async def _aliases(client: Client) -> dict[str, str]:
    """Return the aliases of direct peers; without the permission for ListChannels none."""
    try:
        return (await client.channels()).aliases
    except LndError:
        return {}
