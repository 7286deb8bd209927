"""Durations of alerts: those of a rule, found in its PromQL and in values.yml, and those that a text names."""

import re
from collections.abc import Iterator, Mapping

import msgspec
import promql_parser

from exporter.rules.generate import groups
from exporter.rules.recording import BACK, RECOVERED
from exporter.rules.rule import PREFIX, Alert, Recording
from exporter.rules.thresholds import Severity
from exporter.rules.values import Values, read
from tests.incidents.named import EVERYTHING

PROFILES = read(more=EVERYTHING)
_UNITS = {
    "second": 1,
    "s": 1,
    "minute": 60,
    "m": 60,
    "hour": 3600,
    "h": 3600,
    "day": 86_400,
    "d": 86_400,
    "week": 604_800,
    "w": 604_800,
}
_NUMBERS = {
    "a": 1,
    "an": 1,
    "last": 1,
    "one": 1,
    "half an": 0.5,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
}
_LONG = "(second|minute|hour|day|week)s?"
_SPOKEN = re.compile(rf"\b(?:(?i:(\d+(?:\.\d+)?|{'|'.join(_NUMBERS)}) {_LONG})|(\d+(?:\.\d+)?) ?([smhd]))\b")
_KEYS = {"seconds": 1, "hours": 3600, "header_hours": 3600, "warning_days": 86_400, "critical_days": 86_400}
"""Keys of values.yml that are durations of a condition, with their unit in seconds; `minutes` is how long it holds."""


def named(text: str) -> set[float]:
    """Return the durations that a text names, in seconds."""
    spoken = _SPOKEN.findall(" ".join(text.split()))
    return {
        (_NUMBERS.get(number.lower()) or float(number or digits)) * _UNITS[(unit or letter).lower()]
        for number, unit, digits, letter in spoken
    }


def alerts(name: str) -> Iterator[tuple[str, Alert]]:
    """Yield the alerts of this name, each with its profile, also where it is off."""
    for profile, values in PROFILES.items():
        yield from ((profile, one) for one in _all(values) if one.name == name)


def windows(name: str) -> set[float]:
    """Return the seconds over which an alert looks in any profile, and those in its section of values.yml."""
    found: set[float] = set()
    for profile, alert in alerts(name):
        values = PROFILES[profile]
        found |= _of_rule(alert.expr, {one.record: one.expr for one in _recorded(values)}, set())
        fields = {field.encode_name: field.name for field in msgspec.structs.fields(values.alerts)}
        given = msgspec.to_builtins(getattr(values.alerts, fields[name])) if name in fields else {}
        found |= {given[key] * unit for key, unit in _KEYS.items() if key in given}
    return found


def _all(values: Values) -> list[Alert]:
    return [rule for group in groups(values) for rule in group.rules if isinstance(rule, Alert)]


def _recorded(values: Values) -> list[Recording]:
    return [rule for group in groups(values) for rule in group.rules if isinstance(rule, Recording)]


def _of_rule(expr: str, recorded: Mapping[str, str], seen: set[str]) -> set[float]:
    """Return ranges, offsets and large numbers of an expression, and of the series in it but for those on absences.

    Large numbers are compared with times, in seconds.
    """
    parsed = promql_parser.parse(expr).prettify()
    found = {
        _seconds(text) for text in re.findall(r"\[([0-9a-z]+)\]|offset ([0-9a-z]+)", parsed) for text in text if text
    }
    found |= {float(number) for number in re.findall(r"(?<![\w.])\d{4,}(?![\w.])", parsed)}
    for name in set(re.findall(r"\b\w+:lnd_payments_\w+:\w+", parsed)) - seen - {BACK, RECOVERED}:
        seen.add(name)
        found |= _of_rule(recorded[name], recorded, seen)
    return found


def _seconds(text: str) -> float:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([wdhms])", text))


def table(name: str) -> Iterator[str]:
    """Yield the table of a runbook: when the alert fires and stops, in each profile."""
    yield "| profile | severity | fires | stops |"
    yield "| --- | --- | --- | --- |"
    rows: dict[tuple[str, str, str], list[str]] = {}
    for profile, alert in alerts(name):
        begins = f"when it has held for {_spoken(alert.for_)}" if alert.for_ != "0m" else "at once"
        ends = f"{_spoken(alert.keep_firing_for)} after it has ended" if alert.keep_firing_for != "0m" else "at once"
        row = ("off", "-", "-") if alert.severity is Severity.OFF else (f"`{alert.severity}`", begins, ends)
        rows.setdefault(row, []).append(profile)
    for row, profiles in rows.items():
        yield f"| {'all' if len(profiles) == len(PROFILES) else ', '.join(profiles)} | {' | '.join(row)} |"


def _spoken(duration: str) -> str:
    number, unit = int(duration[:-1]), {"m": "minute", "h": "hour"}[duration[-1]]
    return f"{number} {unit}{'s' if number != 1 else ''}"


def names() -> list[str]:
    """Return the names of all alerts, without the prefix."""
    return sorted({alert.name for values in PROFILES.values() for alert in _all(values)})


def runbook(name: str) -> str:
    """Return the name of the alert's runbook."""
    return f"{PREFIX}{name}.md"
