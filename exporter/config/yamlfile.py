"""Settings from the YAML file: the same names, in sections, and a list of nodes."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from exporter.config.files import read
from exporter.config.given import FromFile, Given, Settings
from exporter.config.problems import Problem, Wrong
from exporter.config.settings import NODE_KEYS, OF_COMMANDS, SETTINGS, Setting, nearest

NO_KEYS = ("config.file", "storage.reset", *OF_COMMANDS)
KEYS = {setting.key: setting for setting in SETTINGS.values() if setting.name not in NO_KEYS}
SECTIONS = {setting.group for setting in KEYS.values()}

Entry = tuple[str, str, yaml.Node]
"""Key, where it stands, value."""


def from_file(file: Given, problems: list[Problem]) -> FromFile | None:
    """All that the file says, as far as it can be understood; None if it can't be read at all."""
    if not file.text:
        return None
    try:
        root = _compose(file.path)
    except Wrong as wrong:
        problems.append(wrong.at(file.where))
        return None
    return _Reader(file.path, problems).file(root) if root else FromFile()


def _compose(path: Path) -> yaml.Node | None:
    """The tree of nodes, so that every value keeps its line and its text as it was written."""
    try:
        node: yaml.Node | None = yaml.compose(read(path).decode(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise Wrong(
            f"{path} is no YAML: {place}: {error.problem or error.context}.",
            "Correct it there; blanks indent, tabs don't.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise Wrong(f"{path} is no YAML: it is not even text.", "Write it as UTF-8 text.") from None
    return node


class _Reader:
    """Walks the tree of one file and remembers what is wrong with it."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems

    def file(self, root: yaml.Node) -> FromFile:
        """The whole file."""
        result = FromFile()
        for key, where, value in self.entries(root, "", str(self.path)):
            if key == "nodes":
                result.nodes = self.nodes(value, where)
            elif key in SECTIONS:
                for inner, place, text in self.entries(value, f"{key}.", where):
                    self.setting(KEYS, f"{key}.{inner}", place, text, result.settings)
            else:
                self.setting(KEYS, key, where, value, result.settings)
        return result

    def nodes(self, value: yaml.Node, where: str) -> list[tuple[str, Settings]]:
        """The list of nodes."""
        if not isinstance(value, yaml.SequenceNode) or not value.value:
            example = "nodes:\n  - name: alice\n    dir: /home/alice/.lnd"
            self.problems.append(Problem(where, "is no list of nodes.", f"Write at least one:\n{example}"))
            return []
        result: list[tuple[str, Settings]] = []
        for number, node in enumerate(value.value):
            prefix = f"nodes[{number}]"
            place = f"{self.path}:{node.start_mark.line + 1} {prefix}"
            settings: Settings = {}
            for key, inner, text in self.entries(node, f"{prefix}.", place):
                self.setting(NODE_KEYS, key, inner, text, settings)
            result.append((place, settings))
        return result

    def entries(self, node: yaml.Node, prefix: str, where: str) -> Iterator[Entry]:
        """The keys of a section and their values."""
        if not isinstance(node, yaml.MappingNode):
            if not _is_null(node):
                self.problems.append(
                    Problem(where, "is no section.", "Write `key: value` lines, indented by two blanks.")
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

    def setting(self, known: dict[str, Setting], key: str, where: str, node: yaml.Node, into: Settings) -> None:
        """One `key: value`; a value that is empty counts as not given."""
        setting = known.get(key)
        if setting is None:
            guess = nearest(key, (setting.name for setting in known.values()))
            right = next((key for key, setting in known.items() if setting.name == guess), None)
            fix = f"Did you mean {_spelled(right)}?" if right else f"Known are: {', '.join(known)}."
            self.problems.append(Problem(where, "is no setting.", fix))
            if guess and isinstance(node, yaml.ScalarNode):  # read on as if it were right: one mistake, one problem
                into.setdefault(guess, Given(node.value, where, self.path.parent))
        elif not isinstance(node, yaml.ScalarNode):
            self.problems.append(Problem(where, "is a list or a section.", f"Give one value: {setting.metavar}"))
        elif not _is_null(node) and node.value.strip():
            into[setting.name] = Given(node.value.strip(), where, self.path.parent)


def _spelled(key: str) -> str:
    section, dot, rest = key.partition(".")
    return f"`{rest}` in section `{section}`" if dot else f"`{key}`"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
