"""Reads the values of the web file and of `--http-config`: texts, lists, switches and sections, with their places."""

import difflib
from collections.abc import Callable
from typing import Any

import yaml

from exporter.config.problems import InvalidValue, Problem
from exporter.config.yamltree import TreeReader, is_null

Section = dict[str, tuple[str, yaml.Node]]
"""Place and value of each key that has a value."""

YES = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
NO = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
"""The words of YAML 1.1 for switches, as Go reads them."""


class WebTree(TreeReader):
    """Reads values out of the tree of such a file. No message shows a value: it may be a secret in the wrong place."""

    def shown(self, key: str) -> str:
        """Return a key that is known, or nearly; anything else may be a secret in the wrong place."""
        return key if difflib.get_close_matches(key, self._known, n=1) else "?"

    _known: tuple[str, ...] = ()
    """The keys of the section that is being read."""

    def problem(self, entry: tuple[str, yaml.Node], what: str, fix: str) -> None:
        """Add what is wrong with an entry of a section."""
        self.problems.append(Problem(entry[0], what, fix))

    def attempt(self, where: str, check: Callable[[], Any]) -> None:
        """Run a check, and add what it raises."""
        try:
            check()
        except InvalidValue as error:
            self.problems.append(error.at(where))

    def section(
        self, node: yaml.Node, where: str, name: str, known: tuple[str, ...], *, with_empty: bool = False
    ) -> Section:
        """Return the keys of a section that have a value, or perhaps an empty text; report unknown ones."""
        found: Section = {}
        self._known = known
        for key, place, value in self.entries(node, f"{name}." if name else "", where):
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                fix = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(known)}."
                self.problems.append(Problem(place, "Unknown setting.", fix))
            elif not is_null(value) and (with_empty or not isinstance(value, yaml.ScalarNode) or value.value):
                found[key] = (place, value)
        return found

    def text(self, section: Section, key: str) -> tuple[str, str] | None:
        """Return the text of a key and its place; None if there is none."""
        return self.scalar(*section[key]) if key in section else None

    def scalar(self, where: str, node: yaml.Node) -> tuple[str, str] | None:
        """Return a text and its place; report a list or a section."""
        if node.tag == "tag:yaml.org,2002:binary":
            self.problems.append(Problem(where, "has the tag !!binary.", "Write the text itself."))
            return None
        if isinstance(node, yaml.ScalarNode):
            return ("" if is_null(node) else node.value), where
        self.problems.append(Problem(where, "is a list or a section.", "Give one value."))
        return None

    def texts(self, section: Section, key: str) -> list[tuple[str, str]] | None:
        """Return the texts of a list with the place of each; None without a list."""
        if key not in section:
            return None
        where, node = section[key]
        if not isinstance(node, yaml.SequenceNode):
            self.problems.append(Problem(where, "is not a list.", f"Write {key}: [FIRST, SECOND]"))
            return None
        places = [(self.place(item, f"{where.partition(' ')[2]}[{n}]"), item) for n, item in enumerate(node.value)]
        return [text for place, item in places if (text := self.scalar(place, item))]

    def switch(self, section: Section, key: str, *, default: bool) -> bool:
        """Return whether a switch is on."""
        if key not in section:
            return default
        where, node = section[key]
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in (*YES, *NO):
            return node.value in YES
        self.problems.append(
            Problem(where, "is neither true nor false.", "Write one of them, without quotation marks.")
        )
        return default
