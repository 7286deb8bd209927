"""Generates a file of rules from the values of a profile."""

from collections.abc import Sequence
from typing import Any

import yaml

from exporter.rules import boards, days, down, flight, node, peers, reasons, recording, success, traffic, watching
from exporter.rules.rule import Group, as_yaml
from exporter.rules.values import Values

_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines unchanged, as literal blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's
        """Indent lists, too."""
        del indentless
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def groups(values: Values) -> Sequence[Group]:
    """Return all rules of a profile."""
    return (
        recording.recordings(values),
        days.of_days(values),
        boards.boards(values),
        success.success(values),
        reasons.reasons(values),
        peers.peers(values),
        flight.flight(values),
        down.down(values),
        node.node(values),
        traffic.traffic(values),
        watching.watching(values),
        watching.seldom(values),
    )


def generated(profile: str, values: Values) -> str:
    """Return the text of the rule file."""
    rules: dict[str, Any] = as_yaml(groups(values), values)
    head = f"# Made from values.yml, profile `{profile}`, by `make rules`: change it there.\n"
    _Dumper.add_representer(str, _text)
    return head + yaml.dump(rules, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
