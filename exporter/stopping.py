"""Runs what a command does until it ends or a signal stops it."""

import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from exporter.config import Config, ConfigError
from exporter.output import StdoutError

T = TypeVar("T")

OK, FAILED = 0, 1
"""Exit codes."""
BY_SIGNAL = 128
"""Plus the number of a signal: exit code of a command that the signal ended."""


def until_stopped(
    config: Config,
    work: Callable[[Config], Coroutine[Any, Any, None]],
    reload: Callable[[], None] | None = None,
    early: Sequence[int] = (),
) -> int:
    """Run `work` until a signal cancels it, and return the exit code; log a bug with its traceback.

    With `reload` SIGHUP calls this instead, also for those that came `early`.
    """
    import asyncio

    import structlog

    from exporter import log

    log.configure(config.log.level, config.log.format)
    for node in config.nodes:
        for warning in node.warnings:
            structlog.get_logger("exporter").warning(warning, node=node.name)
    try:
        asyncio.run(ended_by_signals(work(config), reload, early))
    except Exception as error:  # noqa: BLE001 - a bug ends the process: log it
        if (cause := _expected(error)) is not None:
            raise cause from None
        structlog.get_logger("exporter").exception("stopped by a bug, please report it")
        return FAILED
    return OK


async def ended_by_signals(
    work: Coroutine[Any, Any, T], reload: Callable[[], None] | None = None, early: Sequence[int] = ()
) -> T | int:
    """Return the result of `work`, or the exit code of the signal that cancelled it: SIGTERM, SIGINT or SIGHUP.

    With `reload` SIGHUP calls this instead, also for those that came `early`.
    """
    import asyncio

    task, received = asyncio.ensure_future(work), list[signal.Signals]()

    def cancel(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and reload is not None:  # also if `nohup` ignores it: it ends nothing any more
            asyncio.get_running_loop().add_signal_handler(number, reload)
        elif signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    if early and reload is not None:
        reload()
    await asyncio.wait([task])
    return BY_SIGNAL + received[0] if task.cancelled() else task.result()


def _expected(error: Exception) -> ConfigError | StdoutError | None:
    """Return the error, out of the groups that task groups make, unless it is a bug."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, ConfigError | StdoutError) else None
