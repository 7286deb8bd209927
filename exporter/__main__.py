"""The command line: which command, and what becomes of errors and of signals."""

import asyncio
import difflib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from exporter import __version__, output
from exporter.config import Config, ConfigError, load
from exporter.config.settings import COMMANDS, Command
from exporter.config.usage import usage
from exporter.output import StdoutError

T = TypeVar("T")

PROGRAM = "lnd-payments-exporter"

OK, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: UNUSABLE means that the command line or the configuration has to be changed."""
BY_SIGNAL = 128
"""Plus the number of the signal that ended it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the result is the exit code."""
    output.prepare()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _do(list(words))
        sys.stdout.flush()  # here, where it is known what to do if that fails
    except StdoutError as error:
        if isinstance(error.why, BrokenPipeError):  # who reads no further (`| head`) has seen enough
            return BY_SIGNAL + signal.SIGPIPE
        print(f"{PROGRAM}: nothing can be written to where this goes ({error.why.strerror})", file=sys.stderr)
        return _not_told(words)
    return code


def _not_told(words: list[str]) -> int:
    """Exit code of a command that could not say all; of `track` FAILED would say that the payment has failed."""
    from exporter.track import NOT_FOLLOWED

    return NOT_FOLLOWED if words[:1] == ["track"] else FAILED


def _do(words: list[str]) -> int:
    """One command. Raises `StdoutError`."""
    if {"-h", "--help"} & set(words) or words[:1] == ["help"]:
        print(usage(), end="")
        return OK
    if "--version" in words or words[:1] == ["version"]:
        print(f"{PROGRAM} {__version__}")
        return OK
    name = words.pop(0) if words and not words[0].startswith("-") else "run"
    command = next((command for command in COMMANDS if command == name), None)
    if command is None:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Commands are {', '.join(COMMANDS)}; see --help."
        print(f"{PROGRAM}: {name!r} is no command. {hint}", file=sys.stderr)
        return UNUSABLE
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # grpc's own lines are no JSON, and repeat what we say once
    try:
        return DO[command](load(words, os.environ, command))
    except ConfigError as error:
        print(f"{PROGRAM}: {error}", end="", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:  # before or after the signals are ours; `track` says OK of a success
        return BY_SIGNAL + signal.SIGINT if command == "track" else OK


def _run(config: Config) -> int:
    from exporter.app import forget, run

    if config.storage.reset:
        print(forget(config))
        return OK
    return _until_stopped(config, run)


def _demo(config: Config) -> int:
    from exporter.demo import demo

    return _until_stopped(config, demo)


def _open(config: Config) -> int:
    import time

    from exporter.listing.document import to_json
    from exporter.listing.report import read_report
    from exporter.listing.table import print_table

    report = read_report(config, time.time_ns())
    if config.open.json:
        print(to_json(report))
    else:
        print_table(report)
    return OK


def _track(config: Config) -> int:
    from exporter.app import client_of, current_moment
    from exporter.track import track

    (node,) = config.nodes
    for warning in node.warnings:
        print(f"{node.preface}{warning}", file=sys.stderr)
    return asyncio.run(_ended_by_signals(track(config, client_of(node), current_moment)))


def _check(config: Config) -> int:
    from exporter.app import check

    warnings = check(config.storage)
    print("The configuration is right (lnd was not asked).")
    for node in config.nodes:
        way = f"{node.transport}{' through a proxy' if node.proxy else ''}"
        print(f"  node {node.name}: {node.address} ({way}), {node.trust}, macaroon {node.macaroon}")
        print(f"    mode {node.mode}{', final updates only' if node.final_only else ''}")
        for warning in node.warnings:
            print(f"    warning: {warning}")
    web, log = config.web, config.log
    print(f"  state in {config.storage.path or 'memory only'}")
    for warning in warnings:
        print(f"    warning: {warning}")
    print(f"  metrics on {web.address}{web.telemetry_path}, peers {config.max_peers}, log {log.level} {log.format}")
    return OK


def _healthcheck(config: Config) -> int:
    from exporter.healthcheck import trouble

    problem = trouble(config.web)
    print(problem or "ready", file=sys.stderr if problem else sys.stdout)
    return FAILED if problem else OK


DO: dict[Command, Callable[[Config], int]] = {
    "run": _run,
    "demo": _demo,
    "open": _open,
    "track": _track,
    "check": _check,
    "healthcheck": _healthcheck,
}


def _until_stopped(config: Config, work: Callable[[Config], Coroutine[Any, Any, None]]) -> int:
    """Work until a signal cancels it; a bug is logged with its traceback."""
    import structlog

    from exporter import log

    log.configure(config.log.level, config.log.format)
    for node in config.nodes:
        for warning in node.warnings:
            structlog.get_logger("exporter").warning(warning, node=node.name)
    try:
        asyncio.run(_ended_by_signals(work(config)))
    except Exception as error:  # noqa: BLE001 - the last word of a process that a bug has ended
        if (cause := _innermost(error)) is not None:
            raise cause from None
        structlog.get_logger("exporter").exception("stopped by a bug, please report it")
        return FAILED
    return OK


async def _ended_by_signals(work: Coroutine[Any, Any, T]) -> T | int:
    """What the work returns, or the exit code of the signal that ended it: SIGTERM, SIGINT and SIGHUP cancel it."""
    task, caught = asyncio.ensure_future(work), list[signal.Signals]()

    def end(number: signal.Signals) -> None:
        caught.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:  # as `nohup` wants it
            continue
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    await asyncio.wait([task])
    return BY_SIGNAL + caught[0] if task.cancelled() else task.result()


def _innermost(error: Exception) -> ConfigError | StdoutError | None:
    """The error within a task group's, if it is no bug."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, ConfigError | StdoutError) else None


if __name__ == "__main__":
    sys.exit(main())
