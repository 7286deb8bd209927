"""Checks a regular expression that Prometheus will read: its syntax is RE2, of which Python has no parser."""

import re
import warnings
from math import prod

MOST_REPEATED = 1000
"""How many repetitions RE2 allows, those within each other multiplied."""
_PUNCTUATION = r"\\[ !-/:-@\[-`{-~]"
_CLASS = rf"\[\^?\]?(?:\\[dDsSwW]|{_PUNCTUATION}|[^\[\]\\])*\]"
_REPEAT = re.compile(r"(?:[*+?]|\{(\d{1,4})(?:,(\d{0,4}))?\})\??")
_COMMON = re.compile(
    r"(?:\(\?i\)|\((?:\?:)?(?!\?)|[|^]"
    rf"|(?:[).$]|\\[dDsSwWbB]|{_PUNCTUATION}|{_CLASS}|[^()|.^$\\\[{{}}*+?])(?:{_REPEAT.pattern})?)*"
)
"""What Python and RE2 read alike. What only Python has is left out, such as looking ahead, references and possessive
repetitions, and so is what only RE2 has, such as `[[:alpha:]]`: names of nodes need neither."""


def wrong_regex(regex: str) -> str:
    """Return what is wrong with a regular expression for Prometheus, "" if nothing is."""
    if not regex.isprintable():
        return "it has characters that can't be shown"
    common = _COMMON.match(regex)
    if common and (rest := regex[common.end() :]):
        return f"{rest!r} can't be read"
    if prod(max(1, int(most or least or 1)) for least, most in _REPEAT.findall(regex)) > MOST_REPEATED:
        return f"it has more than {MOST_REPEATED} repetitions"
    try:
        with warnings.catch_warnings(action="ignore"):  # `[a&&b]` may mean something else some day
            re.compile(regex)
    except (re.error, RecursionError) as error:
        return str(error)
    return ""
