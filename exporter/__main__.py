"""The command line: run one command, and turn its errors into exit codes."""

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from exporter import __version__, garbage, lean, output
from exporter.config import Config, ConfigError, load
from exporter.config.commands import ASKS, COMMANDS, OF_ONE_PAYMENT, PRINT, PROGRAM, Command
from exporter.output import StdoutError
from exporter.stopping import BY_SIGNAL, FAILED, OK, ended_by_signals, until_stopped

T = TypeVar("T")

UNUSABLE = 2
"""The exit code if the command line or the configuration has to be changed."""
STATE = "state"
"""The first word of commands of two words."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: `sys.argv`) and return the exit code."""
    output.prepare()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run_command(list(arguments))
        sys.stdout.flush()  # here, where an error is handled
    except StdoutError as error:
        if isinstance(error.why, BrokenPipeError):  # `| head` reads no further: no error
            return BY_SIGNAL + signal.SIGPIPE
        print(f"{PROGRAM}: standard output can't be written ({error.why.strerror})", file=sys.stderr)
        return _unwritable(arguments)
    return code


def _unwritable(arguments: list[str]) -> int:
    """Return the exit code of a command that couldn't write its output: for some FAILED means a failed payment."""
    from exporter.track import NOT_FOLLOWED

    return NOT_FOLLOWED if set(arguments[:1]) & set(OF_ONE_PAYMENT) else FAILED


def _run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code. Raises `StdoutError`."""
    asks_for_help = bool({"-h", "--help"} & set(arguments)) or arguments[:1] == ["help"]
    if arguments[:1] == ["help"]:
        del arguments[0]
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "run"
    if name == STATE and arguments and not arguments[0].startswith("-"):
        name = f"{STATE} {arguments.pop(0)}"
    command = next((command for command in COMMANDS if command == name), None)
    if asks_for_help:
        from exporter.config.usage import usage

        of_state = [each for each in COMMANDS if each.startswith(f"{STATE} ")] if name == STATE else []
        print("\n".join(map(usage, of_state or [command or "run"])), end="")
        return OK
    if name == "version" or "--version" in arguments:
        print(f"{PROGRAM} {__version__}")
        return OK
    if command is None:
        print(f"{PROGRAM}: {_unknown_command(name)}", file=sys.stderr)
        return UNUSABLE
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # grpc's own log lines aren't JSON, and repeat ours
    try:
        return _run(arguments) if command == "run" else _do(command, arguments)
    except ConfigError as error:
        print(f"{PROGRAM}: {error}", end="", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:  # before or after we handle signals; OK would be an answer
        return BY_SIGNAL + signal.SIGINT if command in (*ASKS, "check") else OK


def _unknown_command(name: str) -> str:
    """Return what is wrong with the name of a command, and what was probably meant."""
    import difflib

    if name == STATE:
        return f"a word is missing: {STATE} export, or {STATE} import; see --help."
    first = f"{STATE} " if name.startswith(f"{STATE} ") else ""
    known = [command for command in COMMANDS if command.startswith(first)]
    close = difflib.get_close_matches(name.removeprefix(first), [each.removeprefix(first) for each in known], n=1)
    hint = f"Did you mean {first}{close[0]}?" if close else f"Commands are {', '.join(known)}; see --help."
    return f"unknown command {name!r}. {hint}"


def _run(arguments: Sequence[str]) -> int:
    early: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: early.append(number))  # it must not end a start that is under way
    garbage.collect_seldom()
    config = load(arguments, os.environ)
    lean.import_libraries()
    from exporter.app import forget, run
    from exporter.notify import notify_ready
    from exporter.reload import Reloader

    if config.storage.reset:
        print(forget(config))
        return OK

    def on_ready(_: object) -> None:
        garbage.leave_out_what_is_there()
        notify_ready()

    reloader = Reloader(partial(load, arguments, os.environ))
    running = partial(run, reloader=reloader, on_ready=on_ready)
    return until_stopped(config, running, reloader.request, early)


def _do(command: Command, arguments: Sequence[str]) -> int:
    if command not in PRINT:
        return DO[command](load(arguments, os.environ, command))
    from exporter.assets.command import run
    from exporter.config.assets import load_assets

    run(command, load_assets(arguments, os.environ, command))
    return OK


def _demo(config: Config) -> int:
    lean.import_libraries()
    from exporter.demo import demo

    return until_stopped(config, demo)


def _open(config: Config) -> int:
    from exporter.listing.command import show_open

    show_open(config)
    return OK


def _ended(config: Config) -> int:
    from exporter.listing.command import show_ended

    show_ended(config)
    return OK


def _track(config: Config) -> int:
    from exporter.app import current_moment
    from exporter.track import track

    return _ask_lnd(config, lambda client: track(config, client, current_moment))


def _why(config: Config) -> int:
    import time

    from exporter.why.command import why

    return _ask_lnd(config, lambda client: why(config, client, time.time_ns))


def _report(config: Config) -> int:
    import asyncio

    from exporter.app import client_of, current_moment
    from exporter.report.command import report

    _warn(config)
    return asyncio.run(ended_by_signals(report(config, client_of, current_moment)))


def _warn(config: Config) -> None:
    """Print the settings of nodes that are probably not what the user meant."""
    for node in config.nodes:
        for warning in node.warnings:
            print(f"{node.preface}{warning}", file=sys.stderr)


def _ask_lnd(config: Config, work: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """Run a command that asks a node about one payment, by a client, and return its exit code."""
    import asyncio

    from exporter.app import client_of

    (node,) = config.nodes
    _warn(config)
    return asyncio.run(ended_by_signals(work(client_of(node))))


def _check(config: Config) -> int:
    from exporter.app import check, client_of

    if config.check.connect:
        import asyncio

        from exporter.doctor.command import examine

        return asyncio.run(ended_by_signals(examine(config, client_of)))
    from exporter.summary import summarise

    print("\n".join(summarise(config, check(config.storage))))
    return OK


def _backfill(config: Config) -> int:
    from exporter.app import current_moment
    from exporter.backfill.command import backfill

    return _ask_lnd(config, lambda client: backfill(config, client, current_moment))


def _healthcheck(config: Config) -> int:
    from exporter.healthcheck import check_ready

    problem = check_ready(config.web)
    print(problem or "ready", file=sys.stderr if problem else sys.stdout)
    return FAILED if problem else OK


def _export(config: Config) -> int:
    from exporter.handover import WriteError, export_state

    try:
        for line in export_state(config):
            print(line, file=sys.stderr)
    except WriteError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return FAILED
    return OK


def _import(config: Config) -> int:
    from exporter.handover import import_state

    said, warnings = import_state(config)
    print("\n".join(said))
    for warning in warnings:
        print(warning, file=sys.stderr)
    return OK


DO: dict[Command, Callable[[Config], int]] = {
    "demo": _demo,
    "open": _open,
    "ended": _ended,
    "track": _track,
    "why": _why,
    "check": _check,
    "report": _report,
    "backfill": _backfill,
    "healthcheck": _healthcheck,
    "state export": _export,
    "state import": _import,
}


if __name__ == "__main__":
    sys.exit(main())
