"""The reference in docs/metrics.md agrees with the code: every metric, label value, bucket and cause."""

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
    """Return every heading with its table, a dict of cells by column for each row."""
    parts = re.split(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)
    return [Section(heading, _table(body)) for heading, body in zip(parts[1::2], parts[2::2], strict=True)]


def _table(body: str) -> Table:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def test_every_metric_is_documented() -> None:
    """With its type and labels, and no metric that doesn't exist."""
    documented = [
        (_code(row["metric"])[0], row["type"], _code(row["labels"]))
        for section in _sections()
        for row in section.table
        if "metric" in row
    ]
    assert sorted(documented) == sorted((row.name, type_of(row), [*row.labels]) for row in ROWS)
    assert all(row["meaning"] for section in _sections() for row in section.table if "metric" in row)


def test_every_label_value_is_documented() -> None:
    """Each closed set has a section with all its values in order and no others."""
    documented = {
        section.heading: [word for row in section.table for word in _code(row["word"])]
        for section in _sections()
        if section.table and "word" in section.table[0]
    }
    assert documented == {_heading(words): [word.value for word in words] for words in _closed_sets()}


def _closed_sets() -> list[type[StrEnum]]:
    return list(dict.fromkeys(words for row in ROWS for words in row.labels.values() if words))


def _heading(words: type[StrEnum]) -> str:
    """Return the label; if it has several sets, the name of a metric distinguishes a set that only this one uses."""
    uses = [(row.name, label) for row in ROWS for label, of in row.labels.items() if of is words]
    name, label = uses[0]
    alone = {row.labels[label] for row in ROWS if label in row.labels} == {words}
    return f"`{label}`" if alone or len(uses) > 1 else f"`{label}` of `{name}`"


def test_cause_of_every_code_is_documented() -> None:
    """For an attempt that this node failed, the one before the recipient, or another."""
    (table,) = [section.table for section in _sections() if section.heading == "`code`"]
    columns = ("cause, from others", "cause, before the recipient", "cause, from self")
    documented = [[_code(row[column]) for column in columns] for row in table]
    assert documented == [
        [
            [attempt_cause(code, labels.FailureSource.INTERMEDIATE).value],
            [attempt_cause(code, labels.FailureSource.INTERMEDIATE, before_recipient=True).value],
            [attempt_cause(code, labels.FailureSource.SELF).value],
        ]
        for code in labels.Code
    ]


def test_buckets_of_every_histogram_are_documented() -> None:
    """In the unit of its name."""
    (table,) = [section.table for section in _sections() if section.heading == "Buckets"]
    documented = {_code(row["histogram"])[0]: [float(edge) for edge in row["edges"].split()] for row in table}
    histograms = [row for row in ROWS if isinstance(row, HistogramRow)]
    assert documented == {row.name: [edge / UNIT.get(row.shows, 1) for edge in EDGES[row.shows]] for row in histograms}


def test_text_and_queries_name_existing_metrics() -> None:
    """Sentences, links and queries."""
    known = {row.name for row in ROWS}
    known |= {row.name + end for row in ROWS if isinstance(row, HistogramRow) for end in ("_bucket", "_count", "_sum")}
    assert set(re.findall(r"\blnd_payments_\w+", TEXT)) - known == set()


def test_queries_select_existing_labels_and_values() -> None:
    """Each label in a selector belongs to its metric, and each value is in the label's set."""
    rows = {row.name + suffix: row for row in ROWS for suffix in ("", "_bucket", "_count", "_sum")}
    for query in re.findall(r"```promql\n(.*?)```", TEXT, flags=re.DOTALL):
        for name, selector in re.findall(r"(lnd_payments_\w+)\{([^}]*)\}", query):
            for label, words in re.findall(r'(\w+)\s*[!=]=?~?"([^"]*)"', selector):
                if label == "le":
                    assert isinstance(rows[name], HistogramRow)
                    continue
                closed = rows[name].labels[label]
                assert closed is None or set(words.split("|")) <= {word.value for word in closed}, query
