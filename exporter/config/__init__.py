"""Flags over environment over file -> `Config`, or one error that names everything that is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.config.given import FromFile, Given, Settings, value
from exporter.config.nodes import NO_NODE, NodeConfig, several_nodes, single_node
from exporter.config.problems import ConfigError, Problem, Wrong, cannot_listen
from exporter.config.settings import LISTEN_DEMO, Command
from exporter.config.sources import from_environment, from_flags
from exporter.config.storage import STATE_FILE, state_directory
from exporter.config.values import join
from exporter.config.yamlfile import from_file

__all__ = [
    "Config",
    "ConfigError",
    "LogConfig",
    "NodeConfig",
    "Problem",
    "StorageConfig",
    "WebConfig",
    "cannot_listen",
    "load",
]


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where metrics are served."""

    host: str
    """Empty: every address of the machine."""
    port: int
    """0: any that is free."""
    telemetry_path: str
    """`/metrics`."""

    @property
    def address(self) -> str:
        """`HOST:PORT` as it is given and shown."""
        return join(self.host, self.port)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged, and how it looks."""

    level: str
    format: str
    """`console`, `json`, or `auto`: console on a terminal."""


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where counters are kept."""

    path: Path | None
    """None: nowhere."""
    reset: str | None = None
    """Name of a node to forget; then nothing else is done."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set."""

    nodes: tuple[NodeConfig, ...]
    web: WebConfig
    log: LogConfig
    storage: StorageConfig
    max_peers: int


def load(argv: Sequence[str], environ: Mapping[str, str], command: Command = "run") -> Config:
    """The configuration of a command; `argv` without its name. Raises `ConfigError`.

    The demo brings its own node, and the health check asks only the exporter: they get no nodes.
    """
    problems: list[Problem] = []
    flags = from_flags(argv, problems)
    understood = not problems
    settings = _over(from_environment(environ, problems), flags)
    named = settings.get("config.file")
    file = from_file(named, problems) if named else FromFile()
    if file is not None:
        settings = _over(file.settings, settings)
    nodes: tuple[NodeConfig, ...] = ()
    if command == "demo":
        _no_node_in_demo(flags, problems)
        settings.setdefault("web.listen-address", Given(LISTEN_DEMO, "default"))
    elif command != "healthcheck" and file is not None:
        nodes = _nodes(settings, file, problems)
        if NO_NODE in problems and not understood:  # who mistypes a flag need not be told how to begin
            problems.remove(NO_NODE)
    host, port = value(settings, "web.listen-address", problems) or ("", 0)
    path = value(settings, "web.telemetry-path", problems)
    level, log_format = (value(settings, name, problems) for name in ("log.level", "log.format"))
    max_peers = value(settings, "metrics.max-peers", problems)
    keeps = command in ("run", "check")
    storage = _storage(settings, environ, problems) if keeps else StorageConfig(None)
    if problems:
        raise ConfigError(problems)
    return Config(nodes, WebConfig(host, port, path), LogConfig(level, log_format), storage, max_peers)


def _over(lower: Settings, higher: Settings) -> Settings:
    """What is given in two places; who says above where the state is kept, or that it isn't, has said enough."""
    settings = lower | higher
    if "storage.path" in higher and "storage.memory" not in higher:
        settings.pop("storage.memory", None)
    if "storage.path" not in higher and higher.get("storage.memory", Given("", "")).text == "true":
        settings.pop("storage.path", None)
    return settings


def _storage(settings: Settings, environ: Mapping[str, str], problems: list[Problem]) -> StorageConfig:
    """The file that is named, or the user's place for such files; nothing if that is wanted."""
    path, reset = settings.get("storage.path"), value(settings, "storage.reset", problems)
    if value(settings, "storage.memory", problems):
        for given in filter(None, (path, settings.get("storage.reset"))):
            fix = "Leave one of them out."
            problems.append(Problem(given.where, "has no meaning where nothing is kept (--storage.memory).", fix))
        return StorageConfig(None)
    try:
        return StorageConfig(path.path if path else state_directory(environ) / STATE_FILE, reset)
    except Wrong as wrong:
        problems.append(wrong.at(path.where if path else "--storage.path"))
        return StorageConfig(None)


def _nodes(settings: Settings, file: FromFile, problems: list[Problem]) -> tuple[NodeConfig, ...]:
    """The nodes of the list, or the one of the flags; not both."""
    if file.nodes is None:
        return single_node(settings, problems)
    for name, given in settings.items():
        if name.startswith("lnd."):
            fix = "Put this node into the list too, or leave the list out."
            problems.append(
                Problem(given.where, "is for a single node, but the file has a list of them (nodes:).", fix)
            )
    return several_nodes(file.nodes, problems) if file.nodes else ()


def _no_node_in_demo(flags: Settings, problems: list[Problem]) -> None:
    for name, given in flags.items():
        if name.startswith("lnd."):
            fix = "For a real node leave out the word demo."
            problems.append(Problem(given.where, "is not for the demo, which brings its own node.", fix))
