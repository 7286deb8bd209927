"""Reload the configuration while the exporter runs, on SIGHUP and on request: one reload at a time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields

import structlog

from exporter import log
from exporter.config import Config, ConfigError, LogConfig, NodeConfig
from exporter.nodes import NO_NODE, Changes, FollowedNodes
from exporter.page import ReloadStatus
from exporter.payments.overdue import Limits
from exporter.web.lifecycle import ReloadResult

MAX_NAMES = 10
"""Nodes named in an answer and in the log, of those that were added, removed or changed."""
_SETTINGS = {"addresses": "listen-address", "config_file": "config.file"}
"""Names of settings that differ from those of their fields."""
_STOPPED = ReloadResult(successful=False, text="Not reloaded: the exporter is being stopped.\n")


class Reloader:
    """Reads the configuration again whenever it is asked to, and changes what can be changed without a restart."""

    def __init__(self, load: Callable[[], Config]) -> None:
        """`load` returns the configuration as it is now, or raises `ConfigError`; another thread calls it."""
        self._load = load
        self._requested = asyncio.Event()
        self._waiting: list[asyncio.Future[ReloadResult]] = []
        self._stopped = False
        self._log = structlog.get_logger("exporter.reload")

    def request(self) -> None:
        """Request a reload: the handler of SIGHUP. Requests during a reload lead to one more."""
        self._requested.set()

    async def reload(self) -> ReloadResult:
        """Request a reload, and return its result."""
        if self._stopped:
            return _STOPPED
        waiting: asyncio.Future[ReloadResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.request()
        return await waiting

    async def run(
        self,
        started: Config,
        nodes: FollowedNodes,
        set_log: Callable[[LogConfig], None],
        web_file_held_back: Callable[[], bool],
    ) -> None:
        """Reload when requested, until cancelled. `started` is the configuration of the start.

        `set_log` applies which payments the log names.
        `web_file_held_back` returns whether the web file has a change that needs a restart.
        """
        level = started.log.level
        try:
            while True:
                await self._requested.wait()
                self._requested.clear()
                # Those who ask from here on get the next reload: this one may have read the file already.
                waiting, self._waiting = self._waiting, []
                try:
                    result, level = await self._reload(started, nodes, set_log, web_file_held_back, level)
                except BaseException:  # the process ends: answer those, too
                    self._waiting += waiting
                    raise
                _answer(waiting, result)
        finally:
            self._stopped = True
            _answer(self._waiting, _STOPPED)

    async def _reload(
        self,
        started: Config,
        nodes: FollowedNodes,
        set_log: Callable[[LogConfig], None],
        web_file_held_back: Callable[[], bool],
        level: str,
    ) -> tuple[ReloadResult, str]:
        """Read the configuration and apply it; return the result, and the level of the log from now on."""
        try:
            config = await asyncio.to_thread(self._load)
        except ConfigError as error:
            return self._refused(nodes, _one_line_each(error)), level
        except Exception:  # noqa: BLE001 - a bug in reading a file must not end what works
            self._log.exception("failed to read the configuration, please report this bug")
            return self._refused(nodes, ["a bug, which the log shows"]), level
        if config.log.level != level:
            log.set_level(config.log.level)
        set_log(config.log)
        regrouped = config.destinations != nodes.destinations
        changes = await nodes.change(config.nodes, config.destinations)
        groups = list(dict.fromkeys(config.destinations.values())) if regrouped else None
        touched = {*changes.added, *changes.changed}
        for node, warnings in await asyncio.to_thread(_warnings, [n for n in config.nodes if n.name in touched]):
            for warning in warnings:
                self._log.warning(warning, node=node)
        nodes.checkpoint.reload = ReloadStatus(time.time())
        self._log.info(
            "the configuration was reloaded",
            added=_first(changes.added),
            removed=_first(changes.removed),
            changed=_first(changes.changed),
            unchanged=changes.unchanged,
            **({} if groups is None else {"destinations": groups}),
        )
        if not config.nodes:
            self._log.warning(NO_NODE)
        ignored = _need_restart(started, config, web_file_held_back=web_file_held_back())
        if ignored:
            self._log.warning("some changed settings need a restart of the exporter", settings=ignored)
        return ReloadResult(successful=True, text=_describe(changes, groups, ignored)), config.log.level

    def _refused(self, nodes: FollowedNodes, problems: list[str]) -> ReloadResult:
        nodes.checkpoint.reload = nodes.checkpoint.reload._replace(successful=False)
        self._log.error("the configuration was not reloaded: nothing has changed", problems=problems)
        lines = "".join(f"  {problem}\n" for problem in problems)
        return ReloadResult(successful=False, text=f"Not reloaded, nothing has changed:\n{lines}")


def limits_of(config: LogConfig) -> Limits:
    """Return when the log warns about payments in flight."""
    return Limits(config.open_after_s, config.blocks_left)


def _answer(waiting: Iterable[asyncio.Future[ReloadResult]], result: ReloadResult) -> None:
    for future in waiting:
        if not future.done():  # the client may have gone
            future.set_result(result)


def _one_line_each(error: ConfigError) -> list[str]:
    """Return the problems without line breaks; `ConfigError` has removed secrets."""
    return [" ".join(f"{where}: {what} {fix}".split()) for where, what, fix in error.problems]


def _warnings(nodes: Iterable[NodeConfig]) -> list[tuple[str, list[str]]]:
    """Return the warnings about each of these nodes; this reads their certificates."""
    return [(node.name, node.warnings) for node in nodes]


def _need_restart(started: Config, config: Config, *, web_file_held_back: bool) -> list[str]:
    """Return the changed settings that only a restart applies, compared with those that the exporter runs with."""
    changed = {
        f"{section}.{_SETTINGS.get(field.name, field.name.replace('_', '-'))}": None
        for section in ("web", "storage")
        for field in fields(getattr(config, section))
        if getattr(getattr(config, section), field.name) != getattr(getattr(started, section), field.name)
    }
    if web_file_held_back:
        changed["web.config.file"] = None
    if config.max_peers != started.max_peers:
        changed["metrics.max-peers"] = None
    if config.without != started.without:
        changed["metrics.without"] = None
    if config.log.format != started.log.format:
        changed["log.format"] = None
    return list(changed)


def _describe(changes: Changes, groups: Sequence[str] | None, ignored: Sequence[str]) -> str:
    """Return the answer of a successful reload; `groups` are the destinations if they have changed."""
    parts = [
        f"{len(names)} {how} ({', '.join(_first(names))})"
        for how, names in (("added", changes.added), ("removed", changes.removed), ("changed", changes.changed))
        if names
    ]
    text = f"Reloaded. Nodes: {', '.join([*parts, f'{changes.unchanged} unchanged'])}.\n"
    if groups is not None:
        text += f"Destinations: {', '.join(groups) or 'none'}.\n"
    return text + (f"A restart is needed for: {', '.join(ignored)}.\n" if ignored else "")


def _first(names: Sequence[str]) -> list[str]:
    """Return the first `MAX_NAMES`, and how many more there are."""
    return [*names[:MAX_NAMES], *([f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else [])]
