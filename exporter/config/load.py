"""Load the configuration of a command from its three sources."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from exporter.config.command_settings import CONNECT, JSON, NO_INFLIGHT, OLDER_THAN, SHOW_SECRETS
from exporter.config.commands import ASKS, CALL_LND, OF_ONE_PAYMENT, PROGRAM, Command
from exporter.config.handover import read_handover
from exporter.config.lnd_settings import LND_NAME
from exporter.config.log_settings import (
    LOG_BLOCKS_LEFT,
    LOG_ENDED,
    LOG_FORMAT,
    LOG_LEVEL,
    LOG_OPEN_AFTER,
    LOG_PAYMENT_HASHES,
)
from exporter.config.model import (
    CheckConfig,
    Config,
    LogConfig,
    NodeConfig,
    OpenConfig,
    StorageConfig,
    TrackConfig,
)
from exporter.config.nodes import NO_NODE, no_node_to_ask, several_nodes, single_node
from exporter.config.problems import HASH, ConfigError, InvalidValue, Problem
from exporter.config.raw import FileContent, RawValue, RawValues, optional_value, value
from exporter.config.settings import CONFIG_FILE, SHARD
from exporter.config.shard import Shard
from exporter.config.sources import from_environment, from_flags, refuse_flags_of_others
from exporter.config.storage import read_storage
from exporter.config.storage_settings import STORAGE_ENDED, STORAGE_MEMORY, STORAGE_PATH, STORAGE_RESET
from exporter.config.values import LISTEN_DEMO, payment_hash
from exporter.config.web import read_web
from exporter.config.web_settings import METRICS_MAX_PEERS, METRICS_WITHOUT, WEB_LISTEN_ADDRESS

_FIX_MEMORY = "Name the state file that the exporter uses, or will use: --storage.path=FILE"
_FIX_ENDED = "Start the exporter with --storage.path=FILE, or have it log payments that end: --log.ended=failed"


def load(argv: Sequence[str], environ: Mapping[str, str], command: Command = "run") -> Config:
    """Return the configuration of a command; `argv` are its arguments. Raises `ConfigError` with all problems.

    `demo` brings its own node, `healthcheck` calls only the exporter, `open`, `ended`, `state export` and
    `state import` use only the state file: they get no nodes, so an environment with the wrong ones doesn't
    matter to them.
    """
    problems: list[Problem] = []
    names: list[str] | None = [] if command in ("state export", "state import") else None
    flags = from_flags(argv, problems, takes_hash=command in OF_ONE_PAYMENT, names=names)
    flags_are_right = not problems
    raw = _merge(from_environment(environ, problems), flags)
    path = raw.get(CONFIG_FILE.name)
    file = _read_file(path, problems) if path else FileContent()
    if file is not None:
        raw = _merge(file.values, raw)
    nodes: tuple[NodeConfig, ...] = ()
    shard = _read_shard(raw, file, command, problems)
    if command == "demo":
        _refuse_node_of_demo(flags, problems)
        raw.setdefault(WEB_LISTEN_ADDRESS.name, RawValue(LISTEN_DEMO, "default"))
    elif command in CALL_LND and file is not None:
        if command in ASKS and file.nodes is not None:
            _choose_nodes(raw, file, problems, several=command == "report")
        nodes = _read_nodes(raw, file, problems, shard)
        if NO_NODE in problems:
            problems.remove(NO_NODE)
            resets = STORAGE_RESET.name in raw  # that needs only the state file
            if flags_are_right and not resets:  # a typo in a flag may be the reason: don't explain how to begin
                problems.append(no_node_to_ask(command) if command in ASKS else NO_NODE)
    web = read_web(raw, command, problems)
    log = _read_log(raw, problems)
    max_peers = value(raw, METRICS_MAX_PEERS, problems)
    without = value(raw, METRICS_WITHOUT, problems)
    has_state = command in STORAGE_PATH.commands
    no_matter = command == "why" and STORAGE_PATH.name not in raw  # it can do without
    storage = read_storage(raw, environ, [] if no_matter else problems) if has_state else StorageConfig(None)
    groups = file.destinations if file else {}
    config = Config(nodes, web, log, storage, max_peers, without=without, destinations=groups)
    config = _with_options(config, command, raw, names or [], problems)
    refuse_flags_of_others(command, flags, problems)
    if problems:
        raise ConfigError(problems)
    others = len((file and file.nodes) or ()) - len(nodes) if shard else 0
    return replace(config, shard=shard, other_nodes=others)


def _with_options(
    config: Config, command: Command, raw: RawValues, names: list[str], problems: list[Problem]
) -> Config:
    """Return the configuration with the options of this command."""
    match command:
        case "open":
            config = replace(config, open=_read_open(raw, problems))
        case "ended":
            from exporter.config.ended import read_ended

            _refuse_memory(raw, "leaves nothing on disk that could be listed.", _FIX_ENDED, problems)
            config = replace(config, ended=read_ended(raw, problems))
        case "track" | "why":
            config = replace(config, track=_read_track(raw, command, problems))
        case "check":
            config = replace(config, check=_read_check(raw, problems))
        case "report":
            from exporter.config.report import read_report

            config = replace(config, report=read_report(raw, config.destinations, problems))
        case "backfill":
            from exporter.config.backfill import read_backfill

            _refuse_memory(raw, "leaves nothing on disk that tells what was counted.", _FIX_MEMORY, problems)
            config = replace(config, backfill=read_backfill(raw, problems))
        case "state export" | "state import":
            config = replace(config, handover=read_handover(command, names, problems))
            fix = "Name it: --storage.path=FILE"
            _refuse_memory(raw, "leaves nothing on disk that could be handed over.", fix, problems)
    return config


def _read_file(path: RawValue, problems: list[Problem]) -> FileContent | None:
    from exporter.config.yamlfile import from_file

    return from_file(path, problems)


def _merge(lower: RawValues, higher: RawValues) -> RawValues:
    """Return both; `higher` overrides `lower`.

    Its --storage.path overrides a --storage.memory there; its --storage.memory what there has no effect with it.
    """
    raw = lower | higher
    if STORAGE_PATH.name in higher and STORAGE_MEMORY.name not in higher:
        raw.pop(STORAGE_MEMORY.name, None)
    if STORAGE_PATH.name not in higher and higher.get(STORAGE_MEMORY.name, RawValue("", "")).text == "true":
        for setting in (STORAGE_PATH, STORAGE_ENDED):
            if setting.name not in higher:
                raw.pop(setting.name, None)
    return raw


def _read_shard(raw: RawValues, file: FileContent | None, command: Command, problems: list[Problem]) -> Shard | None:
    """Return which of several exporters this is; other commands than an exporter's ignore the variable."""
    if command not in SHARD.commands:
        raw.pop(SHARD.name, None)
    if SHARD.name in raw and file is not None and file.nodes is None:
        fix = "Write the nodes of all exporters into one file (nodes:) and name it with --config.file."
        problems.append(Problem(raw[SHARD.name].where, "needs a list of nodes, and there is none.", fix))
    return optional_value(raw, SHARD, problems)


def _read_log(raw: RawValues, problems: list[Problem]) -> LogConfig:
    """Return what is logged. Without payment hashes there are no warnings about single payments."""
    level, log_format = value(raw, LOG_LEVEL, problems), value(raw, LOG_FORMAT, problems)
    open_after_s, blocks_left = value(raw, LOG_OPEN_AFTER, problems), value(raw, LOG_BLOCKS_LEFT, problems)
    ended = value(raw, LOG_ENDED, problems)
    if not value(raw, LOG_PAYMENT_HASHES, problems):
        return LogConfig(level, log_format, payment_hashes=False, ended=ended)
    return LogConfig(level, log_format, open_after_s, blocks_left, ended=ended)


def _read_open(raw: RawValues, problems: list[Problem]) -> OpenConfig:
    """Return what `open` lists. An exporter with --storage.memory has no state file to read."""
    fix = "Start the exporter with --storage.path=FILE, or ask lnd: lncli listpayments --include_incomplete"
    _refuse_memory(raw, "leaves nothing on disk that could be listed.", fix, problems)
    node = value(raw, LND_NAME, problems) if LND_NAME.name in raw else None  # its default doesn't count as a choice
    return OpenConfig(optional_value(raw, OLDER_THAN, problems) or 0, value(raw, JSON, problems), node)


def _refuse_memory(raw: RawValues, what: str, fix: str, problems: list[Problem]) -> None:
    """Report --storage.memory for a command that needs the state file."""
    if value(raw, STORAGE_MEMORY, problems):
        problems.append(Problem(raw[STORAGE_MEMORY.name].where, what, fix))


def _read_track(raw: RawValues, command: Command, problems: list[Problem]) -> TrackConfig:
    """Return which payment `track` follows or `why` explains, and how it is shown."""
    given, hash_ = raw.get(HASH), ""
    if given is None:
        fix = f"Write: {PROGRAM} {command} HASH; `open` lists the payments in flight, `ended` those that ended."
        problems.append(Problem(HASH, "The hash of a payment is missing.", fix))
    else:
        try:
            hash_ = payment_hash(given.text)
        except InvalidValue as error:
            problems.append(error.at(given.where))
    json, quiet, secrets = (value(raw, setting, problems) for setting in (JSON, NO_INFLIGHT, SHOW_SECRETS))
    return TrackConfig(hash_, json, not quiet, secrets)


def _read_check(raw: RawValues, problems: list[Problem]) -> CheckConfig:
    """Return what `check` does besides checking the configuration."""
    check = CheckConfig(value(raw, CONNECT, problems), value(raw, JSON, problems))
    if check.json and not check.connect and raw[JSON.name].where == JSON.flag:  # the variable is for other commands
        fix = f"Add {CONNECT.flag}, or leave it out."
        problems.append(Problem(JSON.flag, f"needs {CONNECT.flag}, whose findings it prints.", fix))
    return check


def _refuse_node_of_demo(flags: RawValues, problems: list[Problem]) -> None:
    """Report flags that would be ignored."""
    for name, given in flags.items():
        if name.startswith("lnd."):
            fix = "For a real node leave out the word demo."
            problems.append(Problem(given.where, "is not for the demo, which brings its own node.", fix))


def _choose_nodes(raw: RawValues, file: FileContent, problems: list[Problem], *, several: bool) -> None:
    """Reduce `nodes:` to the entry that --lnd.name chooses. Without a name all remain, if `several` may be asked."""
    name, entries = raw.pop(LND_NAME.name, None), file.nodes or []
    listed = {entry[LND_NAME.name].text: (place, entry) for place, entry in entries if LND_NAME.name in entry}
    if name is not None and name.text in listed:
        file.nodes = [listed[name.text]]
    elif name is not None or (len(entries) > 1 and not several):
        what = f"{name.text} is not in the list." if name else "The file lists several nodes: which one is to be asked?"
        fix = f"The list has {', '.join(listed)}." if name else f"Add one of {', '.join(listed)}."
        problems.append(Problem(LND_NAME.flag, what, fix))
        file.nodes = []


def _read_nodes(
    raw: RawValues, file: FileContent, problems: list[Problem], shard: Shard | None
) -> tuple[NodeConfig, ...]:
    """Return the nodes of the list, else the single one; both together are a problem."""
    if file.nodes is None:
        return single_node(raw, problems)
    for name, given in raw.items():
        if name.startswith("lnd."):
            fix = "Put this node into the list too, or leave the list out."
            problems.append(
                Problem(given.where, "is for a single node, but the file has a list of them (nodes:).", fix)
            )
    is_own = shard.has if shard else lambda _name: SHARD.name not in raw  # none, if the shard is among the problems
    return several_nodes(file.nodes, problems, is_own) if file.nodes else ()
