"""Read settings from the YAML file: in sections, or in the list `nodes:`."""

from typing import Any

import yaml

from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import FileContent, RawValue, RawValues
from exporter.config.setting import Setting
from exporter.config.settings import CONFIG_FILE, NODE_KEYS, SETTINGS
from exporter.config.storage_settings import STORAGE_RESET
from exporter.config.suggestions import closest_setting
from exporter.config.values import NONE
from exporter.config.yamltree import TreeReader, compose, is_null

KEYS = {
    setting.key: setting
    for setting in SETTINGS.values()
    if setting not in (CONFIG_FILE, STORAGE_RESET) and setting.group != "command"
}
"""The settings that the file may hold."""
SECTIONS = {setting.group for setting in KEYS.values()}

LARGEST = 16 << 20
"""The largest file that is read, bytes: ten thousand nodes take one or two MiB."""

_WEB_FILE = "This belongs into the web file: --web.config.file=FILE"
ELSEWHERE = dict.fromkeys(("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"), _WEB_FILE) | {
    "shard": "It is a flag, because each exporter has another one: --shard=I/N"
}
"""Keys of other places, and where they belong."""


def from_file(file: RawValue, problems: list[Problem]) -> FileContent | None:
    """Return the content of the file, without what is wrong in it; None if it can't be read at all."""
    if not file.text:
        return None
    try:
        root = compose(file.path, LARGEST)
    except InvalidValue as error:
        problems.append(error.at(file.where))
        return None
    return _Reader(file.path, problems).file(root) if root else FileContent()


class _Reader(TreeReader):
    """Walks the tree of one file, and adds what is wrong with it to the problems."""

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
            place = self.place(node, prefix)
            settings: RawValues = {}
            for key, inner, text in self.entries(node, f"{prefix}.", place):
                self.setting(NODE_KEYS, key, inner, text, settings)
            result.append((place, settings))
        return result

    def setting(self, known: dict[str, Setting[Any]], key: str, where: str, node: yaml.Node, into: RawValues) -> None:
        """Read one `key: value`; an empty value counts as not given."""
        setting = known.get(key)
        if setting is None:
            guess = closest_setting(key, (setting.name for setting in known.values()))
            right = next((key for key, setting in known.items() if setting.name == guess), None)
            fix = f"Did you mean {_spelled(right)}?" if right else f"Known settings: {', '.join(known)}."
            if key in ELSEWHERE:
                guess, fix = None, ELSEWHERE[key]
            self.problems.append(Problem(where, "Unknown setting.", fix))
            if guess and isinstance(node, yaml.ScalarNode):  # so that it isn't reported as missing, too
                into.setdefault(guess, RawValue(node.value, where, self.path.parent))
        elif setting.several and isinstance(node, yaml.SequenceNode):
            items = [item.value.strip() if isinstance(item, yaml.ScalarNode) else "" for item in node.value]
            if not items and setting.default == NONE:
                into[setting.name] = RawValue(NONE, where, self.path.parent)
            elif all(items) and items:
                into[setting.name] = RawValue(",".join(items), where, self.path.parent)
            else:
                fix = f"Give one value or a list of them: {setting.metavar}"
                self.problems.append(Problem(where, "is not a list of values.", fix))
        elif not isinstance(node, yaml.ScalarNode):
            self.problems.append(Problem(where, "is a list or a section.", f"Give one value: {setting.metavar}"))
        elif not is_null(node) and node.value.strip():
            into[setting.name] = RawValue(node.value.strip(), where, self.path.parent)


def _spelled(key: str) -> str:
    section, dot, rest = key.partition(".")
    return f"`{rest}` in section `{section}`" if dot else f"`{key}`"
