"""Read settings from the command line and from the environment."""

import re
from collections import deque
from collections.abc import Mapping, Sequence

from exporter.config.commands import COMMANDS, OF_ONE_PAYMENT, PROGRAM, Command
from exporter.config.problems import HASH, NO_FLAG, Problem
from exporter.config.raw import RawValue, RawValues
from exporter.config.setting import ENVIRONMENT
from exporter.config.settings import SETTINGS
from exporter.config.suggestions import closest_setting, section_of_the_file
from exporter.config.values import HASH_BASE64, HASH_HEX

_PROTOCOL = "(TCP|UDP|SCTP)"
KUBERNETES = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    rf"|PORT_\d+_{_PROTOCOL}(_(PROTO|PORT|ADDR))?"
    rf"|PORT=(?i:{_PROTOCOL})://.*)"
)
"""Variables that Kubernetes sets in all containers of a namespace with a Service called lnd-payments-exporter, or
lnd-payments-exporter-metrics and the like: names without our prefix, and `NAME=value` for one of them.

The name decides, except for `..._PORT`, which people write as well: their value is a number, that of Kubernetes a URL.
No setting may ever have such a name (https://kubernetes.io/docs/concepts/services-networking/service/).
"""


def from_flags(  # noqa: C901 - one case for each kind of argument
    argv: Sequence[str], problems: list[Problem], *, takes_hash: bool = False, names: list[str] | None = None
) -> RawValues:
    """Parse `--name=value` and `--name value`; with `takes_hash` also one argument that isn't a flag, under `HASH`.

    If `names` is given, all arguments that aren't flags are appended to it, also a lone `-`, and all that follows `--`.
    argparse would stop at the first error, refuse values that begin with a dash (a hash in base64), and take the value
    of an unknown flag for the hash.
    """
    given: RawValues = {}
    by_flag = {setting.flag: setting for setting in SETTINGS.values()}
    arguments = deque(argv)
    while arguments:
        argument = arguments.popleft()
        if takes_hash and (not argument.startswith("-") or HASH_BASE64.fullmatch(argument)):
            if HASH in given:
                problems.append(
                    Problem(HASH, f"{argument!r} is one argument too many.", "One payment at a time: one HASH.")
                )
            given.setdefault(HASH, RawValue(argument.strip(), HASH))
            continue
        if names is not None and (argument in ("-", "--") or not argument.startswith("-")):
            names += _names(argument, arguments)
            continue
        flag, equals, text = argument.partition("=")
        setting = by_flag.get(flag)
        if setting and setting.switch and not equals:
            text = "true"
        elif flag.startswith("-") and not equals and arguments and not arguments[0].startswith("--"):
            text = arguments.popleft()
        if setting is None:
            guess = _guess(flag) if flag.startswith("-") else None
            problems.append(_unknown_flag(flag, guess))
            if guess:  # so that it isn't reported as missing, too
                given.setdefault(guess, RawValue(text, flag))
        elif not text.strip():
            problems.append(Problem(flag, "has no value.", f"Write {flag}={setting.metavar}"))
            given.setdefault(setting.name, RawValue("", flag))  # so that it isn't reported as missing, too
        elif setting.name in given and not setting.several:
            several_nodes = " Several nodes go into a file: --config.file" * setting.name.startswith("lnd.")
            fix = f"Give it once.{several_nodes}"
            problems.append(Problem(flag, "is given twice.", fix))
        else:
            before = f"{given[setting.name].text}," if setting.name in given else ""
            given[setting.name] = RawValue(before + text.strip(), flag)
    return given


def _names(argument: str, following: deque[str]) -> list[str]:
    """Return the names in an argument that isn't a flag; after `--` all that follows, which is removed."""
    if argument != "--":
        return [argument]
    rest = [*following]
    following.clear()
    return rest


def _guess(name: str) -> str | None:
    """Return the setting that an unknown name probably means; None for none, and for a section of the file."""
    return None if section_of_the_file(name) else closest_setting(name, SETTINGS)


def _unknown_flag(flag: str, guess: str | None) -> Problem:
    if flag.startswith("-"):
        otherwise = section_of_the_file(flag) or "--help lists all flags."
        return Problem(flag, "Unknown flag.", f"Did you mean --{guess}?" if guess else otherwise)
    fix = "Write --flag=value; --help lists all flags."
    if HASH_HEX.fullmatch(flag):
        fix = f"Did you mean: {PROGRAM} track {flag}"
    elif flag in SETTINGS:
        fix = f"Did you mean --{flag}?"
    elif flag in COMMANDS:
        fix = f"A command comes before its flags: {PROGRAM} {flag} --flag=value"
    return Problem(flag, NO_FLAG, fix)


def refuse_flags_of_others(command: Command, flags: RawValues, problems: list[Problem]) -> None:
    """Report flags that this command doesn't use, unless there is a problem with them already."""
    reported = {problem.where for problem in problems}
    for setting in SETTINGS.values():
        commands = setting.commands
        if setting.name not in flags or command in commands or flags[setting.name].where in reported:
            continue
        where, argument = flags[setting.name].where, f"{HASH} " * (commands[0] in OF_ONE_PAYMENT)
        if setting.group != "command":
            fix = f"Leave it out; {PROGRAM} {command} --help lists the flags of this command."
            problems.append(Problem(where, f"is not for the command {command}.", fix))
            continue
        *others, last = commands
        owners = f"commands {', '.join(others)} and {last}" if others else f"command {last}"
        fix = f"Leave it out, or write: {PROGRAM} {commands[0]} {argument}{where}"
        problems.append(Problem(where, f"is for the {owners}.", fix))


def from_environment(environ: Mapping[str, str], problems: list[Problem]) -> RawValues:
    """Read `LND_PAYMENTS_EXPORTER_...`. An empty variable counts as not set: compose files leave them so."""
    given: RawValues = {}
    by_variable = {setting.variable: setting for setting in SETTINGS.values()}
    for variable, text in sorted(environ.items()):
        rest = variable.removeprefix(ENVIRONMENT)
        if rest == variable or not text.strip() or any(map(KUBERNETES.fullmatch, (rest, f"{rest}={text}"))):
            continue
        if variable in by_variable:
            given[by_variable[variable].name] = RawValue(text.strip(), variable)
            continue
        name = rest.replace("_", ".", 1)
        guess = _guess(name)
        if guess:
            given.setdefault(guess, RawValue(text.strip(), variable))
        otherwise = section_of_the_file(name) or "--help lists all settings."
        fix = f"Did you mean {SETTINGS[guess].variable}?" if guess else otherwise
        problems.append(Problem(variable, "Unknown setting.", fix))
    return given
