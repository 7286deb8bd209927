"""Examines this machine and all nodes, some at a time; prints the findings, and turns them into an exit code."""

import asyncio
import sys
from collections.abc import Callable, Sequence

from exporter.config import Config, NodeConfig
from exporter.doctor.document import section, title_of, to_json, total
from exporter.doctor.finding import Area, Finding, NodeReport, Verdict
from exporter.doctor.here import look_here
from exporter.doctor.node import examine_node
from exporter.lnd.client import ExaminedClient

OK, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes, as those of the command line: UNUSABLE if the state file is, as without --connect."""
AT_ONCE = 16
"""Nodes that are examined at the same time."""
_QUIET_S = 1.0
"""Seconds until a terminal shows how many nodes have been examined."""


async def examine(config: Config, client_of: Callable[[NodeConfig], ExaminedClient]) -> int:
    """Examine and print everything; return the exit code."""
    json, free = config.check.json, asyncio.Semaphore(AT_ONCE)
    here = [finding async for finding in look_here(config)]
    _print_unless(json, section("exporter", here))

    async def one(node: NodeConfig) -> NodeReport:
        async with free:
            return await examine_node(node, client_of(node))

    reports: list[NodeReport] = []
    tasks = [asyncio.create_task(one(node)) for node in config.nodes]
    showing = asyncio.create_task(_show_progress(tasks))
    try:
        for task in tasks:
            reports.append(await task)
            _clear_line()
            _print_unless(json, section(title_of(reports[-1]), reports[-1].findings))
    finally:  # no task group: it would wrap the error of an output that can't be written
        for each in (*tasks, showing):
            each.cancel()
        await asyncio.gather(*tasks, showing, return_exceptions=True)
        _clear_line()
    every = [*here, *(finding for report in reports for finding in report.findings)]
    code = _exit_code(here, every)
    print(to_json(here, reports, code) if json else total(every))
    return code


def _print_unless(json: bool, text: str) -> None:  # noqa: FBT001 - the name says it
    if not json:
        print(text, flush=True)


def _exit_code(here: Sequence[Finding], every: Sequence[Finding]) -> int:
    problems = [finding for finding in every if finding.verdict is Verdict.PROBLEM]
    if any(finding.area is Area.STATE_FILE for finding in here if finding in problems):
        return UNUSABLE
    return FAILED if problems else OK


async def _show_progress(tasks: Sequence[asyncio.Task[NodeReport]]) -> None:
    """Show on a terminal how many nodes have been examined, until cancelled."""
    if not sys.stderr.isatty():
        return
    while True:
        await asyncio.sleep(_QUIET_S)
        done = sum(task.done() for task in tasks)
        sys.stderr.write(f"\r\x1b[Kasked {done} of {len(tasks)} nodes")
        sys.stderr.flush()


def _clear_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
