"""Findings: one thing each that was looked at, what is the matter with it, and what to do."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

Value = str | int | float | tuple[str, ...]
_NO_VALUES: Mapping[str, Value] = MappingProxyType({})


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    """The exporter works, but something will be missing, or may soon be wrong."""
    PROBLEM = "problem"
    """The exporter can't do its work."""
    UNKNOWN = "unknown"
    """It can't be told; not a reason to worry."""


class Area(StrEnum):
    """What a finding is about; docs/check.md describes each."""

    STATE_FILE = "state file"
    PORT = "port"
    SETTINGS = "settings"
    ADDRESS = "address"
    PROXY = "proxy"
    CONNECTION = "connection"
    TLS = "tls"
    CERTIFICATE = "certificate"
    LND = "lnd"
    WALLET = "wallet"
    MACAROON = "macaroon"
    PERMISSION = "permission"
    VERSION = "version"
    CHAIN = "chain"
    PAGE = "page"
    ATTEMPTS = "attempts"
    CLOCK = "clock"
    TIME = "time"


class Finding(NamedTuple):
    """One line of the result."""

    area: Area
    verdict: Verdict
    what: str
    """What was found, in one sentence without a full stop."""
    to_do: str = ""
    """What to do about it; empty if there is nothing to do. It may have several lines: a command to copy."""
    values: Mapping[str, Value] = _NO_VALUES
    """What was measured, by the keys of the JSON document."""


class NodeReport(NamedTuple):
    """All findings about one node."""

    name: str
    address: str
    transport: str
    findings: tuple[Finding, ...]


def count(findings: Iterable[Finding], verdict: Verdict) -> int:
    """Return how many findings have this verdict."""
    return sum(finding.verdict is verdict for finding in findings)
