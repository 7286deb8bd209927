"""Settings as they were given: texts that know where they come from, so that a complaint can say it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from exporter.config.problems import Problem, Wrong
from exporter.config.settings import SETTINGS
from exporter.config.values import STRANGE
from exporter.redact import redact


class Given(NamedTuple):
    """The text of a setting, and where it was given."""

    text: str
    """Empty where a flag has no value, which is among the problems already."""
    where: str
    """A flag, an environment variable or `file:line key`."""
    base: Path = Path()
    """What a relative path is relative to: the folder of the file, else the working directory."""

    @property
    def path(self) -> Path:
        """The text as an absolute path; `~` is the home directory, as shells leave it in `--flag=~/...`."""
        if redact(self.text) != self.text:
            fix = "Write it to a file and give the path of that: everybody on the machine can read a command line."
            raise Wrong("holds a secret where the path of a file is expected.", fix)
        if STRANGE.search(self.text):
            raise Wrong(f"{self.text!a} has characters that can't be shown.", "Give a path that is UTF-8 text.")
        path = Path(self.text)
        if path.parts[:1] == ("~",):
            path = Path.home().joinpath(*path.parts[1:])
        return (self.base / path).absolute()


Settings = dict[str, Given]
"""By name of the setting: `lnd.tls-cert`."""


@dataclass
class FromFile:
    """What the YAML file says."""

    settings: Settings = field(default_factory=dict)
    nodes: list[tuple[str, Settings]] | None = None
    """Each entry of `nodes:`, and where it stands; None if there is no such list."""


def value(settings: Settings, name: str, problems: list[Problem]) -> Any:
    """The value of a setting, its default, or None: not given, or wrong and now among the problems."""
    given, setting = settings.get(name), SETTINGS[name]
    text = given.text if given else setting.default
    try:
        return setting.parse(text) if text else None
    except Wrong as wrong:
        problems.append(wrong.at(given.where if given else "default"))
        return None
