"""Flags over environment over file -> `Config`, or one error that names everything that is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.config.given import FromFile, Given, Settings, value
from exporter.config.nodes import NO_NODE, NO_NODE_TO_ASK, NodeConfig, several_nodes, single_node
from exporter.config.problems import HASH, ConfigError, Problem, Wrong, cannot_listen
from exporter.config.settings import AUTO, LISTEN_DEMO, OF_COMMANDS, Command
from exporter.config.sources import from_environment, from_flags
from exporter.config.storage import STATE_FILE, state_directory
from exporter.config.values import join, payment_hash
from exporter.config.yamlfile import from_file

__all__ = [
    "AUTO",
    "Config",
    "ConfigError",
    "LogConfig",
    "NodeConfig",
    "OpenConfig",
    "Problem",
    "StorageConfig",
    "TrackConfig",
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
    open_after_s: tuple[int, ...] = ()
    """How old a payment in flight is when a line names it, seconds."""
    blocks_left: tuple[int, ...] = ()
    """Fewer blocks than this are left of a held HTLC when a line names its payment."""


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where counters are kept."""

    path: Path | None
    """None: nowhere."""
    reset: str | None = None
    """Name of a node to forget; then nothing else is done."""


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """What the command `open` lists, and how."""

    older_than_s: int = 0
    """Only payments that have been in flight for as long as this, seconds."""
    json: bool = False
    node: str | None = None
    """Only this node; None: all."""


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """What the command `track` follows, and how it shows it."""

    payment_hash: str = ""
    """64 hex digits, lower case; empty for other commands."""
    json: bool = False
    inflight: bool = True
    """Also what is said before the end."""
    secrets: bool = False
    """Show preimages and the payment request, too."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set."""

    nodes: tuple[NodeConfig, ...]
    """For `track` the one that it asks."""
    web: WebConfig
    log: LogConfig
    storage: StorageConfig
    max_peers: int
    open: OpenConfig = OpenConfig()
    track: TrackConfig = TrackConfig()


def load(argv: Sequence[str], environ: Mapping[str, str], command: Command = "run") -> Config:
    """The configuration of a command; `argv` without its name. Raises `ConfigError`.

    The demo brings its own node, the health check asks only the exporter, and `open` only its state: they get no nodes.
    """
    problems: list[Problem] = []
    flags = from_flags(argv, problems, takes_hash=command == "track")
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
    elif command in ("run", "check", "track") and file is not None:
        if command == "track" and file.nodes is not None:
            _choose(settings, file, problems)
        nodes = _nodes(settings, file, problems)
        if NO_NODE in problems:
            problems.remove(NO_NODE)
            if understood:  # who mistypes a flag need not be told how to begin
                problems.append(NO_NODE_TO_ASK if command == "track" else NO_NODE)
    host, port = value(settings, "web.listen-address", problems) or ("", 0)
    path = value(settings, "web.telemetry-path", problems)
    log = _log(settings, problems)
    max_peers = value(settings, "metrics.max-peers", problems)
    keeps = command in ("run", "check", "open")
    storage = _storage(settings, environ, problems) if keeps else StorageConfig(None)
    _only_here(command, flags, problems)
    to_list = _open(settings, problems) if command == "open" else OpenConfig()
    to_follow = _track(settings, problems) if command == "track" else TrackConfig()
    if problems:
        raise ConfigError(problems)
    return Config(nodes, WebConfig(host, port, path), log, storage, max_peers, to_list, to_follow)


def _over(lower: Settings, higher: Settings) -> Settings:
    """What is given in two places; who says above where the state is kept, or that it isn't, has said enough."""
    settings = lower | higher
    if "storage.path" in higher and "storage.memory" not in higher:
        settings.pop("storage.memory", None)
    if "storage.path" not in higher and higher.get("storage.memory", Given("", "")).text == "true":
        settings.pop("storage.path", None)
    return settings


def _log(settings: Settings, problems: list[Problem]) -> LogConfig:
    """What is logged; of single payments nothing where their hashes aren't wanted."""
    names = ("log.level", "log.format", "log.open-after", "log.blocks-left")
    level, log_format, open_after_s, blocks_left = (value(settings, name, problems) for name in names)
    if not value(settings, "log.payment-hashes", problems):
        return LogConfig(level, log_format)
    return LogConfig(level, log_format, open_after_s, blocks_left)


def _open(settings: Settings, problems: list[Problem]) -> OpenConfig:
    """What is to be listed. An exporter that keeps nothing leaves nothing to be read."""
    if value(settings, "storage.memory", problems):
        fix = "Start the exporter with --storage.path=FILE, or ask lnd: lncli listpayments --include_incomplete"
        problems.append(Problem(settings["storage.memory"].where, "leaves nothing on disk that could be listed.", fix))
    node = value(settings, "lnd.name", problems) if "lnd.name" in settings else None
    return OpenConfig(value(settings, "older-than", problems) or 0, value(settings, "json", problems), node)


def _only_here(command: Command, flags: Settings, problems: list[Problem]) -> None:
    for name, commands in OF_COMMANDS.items():
        if name in flags and command not in commands:
            whose = f"command{'s' * (len(commands) > 1)} {' and '.join(commands)}"
            argument = f"{HASH} " * (commands[0] == "track")
            fix = f"Leave it out, or write: lnd-payments-exporter {commands[0]} {argument}{flags[name].where}"
            problems.append(Problem(flags[name].where, f"is for the {whose}.", fix))


def _track(settings: Settings, problems: list[Problem]) -> TrackConfig:
    """Which payment is to be followed, and how."""
    given, found = settings.get(HASH), ""
    if given is None:
        fix = "Write: lnd-payments-exporter track HASH; lnd-payments-exporter open shows those in flight."
        problems.append(Problem(HASH, "The hash of a payment is missing.", fix))
    else:
        try:
            found = payment_hash(given.text)
        except Wrong as wrong:
            problems.append(wrong.at(given.where))
    json, quiet, secrets = (value(settings, name, problems) for name in ("json", "no-inflight", "show-secrets"))
    return TrackConfig(found, json, not quiet, secrets)


def _choose(settings: Settings, file: FromFile, problems: list[Problem]) -> None:
    """Leave of the list `nodes:` the one that is named; the only one needs no name."""
    named, entries = settings.pop("lnd.name", None), file.nodes or []
    listed = {entry["lnd.name"].text: (place, entry) for place, entry in entries if "lnd.name" in entry}
    if named is not None and named.text in listed:
        file.nodes = [listed[named.text]]
    elif named is not None or len(entries) > 1:
        what = (
            f"{named.text} is not in the list." if named else "The file lists several nodes: which one is to be asked?"
        )
        fix = f"Listed are {', '.join(listed)}." if named else f"Add one of {', '.join(listed)}."
        problems.append(Problem("--lnd.name", what, fix))
        file.nodes = []


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
