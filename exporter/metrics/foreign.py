"""Texts that others chose, made fit for a page."""

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """A text that can be encoded and shown: a lone surrogate (JSON can carry one) would make the whole page an error.

    Control characters, and those that end a line or turn the direction of writing, would only trouble terminals and
    browsers.
    """
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
