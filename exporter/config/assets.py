"""The flags and arguments of the commands that only print or write what the program brings along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config.command_settings import (
    FORMAT,
    GRAFANA,
    JOB,
    OUTPUT,
    PROFILE,
    RECORDINGS,
    RUNBOOKS,
    SHOW_VALUES,
    VALUES,
)
from exporter.config.commands import PROGRAM, Command
from exporter.config.handover import STREAM
from exporter.config.problems import SHELL, ConfigError, InvalidValue, Problem
from exporter.config.raw import RawValue, RawValues, optional_value, value
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS
from exporter.config.sources import from_environment, from_flags, refuse_flags_of_others
from exporter.config.values import one_of

SHELLS = ("bash", "zsh", "fish")
KUBERNETES = "kubernetes"
"""The value of `--format`."""


@dataclass(frozen=True, slots=True)
class AssetsConfig:
    """What is printed or written, and where."""

    profile: str = ""
    """Of `rules`; it may be one of the user's own."""
    values: Path | None = None
    """The user's own values, absolute; None: there are none."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Values that were given by flags, by name."""
    show_values: bool = False
    """Whether our values are printed instead of rules."""
    recordings: bool = False
    """Whether alerts are left out."""
    kubernetes: bool = False
    """Whether manifests are written."""
    output: Path | None = None
    """The file or directory to write, absolute; None: standard output."""
    shell: str = ""
    """Of `completion`."""


def load_assets(argv: Sequence[str], environ: Mapping[str, str], command: Command) -> AssetsConfig:
    """Return what a command is to print or write. Raises `ConfigError` with all problems."""
    problems: list[Problem] = []
    names: list[str] | None = [] if command == "completion" else None
    flags = from_flags(argv, problems, names=names)
    raw = from_environment(environ, problems) | flags
    refuse_flags_of_others(command, flags, problems)
    if command == "rules" and raw.get(OUTPUT.name, RawValue("", "")).text == STREAM:
        del raw[OUTPUT.name]
    show_values = value(raw, SHOW_VALUES, problems)
    if show_values:
        fix = "Leave it out: the values of all profiles are printed as they are."
        others = [name for name in flags if name != SHOW_VALUES.name and command in SETTINGS[name].commands]
        problems += [Problem(flags[name].where, f"has no effect with {SHOW_VALUES.flag}.", fix) for name in others]
    if command == "rules" and not show_values and PROFILE.name not in raw:
        fix = (
            f"Write {PROFILE.flag}=home for your own node, service for many payments and users, routing for rebalances."
        )
        problems.append(Problem(PROFILE.flag, "is missing.", fix))
    if command == "dashboards" and OUTPUT.name not in raw:
        problems.append(Problem(OUTPUT.flag, "is missing.", f"Write {OUTPUT.flag}=DIR, the directory for the files."))
    config = AssetsConfig(
        profile=value(raw, PROFILE, problems),
        values=_path(raw, VALUES, problems),
        more={each.name: raw[each.name].text for each in (GRAFANA, RUNBOOKS, JOB) if each.name in raw},
        show_values=show_values,
        recordings=value(raw, RECORDINGS, problems),
        kubernetes=value(raw, FORMAT, problems) == KUBERNETES,
        output=_path(raw, OUTPUT, problems),
        shell=_shell(names, problems) if names is not None else "",
    )
    if problems:
        raise ConfigError(problems)
    return config


def _path(raw: RawValues, setting: Setting[str], problems: list[Problem]) -> Path | None:
    """Return an absolute path; None if it isn't given, or if there is a problem."""
    if not optional_value(raw, setting, problems):
        return None
    try:
        return raw[setting.name].path
    except InvalidValue as error:
        problems.append(error.at(raw[setting.name].where))
        return None


def _shell(names: Sequence[str], problems: list[Problem]) -> str:
    """Return the only argument of `completion`."""
    if len(names) != 1:
        what = f"{names[1]!r} is one argument too many." if names else "The name of a shell is missing."
        problems.append(Problem(SHELL, what, f"Write: {PROGRAM} completion {'|'.join(SHELLS)}"))
        return ""
    try:
        return one_of(*SHELLS)(names[0])
    except InvalidValue as error:
        problems.append(error.at(SHELL))
        return ""
