"""Settings as text, with the place where each was given, so that a problem can name it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from exporter.config.problems import InvalidValue, Problem
from exporter.config.setting import Setting
from exporter.config.values import UNPRINTABLE
from exporter.redact import redact

T = TypeVar("T")


class RawValue(NamedTuple):
    """The text of a setting, and where it was given."""

    text: str
    """Empty if a flag has no value, which is already among the problems."""
    where: str
    """A flag, an environment variable or `file:line key`."""
    base: Path = Path()
    """A relative path starts here: the directory of the YAML file, else the working directory."""

    @property
    def path(self) -> Path:
        """The text as an absolute path; raises `InvalidValue`.

        `~` is the home directory: shells don't replace it in `--flag=~/...`.
        """
        if redact(self.text) != self.text:
            fix = "Write it to a file and give the path of that: everybody on the machine can read a command line."
            raise InvalidValue("holds a secret where the path of a file is expected.", fix)
        if UNPRINTABLE.search(self.text):
            raise InvalidValue(f"{self.text!a} has characters that can't be shown.", "Give a path that is UTF-8 text.")
        path = Path(self.text)
        if path.parts[:1] == ("~",):
            path = Path.home().joinpath(*path.parts[1:])
        return (self.base / path).absolute()


RawValues = dict[str, RawValue]
"""By name of the setting: `lnd.tls-cert`."""


@dataclass
class FileContent:
    """The settings of the YAML file."""

    values: RawValues = field(default_factory=dict)
    nodes: list[tuple[str, RawValues]] | None = None
    """The location of each entry of `nodes:` and the entry; None without such a list."""
    destinations: dict[str, str] = field(default_factory=dict)
    """The name of the group of destinations of each key that is in one."""


def optional_value(raw: RawValues, setting: Setting[T], problems: list[Problem]) -> T | None:
    """Return the value of a setting or its default; None if it has none, or if a wrong text has added a problem."""
    given = raw.get(setting.name)
    text = given.text if given else setting.default
    try:
        return setting.parse(text) if text else None
    except InvalidValue as error:
        problems.append(error.at(given.where if given else "default"))
        return None


def value(raw: RawValues, setting: Setting[T], problems: list[Problem]) -> T:
    """Return the value of a setting with a default; for a wrong text add a problem and return the default."""
    found = optional_value(raw, setting, problems)
    return setting.parse(setting.default) if found is None else found
