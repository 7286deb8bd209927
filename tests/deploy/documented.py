"""The generated parts of documents, and those of docs/alerts.md: made from the rules and the stories that test them."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from exporter.rules.generate import groups
from exporter.rules.rule import PREFIX, Alert
from exporter.rules.thresholds import Severity
from exporter.rules.values import read
from tests.incidents.named import EVERYTHING
from tests.incidents.stories import STORIES
from tests.incidents.story import Fires


def alerts() -> Iterator[str]:
    """Yield the table of alerts, with the severity in each profile."""
    profiles = read(more=EVERYTHING)
    yield f"| alert | {' | '.join(profiles)} | message |"
    yield "| --- | " + " | ".join("---" for _ in profiles) + " | --- |"
    severities: dict[str, dict[str, list[str]]] = {}
    says: dict[str, dict[str, None]] = {}
    for profile, values in profiles.items():
        for group in groups(values):
            for rule in group.rules:
                if isinstance(rule, Alert):
                    found = severities.setdefault(rule.name, {name: [] for name in profiles})[profile]
                    if rule.severity is not Severity.OFF:
                        how = f"{rule.severity} as {rule.part_of}" if rule.part_of else rule.severity.value
                        found.append(f"{how} ({rule.for_})" if rule.for_ != "0m" else how)
                    says.setdefault(rule.name, {})[plain(rule.summary)] = None
    for name, by_profile in severities.items():
        cells = " | ".join(", ".join(found) or "-" for found in by_profile.values())
        yield f"| [{name}](runbooks/{PREFIX}{name}.md) | {cells} | {'; '.join(says[name])} |"


def incidents() -> Iterator[str]:
    """Yield the table of stories, with the minutes within which alerts must fire."""
    profiles = list(read())
    yield f"| what happens | in every profile | {' | '.join(f'only in `{profile}`' for profile in profiles)} |"
    yield "| --- | --- | " + " | ".join("---" for _ in profiles) + " |"
    for story in STORIES:
        expected = {profile: story.expected(profile) for profile in profiles}
        common = {
            name: minutes
            for name, minutes in story.fires.items()
            if all(fires.get(name) == minutes for fires in expected.values())
        }
        rest = ({name: fires[name] for name in fires if name not in common} for fires in expected.values())
        cells = [_fires(those, story.ends) for those in (common, *rest)]
        yield f"| {story.description} | {' | '.join(cells)} |"


def plain(summary: str) -> str:
    """Return a summary without the node, with dots for the values, and both of two wordings."""
    without = re.sub(r"^{{ (with \$labels.node }}{{ \. }}: {{ end|\$labels\.\w+) }}(: )?", "", summary)
    either = re.sub(r"{{ if [^}]*}}((?:(?!{{ end }}).)*){{ else }}(.*?){{ end }}", r"\1 or \2", without)
    return re.sub(r"{{ (if|with) .*{{ end }}|{{.*?}}", "…", either)


def _fires(fires: Fires, ends: Fires) -> str:
    stops = {name: f" ({minutes:g})" for name, minutes in ends.items()}
    return ", ".join(f"{name} {minutes:g}{stops.get(name, '')}" for name, minutes in fires.items()) or "-"


def check(document: Path, name: str, lines: Iterable[str]) -> None:
    """Assert that the part `name` of a document has these lines; `UPDATE_GOLDEN=1` writes them there.

    It is between `<!-- begin NAME -->` and `<!-- end NAME -->`.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = document.read_text().partition(begin)
    found, _, tail = rest.partition(end)
    wanted = "\n" + "\n".join(lines) + "\n\n"
    if os.environ.get("UPDATE_GOLDEN"):
        document.write_text(head + begin + wanted + end + tail)
    else:
        assert found == wanted


SECTIONS: Mapping[str, Callable[[], Iterator[str]]] = {"alerts": alerts, "incidents": incidents}
"""The parts of docs/alerts.md."""
