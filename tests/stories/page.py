"""Pages of the exporter, and what changed between two of them: what a story must lead to, to the last count."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics.names import NOT_FINAL

PREFIX = "lnd_payments_"
NOT_SHOWN = tuple(name.removeprefix(PREFIX) for name in NOT_FINAL)
"""What a node with final updates only doesn't show."""
COUNTERS = ("_total", "_count", "_sum", "_bucket")

# What depends on the time of day, on how long something took or on how often somebody asked.
MOMENTS = ("_timestamp_seconds",)
ABOUT_THE_NODE = ("node_", "peer_info", "exporter_", "lnd_calls", "updates_", "catch_up_")
FROM_THE_STREAM = "updates_total", (("source", "stream"),)
SOME = "some"
"""A change whose amount depends on timing."""


class Series(NamedTuple):
    """One series of a node, without its prefix and the label `node`."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """As on the page."""
        inner = ",".join(f'{key}="{value}"' for key, value in self.labels)
        return f"{self.name}{{{inner}}}" if inner else self.name


Page = dict[str, dict[Series, float]]
"""All series by node."""


def read(text: str) -> Page:
    """The series of each node; buckets count what is in them alone, not what is below them, too."""
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
    """The sum of the series of a name that have these labels."""
    wanted = set(labels.items())
    return sum(v for s, v in page.get(node, {}).items() if s.name == name and wanted <= set(s.labels))


def fallen(before: Page, after: Page, node: str) -> list[str]:
    """Counters of a node that show less than they did, or nothing any more."""
    return [
        f"{series}: {value} -> {after[node].get(series)}"
        for series, value in before.get(node, {}).items()
        if series.name.endswith(COUNTERS) and after[node].get(series, -1) < value
    ]


def change(before: Page, after: Page, node: str, names: Mapping[str, str], *, restarts: bool = False) -> list[str]:
    """What changed of a node, a line for each series; `names` are the names of identity keys.

    Gauges change, too: what a story leaves in flight would stand here. Of what depends on timing only that it
    changed is told. With `restarts` neither updates are compared (a subscription repeats what is in flight) nor how
    lnd took its leave (it may close the connection before it has said why).
    """
    assert before[node].keys() <= after[node].keys(), "a series vanished"
    lines = []
    for series, value in after[node].items():
        difference = value - before[node].get(series, 0.0)
        if not difference or series.name.endswith(MOMENTS):
            continue
        if series.name.startswith(ABOUT_THE_NODE) and (restarts or series != FROM_THE_STREAM):
            continue
        if "_seconds" in series.name and series.name.endswith("_bucket"):
            continue
        assert difference > 0 or not series.name.endswith(("_total", "_count", "_sum", "_bucket")), f"{series} fell"
        timed = "_seconds" in series.name and not series.name.endswith("_count")
        labels = tuple((k, names.get(v, v)) for k, v in series.labels)
        if restarts and series.name == "interruptions_total":
            labels = ()
        lines.append(f"{series._replace(labels=labels)} {SOME if timed else f'{difference:+.12g}'}")
    return sorted(lines)


def golden(name: str) -> Path:
    """Where the change that a story must lead to is kept."""
    return Path(__file__).parent / "pages" / f"{name}.txt"
