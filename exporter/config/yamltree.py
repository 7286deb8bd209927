"""The tree of a YAML file, in which every value keeps its line: its sections, and what is wrong with their form."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from exporter.config.files import LARGEST, read
from exporter.config.problems import InvalidValue, Problem

Entry = tuple[str, str, yaml.Node]
"""Key, place (`file:line key`), value."""

_QUOTED = re.compile(r"'(?P<content>(?:\\.|[^'\\])*)'")
_LONGEST = 2
"""Of the content of the file a message shows a character, perhaps escaped, but no more: it may be a secret."""


def compose(path: Path, largest: int = LARGEST) -> yaml.Node | None:
    """Return the tree of a YAML file of at most so many bytes; None if it is empty.

    Raises `InvalidValue`, without any content of the file.
    """
    try:
        node: yaml.Node | None = yaml.compose(read(path, largest).decode(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise InvalidValue(
            f"{path} is not valid YAML: {place}: {_QUOTED.sub(_shown, error.problem or error.context or '?')}.",
            "Correct it there. Indent with blanks, not with tabs.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidValue(f"{path} is not valid YAML: it is not even text.", "Write it as UTF-8 text.") from None
    except (RecursionError, ValueError, OverflowError):  # thousands of brackets; an escape that is no character
        raise InvalidValue(f"{path} is not valid YAML.", "Give the path of the right file.") from None
    return node


def _shown(quoted: re.Match[str]) -> str:
    """Return a quoted part of the parser's message unless it is from the file; names of tokens have angle brackets."""
    content = quoted["content"]
    return quoted[0] if len(content) <= _LONGEST or content.startswith("<") else "'...'"


def is_null(node: yaml.Node) -> bool:
    """Return whether the value is empty."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


class TreeReader:
    """Walks the tree of one file, and adds what is wrong with it to the problems."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems

    def place(self, node: yaml.Node, name: str) -> str:
        """Return `file:line name`."""
        return f"{self.path}:{node.start_mark.line + 1} {name}"

    def shown(self, key: str) -> str:
        """Return a key as a place names it."""
        return key

    def entries(self, node: yaml.Node, prefix: str, where: str, *, numbered: bool = False) -> Iterator[Entry]:
        """Yield the keys of a section with their values; report a second one of the same name.

        With `numbered` a place names the number of a key instead of the key, which may be secret by mistake.
        """
        if not isinstance(node, yaml.MappingNode):
            if not is_null(node):
                self.problems.append(
                    Problem(where, "is not a section.", "Write `key: value` lines, indented by two blanks.")
                )
            return
        seen: set[str] = set()
        for number, (key, value) in enumerate(node.value, 1):
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            place = self.place(key, f"{prefix}[{number}]" if numbered else f"{prefix}{self.shown(name)}")
            if name in seen:
                self.problems.append(Problem(place, "is given twice.", "Leave one of them out."))
            else:
                yield name, place, value
            seen.add(name)
