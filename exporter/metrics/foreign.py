"""Texts that others chose, made fit for a page."""

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """A text without control characters and lone surrogates: one of them in an alias would end or break the page."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
