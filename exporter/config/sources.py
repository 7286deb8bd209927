"""Settings from the command line and from the environment."""

import re
from collections import deque
from collections.abc import Mapping, Sequence

from exporter.config.given import Given, Settings
from exporter.config.problems import HASH, Problem
from exporter.config.settings import ENVIRONMENT, SETTINGS, nearest
from exporter.config.values import HASH_BASE64, HASH_HEX

_PROTOCOL = "(TCP|UDP|SCTP)"
KUBERNETES = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    rf"|PORT_\d+_{_PROTOCOL}(_(PROTO|PORT|ADDR))?"
    rf"|PORT=(?i:{_PROTOCOL})://.*)"
)
"""What Kubernetes adds to the environment of all containers of a namespace that has a Service called
lnd-payments-exporter, or lnd-payments-exporter-metrics or the like: names without our prefix.

The name alone decides, except for the bare `..._PORT`, which people write, too: theirs holds a number, Kubernetes' a
URL. No setting may ever have such a name (https://kubernetes.io/docs/concepts/services-networking/service/).
"""


def from_flags(argv: Sequence[str], problems: list[Problem], *, takes_hash: bool = False) -> Settings:
    """`--name=value` and `--name value`; with `takes_hash` also one word without a flag, under `HASH`."""
    given: Settings = {}
    by_flag = {setting.flag: setting for setting in SETTINGS.values()}
    words = deque(argv)
    while words:
        word = words.popleft()
        if takes_hash and (not word.startswith("-") or HASH_BASE64.fullmatch(word)):
            if HASH in given:
                problems.append(Problem(HASH, f"{word!r} is one word too many.", "One payment at a time: track HASH"))
            given.setdefault(HASH, Given(word.strip(), HASH))
            continue
        flag, equals, text = word.partition("=")
        setting = by_flag.get(flag)
        if setting and setting.switch and not equals:
            text = "true"
        elif flag.startswith("-") and not equals and words and not words[0].startswith("--"):
            text = words.popleft()
        if setting is None:
            guess = nearest(flag, SETTINGS) if flag.startswith("-") else None
            problems.append(_unknown_flag(flag, guess))
            if guess:  # read on as if it were right: one mistake, one problem
                given.setdefault(guess, Given(text, flag))
        elif not text.strip():
            problems.append(Problem(flag, "has no value.", f"Write {flag}={setting.metavar}"))
            given.setdefault(setting.name, Given("", flag))  # so that it isn't missing as well
        elif setting.name in given:
            fix = "Give it once. Several nodes go into a file: --config.file"
            problems.append(Problem(flag, "is given twice.", fix))
        else:
            given[setting.name] = Given(text.strip(), flag)
    return given


def _unknown_flag(flag: str, guess: str | None) -> Problem:
    if HASH_HEX.fullmatch(flag):
        return Problem(
            flag, "is neither a flag nor the value of one.", f"Did you mean: lnd-payments-exporter track {flag}"
        )
    if not flag.startswith("-"):
        return Problem(flag, "is neither a flag nor the value of one.", "Write --flag=value; --help shows all flags.")
    return Problem(flag, "is no flag.", f"Did you mean --{guess}?" if guess else "--help shows all flags.")


def from_environment(environ: Mapping[str, str], problems: list[Problem]) -> Settings:
    """`LND_PAYMENTS_EXPORTER_...`; one that is empty counts as not set, as compose files leave them."""
    given: Settings = {}
    by_variable = {setting.variable: setting for setting in SETTINGS.values()}
    for variable, text in sorted(environ.items()):
        rest = variable.removeprefix(ENVIRONMENT)
        if rest == variable or not text.strip() or any(map(KUBERNETES.fullmatch, (rest, f"{rest}={text}"))):
            continue
        if variable in by_variable:
            given[by_variable[variable].name] = Given(text.strip(), variable)
            continue
        guess = nearest(rest.replace("_", ".", 1), SETTINGS)
        if guess:
            given.setdefault(guess, Given(text.strip(), variable))
        fix = f"Did you mean {SETTINGS[guess].variable}?" if guess else "--help shows all settings."
        problems.append(Problem(variable, "is no setting.", fix))
    return given
