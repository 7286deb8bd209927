"""Read settings from the YAML file: in sections, or in the list `nodes:`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.config.files import read
from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import FileContent, RawValue, RawValues
from exporter.config.settings import CONFIG_FILE, NODE_KEYS, SETTINGS, STORAGE_RESET, Setting
from exporter.config.suggestions import closest_setting

KEYS = {
    setting.key: setting
    for setting in SETTINGS.values()
    if setting not in (CONFIG_FILE, STORAGE_RESET) and setting.group != "command"
}
"""The settings that the file may hold."""
SECTIONS = {setting.group for setting in KEYS.values()}

LARGEST = 16 << 20
"""The largest file that is read, bytes: ten thousand nodes take one or two MiB."""

Entry = tuple[str, str, yaml.Node]
"""Key, place (`file:line key`), value."""


def from_file(file: RawValue, problems: list[Problem]) -> FileContent | None:
    """Return the content of the file, without what is wrong in it; None if it can't be read at all."""
    if not file.text:
        return None
    try:
        root = _compose(file.path)
    except InvalidValue as error:
        problems.append(error.at(file.where))
        return None
    return _Reader(file.path, problems).file(root) if root else FileContent()


def _compose(path: Path) -> yaml.Node | None:
    """Return the tree of the YAML file, in which every value keeps its line and its text as written."""
    try:
        node: yaml.Node | None = yaml.compose(read(path, LARGEST).decode(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise InvalidValue(
            f"{path} is not valid YAML: {place}: {error.problem or error.context}.",
            "Correct it there. Indent with blanks, not with tabs.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidValue(f"{path} is not valid YAML: it is not even text.", "Write it as UTF-8 text.") from None
    return node


class _Reader:
    """Walks the tree of one file, and adds what is wrong with it to the problems."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems

    def file(self, root: yaml.Node) -> FileContent:
        """Read the whole file."""
        result = FileContent()
        for key, where, value in self.entries(root, "", str(self.path)):
            if key == "nodes":
                result.nodes = self.nodes(value, where)
            elif key in SECTIONS:
                for inner, place, text in self.entries(value, f"{key}.", where):
                    self.setting(KEYS, f"{key}.{inner}", place, text, result.values)
            else:
                self.setting(KEYS, key, where, value, result.values)
        return result

    def nodes(self, value: yaml.Node, where: str) -> list[tuple[str, RawValues]]:
        """Read the list of nodes."""
        if not isinstance(value, yaml.SequenceNode) or not value.value:
            example = "nodes:\n  - name: alice\n    dir: /home/alice/.lnd"
            self.problems.append(Problem(where, "is not a list of nodes.", f"Write at least one:\n{example}"))
            return []
        result: list[tuple[str, RawValues]] = []
        for number, node in enumerate(value.value):
            prefix = f"nodes[{number}]"
            place = f"{self.path}:{node.start_mark.line + 1} {prefix}"
            settings: RawValues = {}
            for key, inner, text in self.entries(node, f"{prefix}.", place):
                self.setting(NODE_KEYS, key, inner, text, settings)
            result.append((place, settings))
        return result

    def entries(self, node: yaml.Node, prefix: str, where: str) -> Iterator[Entry]:
        """Yield the keys of a section with their values; report a second one of the same name."""
        if not isinstance(node, yaml.MappingNode):
            if not _is_null(node):
                self.problems.append(
                    Problem(where, "is not a section.", "Write `key: value` lines, indented by two blanks.")
                )
            return
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            place = f"{self.path}:{key.start_mark.line + 1} {prefix}{name}"
            if name in seen:
                self.problems.append(Problem(place, "is given twice.", "Leave one of them out."))
            else:
                yield name, place, value
            seen.add(name)

    def setting(self, known: dict[str, Setting[Any]], key: str, where: str, node: yaml.Node, into: RawValues) -> None:
        """Read one `key: value`; an empty value counts as not given."""
        setting = known.get(key)
        if setting is None:
            guess = closest_setting(key, (setting.name for setting in known.values()))
            right = next((key for key, setting in known.items() if setting.name == guess), None)
            fix = f"Did you mean {_spelled(right)}?" if right else f"Known settings: {', '.join(known)}."
            self.problems.append(Problem(where, "Unknown setting.", fix))
            if guess and isinstance(node, yaml.ScalarNode):  # so that it isn't reported as missing, too
                into.setdefault(guess, RawValue(node.value, where, self.path.parent))
        elif setting.several and isinstance(node, yaml.SequenceNode):
            items = [item.value.strip() if isinstance(item, yaml.ScalarNode) else "" for item in node.value]
            if all(items) and items:
                into[setting.name] = RawValue(",".join(items), where, self.path.parent)
            else:
                fix = f"Give one value or a list of them: {setting.metavar}"
                self.problems.append(Problem(where, "is not a list of values.", fix))
        elif not isinstance(node, yaml.ScalarNode):
            self.problems.append(Problem(where, "is a list or a section.", f"Give one value: {setting.metavar}"))
        elif not _is_null(node) and node.value.strip():
            into[setting.name] = RawValue(node.value.strip(), where, self.path.parent)


def _spelled(key: str) -> str:
    section, dot, rest = key.partition(".")
    return f"`{rest}` in section `{section}`" if dot else f"`{key}`"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
