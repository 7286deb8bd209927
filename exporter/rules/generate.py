"""Generates a file of rules from the values of a profile."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from exporter.rules import boards, days, down, flight, node, peers, reasons, recording, success, traffic, watching
from exporter.rules.rule import Group, as_yaml
from exporter.rules.values import Values

_WIDTH = 120
FIRST_GROUP = "lnd_payments_recordings"
"""The name of a group that all files of rules have, and those of no other program."""


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines unchanged, as literal blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's
        """Indent lists, too."""
        del indentless
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def groups(values: Values, *, alerts: bool = True) -> Sequence[Group]:
    """Return all rules of a profile, or only its recordings."""
    every = (
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
    return every if alerts else [recorded for group in every if (recorded := group.recordings()).rules]


def generated(profile: str, values: Values, *, alerts: bool = True) -> str:
    """Return the text of the rule file, with or without alerts."""
    return head(profile) + as_text(as_yaml(groups(values, alerts=alerts), values))


def head(profile: str) -> str:
    """Return the first lines, which tell how the file was made."""
    return (
        f"# Made by `lnd-payments-exporter rules --profile={profile}`. To change a value, write it into a file of\n"
        "# your own, and make this file again with --values=FILE; docs/alerts.md describes it.\n"
    )


def as_text(content: Mapping[str, Any]) -> str:
    """Return a YAML document."""
    _Dumper.add_representer(str, _text)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
