"""The commands that print or write what the program brings along."""

import difflib
import io
import sys
from collections.abc import Callable

from exporter.assets import manifests, manual
from exporter.assets.carried import ALERTMANAGER, DASHBOARDS, carried, dashboard
from exporter.assets.completion import bash, fish, zsh
from exporter.assets.output import Made, create_directory, write
from exporter.config.assets import AssetsConfig
from exporter.config.command_settings import PROFILE
from exporter.config.command_settings import VALUES as VALUES_FLAG
from exporter.config.commands import PROGRAM, Command
from exporter.config.files import read as read_file
from exporter.config.problems import ConfigError, InvalidValue, Problem
from exporter.rules.generate import FIRST_GROUP, generated
from exporter.rules.values import VALUES, Values, ValuesFile, WrongValues, changed, read


def run(command: Command, config: AssetsConfig) -> None:
    """Run one of the commands. Raises `ConfigError`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as Prometheus reads it, whatever the terminal shows
    _DO[command](config)


def _rules(config: AssetsConfig) -> None:
    if config.show_values:
        print(VALUES.read_text(encoding="utf-8"), end="")
        return
    values = _values(config)
    make = manifests.prometheus_rule if config.kubernetes else generated
    text = make(config.profile, values, alerts=not config.recordings)
    if config.output is None:
        print(text, end="")
    else:
        write({config.output: Made(text, FIRST_GROUP)})
        print(config.output)


def _values(config: AssetsConfig) -> Values:
    """Return the values of the profile, with the user's own file and flags on top."""
    try:
        own = ValuesFile(str(config.values), read_file(config.values).decode()) if config.values else None
        profiles = read(own=own)
    except InvalidValue as error:
        raise ConfigError([error.at(VALUES_FLAG.flag)]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(VALUES_FLAG.flag, f"{config.values} is not text.", "Write it as UTF-8.")]) from None
    except WrongValues as error:
        fix = f"{PROGRAM} rules --show-values prints a right file."
        raise ConfigError([Problem(VALUES_FLAG.flag, str(error), fix)]) from None
    if config.profile not in profiles:
        close = difflib.get_close_matches(config.profile, profiles, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        fix = f"Use one of {', '.join(profiles)}.{hint}"
        raise ConfigError([Problem(PROFILE.flag, f"There is no profile {config.profile!r}.", fix)])
    try:
        return changed(profiles[config.profile], config.more)
    except WrongValues as error:
        name, _, what = str(error).partition(": ")
        raise ConfigError([Problem(f"--{name}", what, f"{PROGRAM} rules --help describes it.")]) from None


def _dashboards(config: AssetsConfig) -> None:
    assert config.output is not None, "the command line is refused without a directory"
    files = {}
    for uid in DASHBOARDS:
        text, mark = dashboard(uid), f'"uid": "{uid}"'
        if config.kubernetes:
            files[config.output / f"{uid}.yml"] = Made(manifests.config_map(uid, text), mark)
        else:
            files[config.output / f"{uid}.json"] = Made(text, mark)
    create_directory(config.output)
    write(files)
    print("\n".join(map(str, files)))


_SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
_DO: dict[Command, Callable[[AssetsConfig], None]] = {
    "rules": _rules,
    "dashboards": _dashboards,
    "alertmanager-example": lambda _: print(carried(ALERTMANAGER), end=""),
    "completion": lambda config: print(_SHELLS[config.shell].script(), end=""),
    "man": lambda _: print(manual.page(), end=""),
}
