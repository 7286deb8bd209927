"""Texts that others chose, made fit for a page."""

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """A text that can be encoded and shown: a lone surrogate (JSON can carry one) would make the whole page an error.

    Control characters would only trouble terminals and browsers.
    """
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
