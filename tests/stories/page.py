"""Pages of the exporter as series and values, and the changes between two pages that a story must lead to."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics.names import NOT_IN_FINAL_MODE

PREFIX = "lnd_payments_"
NOT_SHOWN = tuple(name.removeprefix(PREFIX) for name in NOT_IN_FINAL_MODE)
"""Names that a node with final updates only doesn't have."""
COUNTERS = ("_total", "_count", "_sum", "_bucket")
"""Suffixes of series that never decrease."""

# Series that depend on the time of day, on durations or on the number of requests.
TIMESTAMPS = ("_timestamp_seconds",)
ABOUT_THE_NODE = ("node_", "peer_info", "exporter_", "lnd_calls", "updates_", "catch_up_")
FROM_THE_STREAM = "updates_total", (("source", "stream"),)
SOME = "some"
"""Written instead of an amount that depends on timing."""


class Series(NamedTuple):
    """One series of a node: name without the prefix, labels without `node`."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return name and labels as on the page."""
        inner = ",".join(f'{key}="{value}"' for key, value in self.labels)
        return f"{self.name}{{{inner}}}" if inner else self.name


Page = dict[str, dict[Series, float]]
"""The values of all series by node; those without a node are under ""."""


def parse(text: str) -> Page:
    """Parse a page. Buckets are not cumulative here: each counts the observations above the edge before it."""
    page: Page = {}
    for family in text_string_to_metric_families(text):
        below: dict[tuple[object, ...], float] = {}
        for sample in family.samples:
            labels = dict(sample.labels)
            node = labels.pop("node", "")
            name = sample.name.removeprefix(PREFIX)
            value = sample.value
            if name.endswith("_bucket"):
                outer = (node, name, *sorted((k, v) for k, v in labels.items() if k != "le"))
                value, below[outer] = value - below.get(outer, 0.0), value
            page.setdefault(node, {})[Series(name, tuple(labels.items()))] = value
    return page


def total(page: Page, node: str, name: str, **labels: str) -> float:
    """Return the sum of a node's series with this name and these labels."""
    wanted = set(labels.items())
    return sum(v for s, v in page.get(node, {}).items() if s.name == name and wanted <= set(s.labels))


def decreased_counters(before: Page, after: Page, node: str) -> list[str]:
    """Return the counters of a node that have decreased or vanished, one line each."""
    return [
        f"{series}: {value} -> {after[node].get(series)}"
        for series, value in before.get(node, {}).items()
        if series.name.endswith(COUNTERS) and after[node].get(series, -1) < value
    ]


def changes(before: Page, after: Page, node: str, names: Mapping[str, str], *, restarts: bool = False) -> list[str]:
    """Return the changes of a node's series, a line for each; `names` are node names by identity key.

    Gauges are included: a payment left in flight by a story would appear. For a series that depends on timing the line
    has no amount. With `restarts` updates and their delays aren't compared (a new subscription repeats what is in
    flight, and a list may show it earlier), nor the cause of interruptions (lnd may close the connection before it has
    sent a status).
    """
    assert before[node].keys() <= after[node].keys(), "a series vanished"
    lines = []
    for series, value in after[node].items():
        difference = value - before[node].get(series, 0.0)
        if not difference or series.name.endswith(TIMESTAMPS):
            continue
        if series.name.startswith(ABOUT_THE_NODE) and (restarts or series != FROM_THE_STREAM):
            continue
        if series.name.startswith("update_delay_") and restarts:
            continue
        if "_seconds" in series.name and series.name.endswith("_bucket"):
            continue
        assert difference > 0 or not series.name.endswith(COUNTERS), f"{series} fell"
        timed = "_seconds" in series.name and not series.name.endswith("_count")
        labels = tuple((k, names.get(v, v)) for k, v in series.labels)
        if restarts and series.name == "interruptions_total":
            labels = ()
        lines.append(f"{series._replace(labels=labels)} {SOME if timed else f'{difference:+.12g}'}")
    return sorted(lines)


def golden(name: str) -> Path:
    """Return the file with the changes that a story must lead to."""
    return Path(__file__).parent / "pages" / f"{name}.txt"
