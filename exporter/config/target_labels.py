"""Parses the labels of a target, which Prometheus gives to all series that it scrapes there."""

import re
from collections.abc import Mapping

from exporter.config.problems import InvalidValue
from exporter.config.values import OUR_PORT, UNPRINTABLE

EXAMPLE = f"job=lnd-payments,instance=localhost:{OUR_PORT}"
NEEDED = ("job", "instance")
"""The labels that every target has."""
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_OWN = ("node", "le", "kind", "purpose", "cause", "reason", "outcome", "amount_band", "peer", "destination")
"""Labels that the exporter gives to its series."""


def target_labels(given: str) -> Mapping[str, str]:
    """Return the labels in `NAME=VALUE,...`, job and instance among them."""
    labels = dict[str, str]()
    for part in given.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        value = value.strip('"')
        if not equals or not _NAME.fullmatch(name) or not value or UNPRINTABLE.search(value):
            raise InvalidValue(f"{part!a} is not a label.", f"Write NAME=VALUE with commas in between: {EXAMPLE}")
        if name in _OWN or name.startswith("__"):
            fix = f"Write those that /targets shows: {EXAMPLE}"
            raise InvalidValue(f"{name} is not a label of a target.", fix)
        if name in labels:
            raise InvalidValue(f"{name} is given twice.", "Give it once.")
        labels[name] = value
    if missing := [name for name in NEEDED if name not in labels]:
        raise InvalidValue(f"{' and '.join(missing)} is missing.", f"Write both, as /targets shows them: {EXAMPLE}")
    return labels
