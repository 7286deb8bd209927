"""The texts of `--help`, made from the tables of commands and settings."""

import textwrap
from typing import Any

from exporter.config.commands import COMMANDS, PRINT, PROGRAM, Command
from exporter.config.macaroons import BAKE
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS

WIDTH = 80
"""Columns of a terminal, unless somebody has made it wider."""
INDENT = 28
"""Where the texts of flags and commands begin; a longer flag has a line of its own."""


def _row(left: str, text: str) -> str:
    """Return the lines of a flag, a command or an exit code."""
    lines = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False)
    left = f"  {left}"
    if len(left) < INDENT:
        left = f"{left:{INDENT}}{lines.pop(0)}"
    return "\n".join([left, *(" " * INDENT + line for line in lines)])


_COMMANDS = "\n".join(_row(command.arguments, command.summary) for command in COMMANDS.values())

ABOUT = "a Prometheus exporter for the outgoing payments of lnd nodes"

HEAD = f"""\
{textwrap.fill(f"{PROGRAM}: {ABOUT}", WIDTH)}

Usage: {PROGRAM} [COMMAND] [FLAGS]

Commands:
{_COMMANDS}
{_row("COMMAND --help", "the flags of that command, an example and the exit codes")}

Examples:
  lnd-payments-exporter --lnd.dir ~/.lnd
  lnd-payments-exporter --lnd.address HOST:10009 --lnd.tls-cert tls.cert \\
      --lnd.macaroon payments.macaroon
  lnd-payments-exporter --lnd.transport rest --lnd.address HOST:8080 \\
      --lnd.tls-cert tls.cert --lnd.macaroon payments.macaroon
"""

GROUPS = {
    "lnd": "Which node (--lnd.dir, or --lnd.address, --lnd.tls-cert, --lnd.macaroon)",
    "web": "Where metrics are served",
    "metrics": "Which metrics",
    "storage": "What is kept",
    "log": "What is logged",
    "command": "For single commands, which also have some of the flags above (COMMAND --help)",
    "config": "From a file",
}
"""Headings of the groups of settings."""

CONFIGURATION = f"""\
Each flag is also an environment variable: --lnd.tls-cert is
LND_PAYMENTS_EXPORTER_LND_TLS_CERT. And a key of the YAML file, where several
nodes are listed instead of the lnd section:

  lnd:                                  nodes:
    address: lnd.example:10009            - name: alice
    tls_cert: tls.cert                      dir: /home/alice/.lnd
    macaroon: payments.macaroon           - name: bob
  web:                                      transport: websocket
    listen_address: :10019                  address: https://bob.example:8080
                                            tls_cert: bob/tls.cert
                                            macaroon: bob/payments.macaroon

A flag overrides the environment, which overrides the file. Paths in the file
start at its directory.

SIGHUP makes a running exporter read all of it again: nodes that were added,
removed or changed take effect. If anything is wrong, nothing changes.

A macaroon with no more permissions than needed:

{textwrap.indent(BAKE, "  ")}
"""
"""How the settings may be given. Of lines that people copy, so they are not filled."""

TAIL = f"""\
  --version                 print the version
  -h, --help                print this text, or that of a command

{CONFIGURATION}
Exit codes of run:
{{exit_codes}}
"""


def usage(command: Command = "run") -> str:
    """Return the help of a command; that of `run` is the overview, with all settings."""
    text = COMMANDS[command]
    exit_codes = "\n".join(
        textwrap.fill(meaning, WIDTH, initial_indent=f"  {code:10}", subsequent_indent=" " * 12)
        for code, meaning in text.exit_codes.items()
    )
    if command == "run":
        groups = [
            "\n".join([f"{title}:", *(_flag(s, _overview(s)) for s in SETTINGS.values() if s.group == group)])
            for group, title in GROUPS.items()
        ]
        return "\n".join([HEAD, "\n\n".join(groups), TAIL.format(exit_codes=exit_codes)])
    settings = flags_of(command)
    flags = [_flag(each, help_of(each, command)) for each in settings]
    elsewhere = [f"Each flag is also an environment variable: {each.flag} is {each.variable}." for each in settings[:1]]
    if command not in PRINT:
        elsewhere.append(f"`{PROGRAM} --help` describes the YAML file, and how to make a macaroon.")
    paragraphs = [
        f"Usage: {PROGRAM} {text.arguments}",
        textwrap.fill(text.details, WIDTH, break_on_hyphens=False),
        "\n".join(["Flags:", *flags, _row("-h, --help", "print this text")]),
        textwrap.fill(" ".join(elsewhere), WIDTH, break_on_hyphens=False),
        f"Example:\n  {PROGRAM} {text.example}",
        f"Exit codes:\n{exit_codes}\n",
    ]
    return "\n\n".join(filter(None, paragraphs))


def flags_of(command: Command) -> list[Setting[Any]]:
    """Return the settings that a command uses."""
    return [setting for setting in SETTINGS.values() if command in setting.commands]


def help_of(setting: Setting[Any], command: Command) -> str:
    """Return the help text of a flag of a command."""
    return COMMANDS[command].flags.get(setting.name) or _with_default(setting)


def _overview(setting: Setting[Any]) -> str:
    """Return the help text for the overview, where flags of single commands name these."""
    return f"{', '.join(setting.commands)}: " * (setting.group == "command") + _with_default(setting)


def _with_default(setting: Setting[Any]) -> str:
    return setting.help + f" (default: {setting.default})" * bool(setting.default and not setting.switch)


def _flag(setting: Setting[Any], text: str) -> str:
    """Return the lines of a flag."""
    return _row(setting.flag + ("" if setting.switch else f"={setting.metavar}"), text)
