"""The table of settings; those of single commands are in `command_settings`."""

from typing import Any

from exporter.config import addresses, command_settings, listen, values
from exporter.config.commands import OF_ONE_PAYMENT, Command
from exporter.config.setting import Setting
from exporter.config.shard import parse_shard
from exporter.metrics.groups import Group
from exporter.payments.labels import Mode

AUTO = "auto"
"""`--lnd.mode=auto`: one stream of all payments if lnd offers it and the macaroon allows it, else a stream for each."""


_STATE: tuple[Command, ...] = ("state export", "state import")
_ALL: tuple[Command, ...] = ("run", "demo", "open", "ended", *OF_ONE_PAYMENT, "check", "healthcheck", *_STATE)
_SERVE: tuple[Command, ...] = ("run", "demo", "check")
_CALL_LND: tuple[Command, ...] = ("run", *OF_ONE_PAYMENT, "check")
_FOLLOW_NODES: tuple[Command, ...] = ("run", "check")


LND_DIR = Setting(
    "lnd.dir",
    "DIR",
    values.text,
    "",
    _CALL_LND,
    "lnd's own directory (its --lnddir, often ~/.lnd): tls.cert and the macaroon are taken from it,"
    " payments.macaroon before readonly.macaroon, never admin.macaroon",
)
LND_NETWORK = Setting(
    "lnd.network", "NAME", values.network, "", _CALL_LND, "which network, if --lnd.dir has several: mainnet, ..."
)
LND_ADDRESS = Setting(
    "lnd.address",
    "HOST:PORT",
    values.text,
    "",
    _CALL_LND,
    "where lnd listens; the default port is 10009 for grpc, 8080 for rest and websocket, which also take a URL:"
    " http:// means no TLS, and a path may follow (default with --lnd.dir: localhost)",
)
LND_TRANSPORT = Setting(
    "lnd.transport",
    "TRANSPORT",
    values.one_of(*addresses.TRANSPORTS),
    addresses.GRPC,
    _CALL_LND,
    "grpc, rest, or websocket, which is rest with streams that more proxies let through",
)
LND_PROXY = Setting(
    "lnd.proxy",
    "URL",
    addresses.proxy,
    "",
    _CALL_LND,
    "socks5://[USER:PASSWORD@]HOST:PORT: connect to lnd through this proxy, such as Tor; it also resolves host names",
)
LND_TLS_CERT = Setting(
    "lnd.tls-cert",
    "FILE",
    values.text,
    "",
    _CALL_LND,
    "lnd's tls.cert; the word `system` if lnd is behind a certificate that this system trusts",
)
LND_TLS_SERVER_NAME = Setting(
    "lnd.tls-server-name",
    "NAME",
    values.server_name,
    "",
    _CALL_LND,
    "a name or IP address in lnd's certificate, if the host of the address is not in it",
)
LND_MACAROON = Setting(
    "lnd.macaroon", "FILE", values.text, "", _CALL_LND, "the macaroon file: as lnd wrote it, or in hex or base64"
)
LND_NAME = Setting(
    "lnd.name",
    "NAME",
    values.node_name,
    "lnd",
    (*_CALL_LND, "open", "ended"),
    "the node's name: the label `node` of every metric; open, ended, track and why: which node, if there are several",
)
LND_MODE = Setting(
    "lnd.mode",
    "MODE",
    values.one_of(AUTO, Mode.FIREHOSE, Mode.TRACK),
    AUTO,
    _FOLLOW_NODES,
    "how payments are followed: all in one stream (firehose: lnd 0.16 or newer), each in a stream of its own"
    " (track: sees less of payments that last a few seconds), or auto: firehose if lnd offers and allows it",
)
LND_FINAL_UPDATES_ONLY = Setting(
    "lnd.final-updates-only",
    "",
    values.switch,
    "false",
    _FOLLOW_NODES,
    "have lnd send payments only when they have ended: less work on a very busy node, but less is known of payments"
    " in flight",
)
LND_EXPLAIN_NO_ROUTE = Setting(
    "lnd.explain-no-route", "", values.switch, "false", _FOLLOW_NODES, "by sample, ask lnd why payments found no route"
)
WEB_LISTEN_ADDRESS = Setting(
    "web.listen-address",
    "ADDRESS",
    listen.listen_addresses,
    values.LISTEN,
    (*_SERVE, "healthcheck"),
    "where metrics are served: HOST:PORT, :PORT for every address, or unix:/PATH; may be given several times"
    f" (demo: {values.LISTEN_DEMO})",
    several=True,
)
WEB_SYSTEMD_SOCKET = Setting(
    "web.systemd-socket",
    "",
    values.switch,
    "false",
    ("run", "check"),
    "serve on the sockets that systemd passes (a .socket unit) instead of addresses",
)
WEB_TELEMETRY_PATH = Setting(
    "web.telemetry-path", "PATH", values.telemetry_path, "/metrics", _SERVE, "HTTP path of the metrics"
)
WEB_ENABLE_LIFECYCLE = Setting(
    "web.enable-lifecycle",
    "",
    values.switch,
    "false",
    _FOLLOW_NODES,
    "also reload the configuration on a request: POST /-/reload does the same as SIGHUP",
)
WEB_CONFIG_FILE = Setting(
    "web.config.file",
    "FILE",
    values.text,
    "",
    (*_SERVE, "healthcheck"),
    "a file with TLS, client certificates, passwords, headers and a rate limit, as all Prometheus exporters have it",
)
WEB_HEALTH_WITHOUT_PASSWORD = Setting(
    "web.health-without-password",
    "",
    values.switch,
    "false",
    _SERVE,
    "answer /-/healthy and /-/ready, and nothing else, without the password of --web.config.file",
)
METRICS_MAX_PEERS = Setting(
    "metrics.max-peers",
    "NUMBER",
    values.max_peers,
    "50",
    _SERVE,
    "how many of the direct peers that payments use get series of their own; 0 for none",
)
METRICS_WITHOUT = Setting(
    "metrics.without",
    "GROUP",
    values.groups,
    values.NONE,
    _SERVE,
    f"keep off the pages: {', '.join(Group)};"
    " these series are counted all the same; docs/series.md says what each group costs and which alerts need it",
    several=True,
)
STORAGE_PATH = Setting(
    "storage.path",
    "FILE",
    values.text,
    "",
    (*_FOLLOW_NODES, "open", "ended", "why", *_STATE),
    "the state file, which keeps the counters over a restart: a file of this exporter alone"
    " (default: state.sqlite in $STATE_DIRECTORY, else in ~/.local/state/lnd-payments-exporter)",
)
STORAGE_MEMORY = Setting(
    "storage.memory",
    "",
    values.switch,
    "false",
    _FOLLOW_NODES,
    "keep nothing on disk: counters begin at zero at each start",
)
STORAGE_RESET = Setting(
    "storage.reset",
    "NODE",
    values.node_name,
    "",
    ("run",),
    "delete all that is kept of one node, and exit: its counters begin at zero at the next start",
)
STORAGE_ENDED = Setting(
    "storage.ended",
    "NUMBER",
    values.list_length,
    "10000",
    _FOLLOW_NODES,
    "how many of the last payments that ended are kept of each node, for the command ended; 0 for none",
)
STORAGE_ENDED_DESTINATIONS = Setting(
    "storage.ended-destinations",
    "true|false",
    values.switch,
    "true",
    _FOLLOW_NODES,
    "false: neither this list nor the log says who was paid",
)
LOG_LEVEL = Setting(
    "log.level",
    "LEVEL",
    values.one_of("debug", "info", "warning", "error"),
    "info",
    _SERVE,
    "debug, info, warning or error",
)
LOG_FORMAT = Setting(
    "log.format",
    "FORMAT",
    values.one_of("auto", "console", "json"),
    "auto",
    _SERVE,
    "console, json, or auto: console on a terminal, else json",
)
LOG_OPEN_AFTER = Setting(
    "log.open-after",
    "TIMES",
    values.durations,
    "10m,1h,24h",
    _SERVE,
    "warn about a payment in flight when it is this old; none for never",
)
LOG_BLOCKS_LEFT = Setting(
    "log.blocks-left",
    "NUMBERS",
    values.block_counts,
    "144,36",
    _SERVE,
    "warn about a payment when an HTLC that is held for half an hour has fewer blocks left than this; none for never",
)
LOG_PAYMENT_HASHES = Setting(
    "log.payment-hashes",
    "true|false",
    values.switch,
    "true",
    _SERVE,
    "false: no warnings about single payments, and no payment hashes in the log",
)
LOG_ENDED = Setting(
    "log.ended",
    "WHICH",
    values.one_of("none", "failed", "all"),
    "none",
    _SERVE,
    "write a line for each payment that failed or was lost (failed), or for each that ended (all)",
)
SHARD = Setting(
    "shard",
    "I/N",
    parse_shard,
    "",
    _FOLLOW_NODES,
    "follow only the nodes of `nodes:` that belong to shard I of N, counted from 0: several exporters share one file;"
    " auto/N takes I from the end of the host name (exporter-3)",
)
CONFIG_FILE = Setting("config.file", "FILE", values.text, "", _ALL, "a YAML file with settings")

_OWN = [setting for setting in list(globals().values()) if isinstance(setting, Setting)]
SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting for setting in (*_OWN[:-2], *command_settings.ALL, *_OWN[-2:])
}
"""All settings by name, in the order of `--help`."""

NODE_KEYS = {setting.key.removeprefix("lnd."): setting for setting in SETTINGS.values() if setting.group == "lnd"}
"""What an entry of `nodes:` may hold, by its key there."""
