"""The reference in docs/metrics.md says what the code does: every metric, word, bucket and cause."""

import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from exporter.metrics.names import ROWS
from exporter.metrics.row import HistogramRow
from exporter.payments import labels
from exporter.payments.cause import attempt_cause
from exporter.payments.totals import EDGES, UNIT
from tests.metrics.reading import type_of

TEXT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
Table = list[dict[str, str]]


class Section(NamedTuple):
    """A heading and the table below it."""

    heading: str
    table: Table


def _sections() -> list[Section]:
    """Every heading, with the rows of its table by the names of their columns."""
    parts = re.split(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)
    return [Section(heading, _table(body)) for heading, body in zip(parts[1::2], parts[2::2], strict=True)]


def _table(body: str) -> Table:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def test_every_metric() -> None:
    """The tables name the metrics of the code with their types and labels, in the order of the page, and no others."""
    documented = [
        (_code(row["metric"])[0], row["type"], _code(row["labels"]))
        for section in _sections()
        for row in section.table
        if "metric" in row
    ]
    assert sorted(documented) == sorted((row.name, type_of(row), [*row.labels]) for row in ROWS)
    assert all(row["meaning"] for section in _sections() for row in section.table if "metric" in row)


def test_every_word() -> None:
    """Each closed set has a section of its own, with all its words in order and no others."""
    documented = {
        section.heading: [word for row in section.table for word in _code(row["word"])]
        for section in _sections()
        if section.table and "word" in section.table[0]
    }
    assert documented == {_heading(words): [word.value for word in words] for words in _closed_sets()}


def _closed_sets() -> list[type[StrEnum]]:
    return list(dict.fromkeys(words for row in ROWS for words in row.labels.values() if words))


def _heading(words: type[StrEnum]) -> str:
    """The label; where several sets stand under it, those of a single metric name that metric too."""
    uses = [(row.name, label) for row in ROWS for label, of in row.labels.items() if of is words]
    name, label = uses[0]
    alone = {row.labels[label] for row in ROWS if label in row.labels} == {words}
    return f"`{label}`" if alone or len(uses) > 1 else f"`{label}` of `{name}`"


def test_every_cause() -> None:
    """The table of codes tells the cause of an attempt that failed here or elsewhere."""
    (table,) = [section.table for section in _sections() if section.heading == "`code`"]
    documented = [(_code(row["cause, from others"]), _code(row["cause, from self"])) for row in table]
    assert documented == [
        (
            [attempt_cause(code, labels.FailureSource.INTERMEDIATE).value],
            [attempt_cause(code, labels.FailureSource.SELF).value],
        )
        for code in labels.Code
    ]


def test_every_bucket() -> None:
    """The edges of every histogram, in the unit of its name."""
    (table,) = [section.table for section in _sections() if section.heading == "Buckets"]
    documented = {_code(row["histogram"])[0]: [float(edge) for edge in row["edges"].split()] for row in table}
    histograms = [row for row in ROWS if isinstance(row, HistogramRow)]
    assert documented == {row.name: [edge / UNIT.get(row.shows, 1) for edge in EDGES[row.shows]] for row in histograms}


def test_every_name_in_text_and_queries() -> None:
    """No sentence, link or query names a metric that doesn't exist."""
    known = {row.name for row in ROWS}
    known |= {row.name + end for row in ROWS if isinstance(row, HistogramRow) for end in ("_bucket", "_count", "_sum")}
    assert set(re.findall(r"\blnd_payments_\w+", TEXT)) - known == set()


def test_every_query_selects_existing_words() -> None:
    """Each label that a query selects or groups by is one of its metrics' labels, and each word is in its set."""
    rows = {row.name + suffix: row for row in ROWS for suffix in ("", "_bucket", "_count", "_sum")}
    for query in re.findall(r"```promql\n(.*?)```", TEXT, flags=re.DOTALL):
        for name, selector in re.findall(r"(lnd_payments_\w+)\{([^}]*)\}", query):
            for label, words in re.findall(r'(\w+)\s*[!=]=?~?"([^"]*)"', selector):
                if label == "le":
                    assert isinstance(rows[name], HistogramRow)
                    continue
                closed = rows[name].labels[label]
                assert closed is None or set(words.split("|")) <= {word.value for word in closed}, query
