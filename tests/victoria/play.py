"""Plays a story with vmalert's own code and a running VictoriaMetrics: which alerts fire, and what they say."""

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from exporter.rules.generate import generated
from exporter.rules.rule import PREFIX
from exporter.rules.values import Values
from tests.incidents.promtool import Fired
from tests.incidents.series import Series
from tests.network.build import victoria
from tests.victoria.server import Server

BEGIN_S = 946_684_800
"""When a story begins: 2000-01-01, because VictoriaMetrics refuses samples of the future."""
EVERY_S = 30
"""Seconds between evaluations, as in the files of rules."""


class Played(NamedTuple):
    """What happened in a story."""

    fired: Mapping[str, Fired]
    """Every alert that fired, by `Name severity`, without the watchdog."""
    texts: Mapping[str, Mapping[str, str]]
    """The annotations of each when it first fired."""


def play(profile: str, values: Values, series: Series, server: Server, home: Path) -> Played:
    """Evaluate the rules of a profile over a story. What is recorded can be queried only at the next evaluation."""
    every_s = max(series.step_s, EVERY_S)
    rules = home / f"{profile}.rules.yml"
    rules.write_text(generated(profile, values))
    story = {
        "Server": server.url,
        "Rules": str(rules),
        "BeginS": BEGIN_S,
        "EndS": BEGIN_S + (len(series) - 1) * series.step_s,
        "ScrapedEveryS": series.step_s,
        "EveryS": every_s,
        "Series": series.written(),
    }
    done = subprocess.run(
        [str(victoria() / "play")], input=json.dumps(story), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return _played([json.loads(line) for line in done.stdout.splitlines()], every_s)


class _Firing(NamedTuple):
    at_s: int
    labels: Mapping[str, str]
    texts: Mapping[str, str]


def _played(lines: list[dict[str, object]], every_s: int) -> Played:
    alerts: dict[str, list[_Firing]] = defaultdict(list)
    for line in lines:
        one = _Firing(line["AtS"], line["Labels"], line["Annotations"])  # type: ignore[arg-type]
        name = f"{one.labels['alertname'].removeprefix(PREFIX)} {one.labels['severity']}"
        if name != "Watchdog info":
            alerts[name].append(one)
    return Played(
        {name: _fired(firing, every_s) for name, firing in alerts.items()},
        {name: firing[0].texts for name, firing in alerts.items()},
    )


def _fired(firing: list[_Firing], every_s: int) -> Fired:
    """Summarise an alert as `tests.incidents.promtool` does."""
    times: dict[str, list[int]] = defaultdict(list)
    at_once: dict[int, int] = defaultdict(int)
    for one in firing:
        times[json.dumps(one.labels, sort_keys=True)].append(one.at_s)
        at_once[one.at_s] += 1
    begun = [1 + sum(later - before > every_s for before, later in pairwise(each)) for each in times.values()]
    return Fired(
        first_min=(firing[0].at_s - BEGIN_S) / 60,
        last_min=(firing[-1].at_s - BEGIN_S) / 60,
        times=max(begun),
        series=max(at_once.values()),
    )
