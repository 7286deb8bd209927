"""Which format and compression a scraper accepts."""

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Format(Enum):
    """The supported formats by content type, which always names the version that is sent, not the requested one."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_HEADERS = 32
"""Headers whose choice is kept: a scraper sends the same one each time."""


class _Choice(NamedTuple):
    """One element of an Accept or Accept-Encoding header."""

    value: str
    """A media type or an encoding, in lower case."""
    version: str
    quality: float


@lru_cache(_HEADERS)
def choose_format(accept: str) -> Format:
    """Return the format that an Accept header prefers; OpenMetrics only if the header names it, else text."""
    text = wildcard = openmetrics_quality = 0.0
    named = False
    for value, version, quality in _choices(accept):
        if value == "application/openmetrics-text" and _at_least_1(version):
            openmetrics_quality = max(openmetrics_quality, quality)
        elif value == "text/plain" and version in ("", "0.0.4"):
            named = True
            text = max(text, quality)
        elif value in ("*/*", "text/*"):
            wildcard = max(wildcard, quality)
    if openmetrics_quality > 0 and openmetrics_quality >= (text if named else wildcard):
        return Format.OPENMETRICS
    return Format.TEXT  # even if it isn't accepted: a page in another format is more useful than an error


@lru_cache(_HEADERS)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return True if an Accept-Encoding header allows gzip."""
    qualities = {value: quality for value, _, quality in _choices(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _choices(header: str) -> Iterator[_Choice]:
    """Yield the elements of a header with quality values: `value;version=...;q=0.5, value, ...`."""
    for element in header.split(","):
        value, *parameters = (part.strip() for part in element.lower().split(";"))
        pairs = {key.strip(): setting.strip(' "') for key, _, setting in (part.partition("=") for part in parameters)}
        yield _Choice(value, pairs.get("version", ""), _quality(pairs.get("q", "1")))


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0  # an invalid quality means not accepted
    return quality if 0 <= quality <= 1 else 0.0


def _at_least_1(version: str) -> bool:
    """Return True if 1.0.0 satisfies a request for this version: for none, 1.0.0 or newer, but not for a draft."""
    major = version.partition(".")[0].lstrip("0")
    return not version or major.isdecimal()
