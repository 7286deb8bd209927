"""Renders findings as text of 80 columns, or as one JSON document; docs/check.md describes its fields."""

import json
import textwrap
from collections.abc import Iterator, Sequence

from exporter.doctor.finding import Finding, NodeReport, Verdict, count
from exporter.redact import redact
from exporter.text import sanitize

WIDTH = 80
"""Columns of a line, unless it has a longer word, or is a command to copy."""
_COLUMN = 23
"""Where the sentences begin."""


def section(title: str, findings: Sequence[Finding]) -> str:
    """Return a heading and the lines of the findings."""
    return "\n".join([_clean(title), *(line for finding in findings for line in _lines(finding)), ""])


def title_of(report: NodeReport) -> str:
    """Return the heading of a node."""
    return f"{report.name}: {report.address} ({report.transport})"


def _lines(finding: Finding) -> Iterator[str]:
    head = f"  {finding.verdict:8} {finding.area:12}"
    first, *rest = _wrapped(finding.what, "")
    yield f"{head}{first}"
    for line in (*rest, *_to_do(finding.to_do)):
        yield " " * _COLUMN + line


def _to_do(text: str) -> Iterator[str]:
    """Yield what to do, after an arrow; further lines are a command, which isn't broken."""
    if text:
        sentence, *command = text.splitlines()
        yield from _wrapped(sentence, "-> ")
        yield from (f"   {_clean(line)}" for line in command)


def _wrapped(text: str, arrow: str) -> list[str]:
    return textwrap.wrap(
        _clean(text),
        WIDTH - _COLUMN,
        initial_indent=arrow,
        subsequent_indent=" " * len(arrow),
        break_long_words=False,
        break_on_hyphens=False,
    )


def total(findings: Sequence[Finding]) -> str:
    """Return the last line: how many problems and warnings there are."""
    problems, warnings = count(findings, Verdict.PROBLEM), count(findings, Verdict.WARNING)
    if not problems and not warnings:
        return "All is well."
    return f"{_number(problems, 'problem')}, {_number(warnings, 'warning')}.".capitalize()


def _number(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"


def to_json(here: Sequence[Finding], nodes: Sequence[NodeReport], exit_code: int) -> str:
    """Return one JSON object without a line end, always ASCII."""
    every = [*here, *(finding for node in nodes for finding in node.findings)]
    return json.dumps(
        {
            "exit_code": exit_code,
            "problems": count(every, Verdict.PROBLEM),
            "warnings": count(every, Verdict.WARNING),
            "exporter": [_fields(finding) for finding in here],
            "nodes": [
                {
                    "node": node.name,
                    "address": node.address,
                    "transport": node.transport,
                    "findings": [_fields(finding) for finding in node.findings],
                }
                for node in nodes
            ],
        }
    )


def _fields(finding: Finding) -> dict[str, object]:
    return {
        "area": finding.area.value,
        "verdict": finding.verdict.value,
        "what": _clean(finding.what),
        "to_do": "\n".join(map(_clean, finding.to_do.splitlines())) or None,
        "values": dict(finding.values),
    }


def _clean(text: str) -> str:
    """Return the text without what could be a secret, or a command to the terminal."""
    return sanitize(redact(text))
