"""Reads `values.yml` and checks it: one `Values` for each profile."""

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from exporter.payments.labels import AmountBand, Kind, Purpose, Reason
from exporter.rules.thresholds import Percent, Severity, Thresholds

VALUES = Path(__file__).parent / "values.yml"
SHOWN = "service"
"""The profile whose thresholds the dashboards show: it has the strictest."""
_NOT_RE2 = re.compile(r"[*+?}]\+|\d{4}|\(\?(?!:|i\))|\\(?![dDsSwWbB\W_])")
"""What may be in Python's regular expressions and not in Prometheus' (RE2): possessive and very large repetitions,
looking ahead and behind, references to groups, and escapes of letters and digits, except for the usual classes."""
_NOT_IN_A_NAME = frozenset('|*+?()[]{}^$\\"')


class Success(StrEnum):
    """Whose success the burn rates are about."""

    NODE = "node"
    """Each bad payment counts."""
    CUSTOMER = "customer"
    """Those that a later payment of the same hash made good don't."""


class ExporterAlerts(StrEnum):
    """How alerts on the exporter's own troubles are named."""

    EACH = "each"
    """Each has a name of its own."""
    ONE = "one"
    """All are `ExporterTrouble`, with the label `trouble`."""


WHOSE: Mapping[Success, str] = {
    Success.NODE: "Each failed try counts (`success: node` in values.yml).",
    Success.CUSTOMER: "A failed try doesn't count once a later try has paid (`success: customer` in values.yml).",
}
"""What burns the error budget, a sentence for alerts and panels."""


class Values(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The values of a profile; `values.yml` explains each key."""

    job: Annotated[str, Meta(min_length=1)]
    nodes: Annotated[str, Meta(min_length=1)]
    runbooks: str
    grafana: str
    counted_kinds: Annotated[list[Kind], Meta(min_length=1)]
    bad_reasons: Annotated[list[Reason], Meta(min_length=1)]
    success: Success
    exporter_alerts: ExporterAlerts
    target_percent: dict[AmountBand, Percent]
    alerts: Thresholds

    def __post_init__(self) -> None:
        """Check constraints that types can't express. Raises ValueError, which msgspec converts to its own error."""
        missing = [band.value for band in AmountBand if band not in self.target_percent]
        if missing:
            raise ValueError(f"target_percent: no target for {', '.join(missing)}")
        unknown = [reason.value for reason in (Reason.NONE, Reason.OTHER) if reason in self.bad_reasons]
        if unknown:
            raise ValueError(f"bad_reasons: {', '.join(unknown)}: what nobody knows is neither good nor bad")
        if set(self.job) & _NOT_IN_A_NAME or not self.job.isprintable():
            raise ValueError(f"job: {self.job!r} is a pattern, not a name: only one job can be watched")
        for name, link in (("runbooks", self.runbooks), ("grafana", self.grafana)):
            if "{{" in link or not link.isprintable() or not link.startswith(("http://", "https://")):
                raise ValueError(f"{name}: {link!r} is not an address that begins with http:// or https://")
        if found := _NOT_RE2.search(self.nodes):
            raise ValueError(
                f"nodes: {self.nodes!r} is not a regular expression of Prometheus: {found[0]!r} is not allowed"
            )
        try:
            re.compile(self.nodes)
        except re.error as error:
            raise ValueError(f"nodes: {self.nodes!r} is not a regular expression of Prometheus: {error}") from None


class _Loader(yaml.SafeLoader):
    """Reads YAML; a key that is there twice is an error, because one of its values would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Return the mapping of a node."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"`{key.value}` is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class WrongValues(Exception):
    """A value in `values.yml` is wrong; the message names it and the allowed values."""


def read(path: Path = VALUES, more: Mapping[str, object] | None = None) -> dict[str, Values]:
    """Return the profiles by name, each with the values of `more` on top. Raises `WrongValues`."""
    try:
        raw = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise WrongValues(f"{path} can't be read: {error}") from None
    try:
        defaults, profiles = raw["defaults"], raw["profiles"]
        merged = {name: _merged(_merged(defaults, own or {}), more or {}) for name, own in profiles.items()}
    except (KeyError, TypeError, AttributeError):
        raise WrongValues(f"{path}: not a file with `defaults` and `profiles`, each with names and values") from None
    if more_keys := ", ".join(f"`{key}`" for key in raw if key not in {"defaults", "profiles"}):
        raise WrongValues(f"{path}: unknown {more_keys}: only `defaults` and `profiles` are allowed at the top")
    for name in merged:
        if not re.fullmatch(r"[a-z0-9-]+", str(name)):
            raise WrongValues(f"{path}: profile {name!r}: use small letters, digits and dashes: it names a file")
    if SHOWN not in merged:
        raise WrongValues(f"{path}: no profile `{SHOWN}`: dashboards show its thresholds")
    return {name: _checked(path, name, values) for name, values in merged.items()}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings key by key; the upper one wins."""
    return dict(below) | {
        key: _merged(below[key], word) if isinstance(word, Mapping) and isinstance(below.get(key), Mapping) else word
        for key, word in above.items()
    }


def _checked(path: Path, name: str, values: dict[str, Any]) -> Values:
    try:
        return msgspec.convert(values, Values)
    except msgspec.ValidationError as error:
        raise WrongValues(f"{path}: profile {name}: {error}{_hint(str(error))}") from None


_WORDS: Mapping[str, Iterable[str]] = {
    r"\.severity`": Severity,
    r"\$\.success`": Success,
    r"\$\.exporter_alerts`": ExporterAlerts,
    r"\$\.target_percent`": AmountBand,
    r"\$\.alerts\.FeeBudget\.sat`": Purpose,
    r"\$\.counted_kinds\[": Kind,
    r"\$\.bad_reasons\[": [reason for reason in Reason if reason not in (Reason.NONE, Reason.OTHER)],
}
"""The words that are allowed, by the end of an error."""


def _hint(error: str) -> str:
    """Return a hint at allowed values, if the error doesn't contain one."""
    words = next((words for place, words in _WORDS.items() if re.search(place, error)), None)
    if words is Severity and "got `bool`" in error:
        return ' (write "off" in quotes)'
    if words and ("Invalid enum value" in error or "Expected `str`" in error):
        return f" (use one of {', '.join(words)})"
    if re.search(r"Expected `object`.* at `\$\.alerts\.\w+`", error):
        return ' (all keys of an alert are in braces, such as {severity: "off"})'
    if unknown := re.search(r"unknown field `(\w+)`", error):
        names = [field.encode_name for kind in (Values, Thresholds) for field in msgspec.structs.fields(kind)]
        close = difflib.get_close_matches(unknown[1].removeprefix("LndPayments"), names, n=1)
        return f" (did you mean {close[0]}?)" if close else _keys_of(error)
    return ""


def _keys_of(error: str) -> str:
    """Return the keys of the alert that an error is about, "" if it is about none."""
    place = re.search(r"`\$\.alerts\.(\w+)`", error)
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(Thresholds)}
    if place is None or place[1] not in kinds:
        return ""
    return f" (its keys are {', '.join(field.name for field in msgspec.structs.fields(kinds[place[1]]))})"
