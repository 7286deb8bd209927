"""Reads the section `destinations` of the YAML file: groups of recipients by name."""

import re
from collections.abc import Iterator

import yaml

from exporter.config.problems import Problem
from exporter.config.yamltree import TreeReader, is_null
from exporter.payments.labels import FORMER_DESTINATIONS, OTHER_DESTINATIONS

MAX_GROUPS = 50
MAX_KEYS = 500
"""In all groups together."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"0[23][0-9a-f]{64}")
_RESERVED = (OTHER_DESTINATIONS, FORMER_DESTINATIONS)
_EXAMPLE = "destinations:\n  exchange-a: [02ab..., 03cd...]"
_FIX_NAME = "Use 1 to 64 letters, digits and . _ - without blanks, such as exchange-a."
_FIX_KEY = "Write the 66 hex digits of a node's identity key, which begin with 02 or 03, without an address after it."


def read_destinations(reader: TreeReader, section: yaml.Node, where: str) -> dict[str, str]:
    """Return the name of the group of each key; what is wrong is added to the problems of `reader`."""
    if not isinstance(section, yaml.MappingNode):
        if not is_null(section):
            reader.problems.append(Problem(where, "is not a section.", f"Write a line for each group:\n{_EXAMPLE}"))
        return {}
    groups: dict[str, str] = {}
    places: dict[str, str] = {}
    names = 0
    for name, place, value in reader.entries(section, "destinations.", where):
        names += 1
        if not _NAME.fullmatch(name):
            reader.problems.append(Problem(place, "can't be the name of a destination.", _FIX_NAME))
        elif name in _RESERVED:
            fix = f"Choose another one: {' and '.join(_RESERVED)} are labels of the exporter's own."
            reader.problems.append(Problem(place, "can't be the name of a destination.", fix))
        for key, at in _keys(reader, name, value, place):
            if key in groups:
                fix = f"Leave it out in one place; {places[key]} is the same."
                reader.problems.append(Problem(at, "is a key that is given twice.", fix))
            else:
                groups[key], places[key] = name, at
    if names > MAX_GROUPS:
        fix = f"Use {MAX_GROUPS} at most: each adds some 36 series a node."
        reader.problems.append(Problem(where, f"has {names} groups.", fix))
    if len(groups) > MAX_KEYS:
        reader.problems.append(Problem(where, f"has {len(groups)} keys.", f"Use {MAX_KEYS} at most, in all groups."))
    return groups


def _keys(reader: TreeReader, name: str, value: yaml.Node, where: str) -> Iterator[tuple[str, str]]:
    """Yield each key of a group with its place; report what is no key, and a group without any."""
    items = value.value if isinstance(value, yaml.SequenceNode) else [] if is_null(value) else [value]
    if not items:
        reader.problems.append(Problem(where, "has no keys.", f"Give at least one:\n{_EXAMPLE}"))
    for number, item in enumerate(items):
        place = reader.place(item, f"destinations.{name}[{number}]")
        key = item.value.strip().lower() if isinstance(item, yaml.ScalarNode) else ""
        if _KEY.fullmatch(key):
            yield key, place
        else:
            reader.problems.append(Problem(place, "is not the key of a node.", _FIX_KEY))
