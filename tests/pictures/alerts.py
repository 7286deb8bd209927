"""Evaluates the shipped rules for the past, and writes their recorded series and alerts into Prometheus."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from exporter.rules.generate import groups
from exporter.rules.rule import PREFIX, Alert, Recording
from exporter.rules.values import read
from tests.network.build import binaries

STEP_S = 60
"""Between two evaluations, unless said otherwise."""
_TIMES = 3
"""How often a series that reads itself is written: its first values, and those that go on with them, and with these."""
ACCEPTS_THE_PAST = {"storage": {"tsdb": {"out_of_order_time_window": "8d"}}}
"""Configuration with which Prometheus accepts samples of the past."""
FLAGS = ["--web.enable-remote-write-receiver"]
_SECONDS = {"m": 60, "h": 3600}


class Series(NamedTuple):
    """A series and its samples."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, str]]


def backfill(address: str, from_s: int, to_s: int, step_s: int = STEP_S, alerts_from_s: int = 0) -> None:
    """Evaluate rule after rule and write the results: later rules use earlier ones; alerts of a later time if wanted.

    Recorded series that go on with their own last value are written first, as often as their values need to settle.
    """
    values = read()["service"]
    rules = [rule for group in groups(values) for rule in group.rules]
    for rule in [*_reading_their_own(rules) * _TIMES, *rules]:
        begin_s = from_s if isinstance(rule, Recording) else max(from_s, alerts_from_s)
        found = _asked(address, rule.expr, (begin_s, to_s, step_s))
        if isinstance(rule, Recording):
            _push(address, rule.record, values.job, found)
        else:
            _push(address, "ALERTS", values.job, [_firing(rule, series, step_s) for series in found])


def _reading_their_own(rules: Sequence[Recording | Alert]) -> list[Recording]:
    """Return the recordings that read a series that is recorded with them or after them, and what those read."""
    made = [rule for rule in rules if isinstance(rule, Recording)]
    wanted = [rule for place, rule in enumerate(made) if any(later.record in rule.expr for later in made[place:])]
    for rule in wanted:  # it grows
        wanted += [read for read in made if read.record in rule.expr and read not in wanted]
    return [rule for rule in made if rule in wanted]


def _asked(address: str, expr: str, span_s: tuple[int, int, int]) -> list[Series]:
    query = urlencode({"query": expr, **dict(zip(("start", "end", "step"), span_s, strict=True))})
    with urlopen(f"http://{address}/api/v1/query_range?{query}") as response:
        result: list[dict[str, Any]] = json.load(response)["data"]["result"]
    return [Series(series["metric"], [(int(at_s), value) for at_s, value in series["values"]]) for series in result]


def _firing(rule: Alert, series: Series, step_s: int) -> Series:
    """Return when the alert fires: after its `for`, and until its `keep_firing_for` is over."""
    about = {"alertname": PREFIX + rule.name, "severity": rule.severity.value, "alertstate": "firing"}
    moments = [at_s for at_s, _ in series.samples]
    firing = [(at_s, "1") for at_s in _moments(moments, _seconds(rule.for_), _seconds(rule.keep_firing_for), step_s)]
    return Series({**series.labels, **about}, firing)


def _moments(held: Sequence[int], for_s: int, keep_firing_s: int, step_s: int) -> Iterator[int]:
    """Yield the moments at which an alert fires, from the moments at which its condition held."""
    since = last = held[0]
    fires = False
    for now in held:
        kept = range(last + step_s, min(now, last + keep_firing_s + 1), step_s)
        if fires:
            yield from kept
        if now - last > step_s and not (fires and now - last <= keep_firing_s + step_s):
            since, fires = now, False
        fires = fires or now - since >= for_s
        if fires:
            yield now
        last = now


def _seconds(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]


def _push(address: str, name: str, job: str, found: Sequence[Series]) -> None:
    lines = [
        f"{name}{{{_labels(series.labels)}}} {value} {at_s * 1000}\n"
        for series in found
        for at_s, value in series.samples
    ]
    if lines:
        command = [str(binaries() / "promtool"), "push", "metrics", f"--label=job={job}"]
        command.append(f"http://{address}/api/v1/write")
        subprocess.run(command, input="".join(lines), text=True, check=True, capture_output=True)


def _labels(labels: Mapping[str, str]) -> str:
    """Return all labels except the job, which promtool adds."""
    words = {label: word for label, word in labels.items() if label not in {"__name__", "job"}}
    return ",".join(f"{label}={json.dumps(word, ensure_ascii=False)}" for label, word in words.items())
