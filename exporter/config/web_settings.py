"""The settings of what is served: where, and which metrics."""

from exporter.config import listen, values
from exporter.config.commands import FOLLOW_NODES, SERVE
from exporter.config.setting import Setting
from exporter.metrics.groups import Group

WEB_LISTEN_ADDRESS = Setting(
    "web.listen-address",
    "ADDRESS",
    listen.listen_addresses,
    values.LISTEN,
    (*SERVE, "healthcheck"),
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
    "web.telemetry-path", "PATH", values.telemetry_path, "/metrics", SERVE, "HTTP path of the metrics"
)
WEB_ENABLE_LIFECYCLE = Setting(
    "web.enable-lifecycle",
    "",
    values.switch,
    "false",
    FOLLOW_NODES,
    "also reload the configuration on a request: POST /-/reload does the same as SIGHUP",
)
WEB_CONFIG_FILE = Setting(
    "web.config.file",
    "FILE",
    values.text,
    "",
    (*SERVE, "healthcheck"),
    "a file with TLS, client certificates, passwords, headers and a rate limit, as all Prometheus exporters have it",
)
WEB_HEALTH_WITHOUT_PASSWORD = Setting(
    "web.health-without-password",
    "",
    values.switch,
    "false",
    SERVE,
    "answer /-/healthy and /-/ready, and nothing else, without the password of --web.config.file",
)
METRICS_MAX_PEERS = Setting(
    "metrics.max-peers",
    "NUMBER",
    values.max_peers,
    "50",
    (*SERVE, "backfill"),
    "how many of the direct peers that payments use get series of their own; 0 for none",
)
METRICS_WITHOUT = Setting(
    "metrics.without",
    "GROUP",
    values.groups,
    values.NONE,
    (*SERVE, "backfill"),
    f"keep off the pages: {', '.join(Group)};"
    " these series are counted all the same; docs/series.md says what each group costs and which alerts need it",
    several=True,
    suggested=(*Group, values.NONE),
)
