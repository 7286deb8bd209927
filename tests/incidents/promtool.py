"""Finds out with `promtool test rules` when alerts fire: from its messages about expectations that never hold."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exporter.rules.boards import boards
from exporter.rules.generate import groups
from exporter.rules.rule import PREFIX, as_yaml
from exporter.rules.values import Values
from tests.incidents.series import Series
from tests.promtool import promtool_errors

_SAMPLE = re.compile(r"{(?P<labels>[^}]*)} (?P<value>[-+.\dEe]+)")
_LABEL = re.compile(r'(\w+)=\\?"([^"\\]*)\\?"')
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_FAILED = "got:"
EVALUATED_S = 60
"""Seconds between evaluations: twice the rules' interval, so that results don't depend on it."""
_OFFSET = 10**9
"""Offset that separates the values of different answers."""


class Fired(NamedTuple):
    """An alert that fired in a story."""

    first_min: float
    """Minutes from the beginning until it first fired."""
    last_min: float
    """Minutes from the beginning until it last fired."""
    times: int
    """How often it began to fire, for each of its series."""
    series: int
    """How many of its series fired at once."""
    without_instance: int = 0
    """How many of them had no instance: dashboards don't mark these, and nothing inhibits them."""


def fired(profiles: Mapping[str, Values], series: Series, home: Path) -> dict[str, dict[str, Fired]]:
    """Return for each profile every alert that fired, by `Name severity`, without the watchdog."""
    step_s = max(series.step_s, EVALUATED_S)
    end_s = (len(series) - 1) * series.step_s
    whole = f"[{end_s + 2 * step_s}s:{step_s}s]"
    firing = f'ALERTS{{alertstate="firing",alertname!="{PREFIX}Watchdog"}}'
    by = "by (alertname, severity, profiles)"
    queries = (
        f"min {by} (min_over_time(timestamp({firing}){whole}))",
        f"max {by} (max_over_time(timestamp({firing}){whole}))",
        f"max {by} (count_over_time(({firing} unless {firing} offset {step_s}s){whole}))",
        f"max_over_time((count {by} ({firing})){whole})",
        f'max_over_time((count {by} ({firing[:-1]},instance=""}})){whole})',
    )
    test: dict[str, Any] = {
        "interval": f"{series.step_s}s",
        "input_series": series.written(),
        "promql_expr_test": [
            {"expr": f"{query} + {number * _OFFSET}", "eval_time": f"{end_s}s", "exp_samples": []}
            for number, query in enumerate(queries)
        ],
    }
    rules = _combined(profiles, {line["series"].partition("{")[0] for line in test["input_series"]})
    answers = _answers(promtool_errors(home, rules, test, step_s))
    return {profile: _of(profile, answers) for profile in profiles}


def _combined(profiles: Mapping[str, Values], scraped: Collection[str]) -> dict[str, Any]:
    """Return the rules of all profiles, each only once, with a label for the profiles that have it.

    Without those for dashboards: no alert reads them, and they take as long as all others. And without those that can
    have no result, because no series that they read is scraped or recorded: a story of a week has few metrics.
    """
    owners: dict[str, dict[str, list[str]]] = {}
    for profile, values in profiles.items():
        needed = [group for group in groups(values) if group.name != boards(values).name]
        for group in as_yaml(needed, values)["groups"]:
            for rule in group["rules"]:
                owners.setdefault(group["name"], {}).setdefault(json.dumps(rule), []).append(profile)
    made = {name: _labelled(rules) for name, rules in owners.items()}
    living = _living([rule for rules in made.values() for rule in rules], scraped)
    return {
        "groups": [
            {"name": name, "rules": [rule for rule in rules if living(rule)]}
            for name, rules in made.items()
            if any(living(rule) for rule in rules)
        ]
    }


def _living(rules: Sequence[Mapping[str, Any]], scraped: Collection[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that says whether a rule may have a result, if these metrics are scraped."""
    there = {"ALERTS", "ALERTS_FOR_STATE", "absent", "vector", *scraped}

    def living(rule: Mapping[str, Any]) -> bool:
        return not there.isdisjoint(_NAME.findall(rule["expr"]))

    while more := {rule["record"] for rule in rules if "record" in rule and living(rule)} - there:
        there |= more
    return living


def _labelled(rules: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    made = []
    for text, profiles in rules.items():
        rule = json.loads(text)
        if "alert" in rule:
            rule["labels"]["profiles"] = " ".join(profiles)
        made.append(rule)
    return made


_Answers = dict[tuple[str, str], dict[int, float]]


def _answers(output: str) -> _Answers:
    """Return the answer to each query, by alert and the profiles that have it."""
    assert not output or _FAILED in output, output
    answers: _Answers = {}
    for labels, number in _SAMPLE.findall(output):
        words = dict(_LABEL.findall(labels))
        which, value = divmod(float(number), _OFFSET)
        name = f"{words['alertname'].removeprefix(PREFIX)} {words['severity']}"
        answers.setdefault((name, words["profiles"]), {})[int(which)] = value
    return answers


def _of(profile: str, answers: _Answers) -> dict[str, Fired]:
    return {
        name: Fired(answer[0] / 60, answer[1] / 60, int(answer[2]), int(answer[3]), int(answer.get(4, 0)))
        for (name, profiles), answer in answers.items()
        if profile in profiles.split()
    }
