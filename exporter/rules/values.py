"""Reads `values.yml`, and the user's own values on top of it, and checks them: one `Values` for each profile."""

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import yaml
from msgspec import Meta, Struct

from exporter.payments.labels import AmountBand, Kind, Purpose, Reason
from exporter.rules.regex import wrong_regex
from exporter.rules.thresholds import Percent, Severity, Thresholds
from exporter.text import sanitize

VALUES = Path(__file__).parent / "values.yml"
SHOWN = "service"
"""The profile whose thresholds the dashboards show: it has the strictest."""
_NOT_IN_A_NAME = frozenset('|*+?()[]{}^$\\"')
_LINK = re.compile(r"https?://[^\s{}]+")
_MERGE = "tag:yaml.org,2002:merge"
_PROFILE = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")
"""It names a file, and on Kubernetes an object."""


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
            if not link.isprintable() or not _LINK.fullmatch(link):
                raise ValueError(f"{name}: {link!r} is not an address that begins with http:// or https://")
        if wrong := wrong_regex(self.nodes):
            raise ValueError(f"nodes: {self.nodes!r} is not a regular expression of Prometheus: {wrong}")


class _Loader(yaml.SafeLoader):
    """Reads YAML; a key that is there twice is an error, because one of its values would be lost.

    So is `<<`, which merges mappings: a few lines of it can ask for more of them than fit into memory.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Return the mapping of a node."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not a word", key.start_mark)
            if key.tag == _MERGE:
                raise yaml.constructor.ConstructorError(None, None, "`<<` is not allowed here", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"`{key.value}` is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class WrongValues(Exception):
    """A value is wrong; the message is one line, which names the file, the value and the allowed ones."""

    def __init__(self, message: str) -> None:
        """Take the message; keys that it quotes from a file may have line ends and control characters."""
        super().__init__(sanitize(message))


class ValuesFile(NamedTuple):
    """A file of values, in the form of `values.yml`."""

    name: str
    """Its path, for messages."""
    text: str


_Words = dict[str, Any]


class _Sections(NamedTuple):
    """The content of a file of values."""

    defaults: _Words
    profiles: dict[str, _Words]


def read(
    ours: Path = VALUES, own: ValuesFile | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Values]:
    """Return the profiles by name. Raises `WrongValues`.

    Of two values the later one wins: our defaults, ours of the profile, the user's own defaults, their own of the
    profile, `more`.
    """
    below = _sections(ValuesFile(str(ours), ours.read_text(encoding="utf-8")))
    above = _sections(own) if own else _Sections({}, {})
    file = own.name if own else ours
    _checked(f"{file}: defaults", below.defaults, above.defaults)
    if SHOWN not in below.profiles:
        raise WrongValues(f"{ours}: no profile `{SHOWN}`: dashboards show its thresholds")
    profiles = {}
    for name in below.profiles | above.profiles:
        if not _PROFILE.fullmatch(name):
            fix = "use small letters, digits and dashes in between: it names a file"
            raise WrongValues(f"{file}: profile {name!r}: {fix}")
        layers = [words for each in (below, above) for words in (each.defaults, each.profiles.get(name, {}))]
        profiles[name] = _checked(f"{file}: profile {name}", *layers, more or {})
    return profiles


def changed(values: Values, words: Mapping[str, str]) -> Values:
    """Return the values with others for some keys that are text. Raises `WrongValues`, which begins with the key."""
    try:
        return msgspec.structs.replace(values, **words)
    except ValueError as error:
        raise WrongValues(str(error)) from None


def _sections(file: ValuesFile) -> _Sections:
    """Return the content of a file. Each part of it may be missing, or empty."""
    try:
        raw = yaml.load(file.text, _Loader) or {}  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise WrongValues(f"{file.name}: {place}{' '.join(str(error.problem or error.context).split())}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, LookupError, AttributeError):
        # The last ones are PyYAML's for a value that doesn't fit the tag before it, such as `!!int ""`.
        raise WrongValues(f"{file.name}: not YAML") from None
    if not isinstance(raw, Mapping):
        raise WrongValues(f"{file.name}: not a file with `defaults` and `profiles`, each with names and values")
    if unknown := [f"`{key}`" for key in raw if key not in _Sections._fields]:
        raise WrongValues(
            f"{file.name}: unknown {', '.join(unknown)}: only `defaults` and `profiles` are allowed at the top"
        )
    profiles = _names(raw.get("profiles"), file, "profiles")
    return _Sections(
        _names(raw.get("defaults"), file, "defaults"),
        {name: _names(values, file, f"profile {name}") for name, values in profiles.items()},
    )


def _names(value: object, file: ValuesFile, place: str) -> _Words:
    """Return a part of the file that has names."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise WrongValues(f"{file.name}: {place}: not names and values, such as `job: lnd-payments`")
    return value


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> _Words:
    """Merge two mappings key by key; the upper one wins."""
    return dict(below) | {
        key: _merged(below[key], word) if isinstance(word, Mapping) and isinstance(below.get(key), Mapping) else word
        for key, word in above.items()
    }


def _checked(place: str, *layers: Mapping[str, Any]) -> Values:
    try:
        return msgspec.convert(reduce(_merged, layers), Values)
    except msgspec.ValidationError as error:
        raise WrongValues(f"{place}: {error}{_hint(str(error))}") from None
    except UnicodeEncodeError:
        raise WrongValues(f"{place}: a half of a surrogate pair (\\ud800 to \\udfff) is not a character") from None


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
