"""The configuration as the program uses it: values that were checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.config.addresses import (
    GRPC,
    GRPC_PORT,
    PRIVATE,
    REST_PORT,
    TOR,
    USUAL_GRPC,
    USUAL_REST,
    encrypted,
    host_and_port,
)
from exporter.config.grouping import ReportConfig
from exporter.config.listen import ListenAddress
from exporter.config.lnd_settings import AUTO, LND_NAME
from exporter.config.macaroons import ADMIN
from exporter.config.shard import Shard
from exporter.metrics.groups import Group

if TYPE_CHECKING:  # only `backfill` needs it
    from exporter.config.httpmodel import RemoteWriteConfig


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How to reach one node, and how to follow its payments."""

    name: str
    """The label `node`."""
    address: str
    """`HOST:PORT` for gRPC; a URL for REST and WebSockets."""
    tls_cert: Path | None
    """lnd's certificate, absolute; None: trust what the system trusts, or no TLS. Read again at every reconnect."""
    macaroon: Path
    """Absolute; read again at every reconnect."""
    transport: str = GRPC
    """One of `TRANSPORTS`."""
    proxy: str | None = field(default=None, repr=False)
    """`socks5://[USER:PASSWORD@]HOST:PORT`: never show it."""
    mode: str = AUTO
    """How its payments are followed: `firehose`, `track` or `auto`."""
    final_only: bool = False
    """Whether lnd sends payments only when they have ended."""
    explain_no_route: bool = False
    """Whether lnd is asked by sample why payments have found no route. Over gRPC only."""
    tls_server_name: str | None = None
    """The name or IP address that the certificate must be made for; None: the host of the address."""

    @property
    def preface(self) -> str:
        """The prefix of a line about this node: `NAME: `, or nothing if it has the default name."""
        return "" if self.name == LND_NAME.default else f"{self.name}: "

    @property
    def trust(self) -> str:
        """Describe for people which certificates are trusted."""
        if not encrypted(self.address):
            return "no TLS"
        name = f" for {self.tls_server_name}" if self.tls_server_name else ""
        return f"certificate {self.tls_cert or 'trusted by the system'}{name}"

    @property
    def warnings(self) -> list[str]:
        """Settings that are valid but probably not what the user meant, one sentence each. Reads the certificate."""
        from exporter.config.certificate import certificate_warnings

        can_spend = ["this macaroon can spend: a smaller one is enough (see --help)"] * (self.macaroon.name == ADMIN)
        name = self.tls_server_name or host_and_port(self.address)[0]
        of_tls = certificate_warnings(self.tls_cert, name) if self.tls_cert else ()
        return [*can_spend, *self.address_warnings, *of_tls]

    @property
    def address_warnings(self) -> list[str]:
        """Those of the warnings that are about the address, without a look into a file."""
        host, port = host_and_port(self.address)
        grpc = self.transport == GRPC
        warnings = {
            USUAL_GRPC: grpc and port == REST_PORT,
            USUAL_REST: not grpc and port == GRPC_PORT,
            "without TLS (http://) anybody on the way can read the macaroon": not encrypted(self.address)
            and not PRIVATE.fullmatch(host),
            f"an onion service needs Tor: --lnd.proxy={TOR}": host.endswith(".onion") and self.proxy is None,
        }
        return [warning for warning, applies in warnings.items() if applies]


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where metrics are served."""

    addresses: tuple[ListenAddress, ...]
    """At least one, unless systemd passes the sockets."""
    telemetry_path: str
    """`/metrics`."""
    systemd_socket: bool = False
    """Whether systemd passes the listening sockets."""
    enable_lifecycle: bool = False
    """Whether `POST /-/reload` reloads the configuration."""
    config_file: Path | None = None
    """The web file (TLS, passwords, ...), absolute; None: neither. Read again when it changes."""
    health_without_password: bool = False
    """Whether the two health pages need no password."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Level and format of the log, and which payments in flight it warns about."""

    level: str
    format: str
    """`console`, `json`, or `auto`: console on a terminal."""
    open_after_s: tuple[int, ...] = ()
    """Ages of a payment in flight at which a warning names it, seconds."""
    blocks_left: tuple[int, ...] = ()
    """A warning names a payment when one of its held HTLCs has fewer blocks left than each of these."""
    payment_hashes: bool = True
    """Whether there may be warnings about single payments, and payment hashes in the log."""
    ended: str = "none"
    """Which payments that ended get a line: `none`, `failed` or `all`."""


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """The settings of the state file, which keeps the counters."""

    path: Path | None
    """The state file, absolute; None: nothing is kept."""
    reset: str | None = None
    """Name of the node to delete from it; the program does that and exits."""
    ended: int = 10_000
    """How many of the last payments that ended are kept of each node."""
    ended_destinations: bool = True
    """Whether it is kept, and logged, who was paid."""


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """Which payments the command `open` lists, and how."""

    older_than_s: int = 0
    """Only payments that have been in flight for at least this long, seconds."""
    json: bool = False
    node: str | None = None
    """Only this node; None: all."""


@dataclass(frozen=True, slots=True)
class EndedConfig:
    """Which payments the command `ended` lists, and how."""

    since_s: int | None = None
    """Only payments that were counted at most this long ago, seconds; None: all."""
    failed: bool = False
    """Whether those that failed are asked for; without `failed`, `late` and `lost` all are, also other successes."""
    late: bool = False
    """Whether those that succeeded late are asked for."""
    lost: bool = False
    """Whether those that were lost are asked for."""
    causes: tuple[str, ...] = ()
    """Of those that failed or were lost only these; empty: all."""
    reasons: tuple[str, ...] = ()
    """Of those that failed or succeeded late only these; empty: all."""
    kinds: tuple[str, ...] = ()
    min_sat: int = 0
    peer: str = ""
    """Only those through this first hop: its key, the beginning of it, or a part of its alias, in lower case."""
    limit: int | None = None
    """At most this many of each node, the newest; None: all."""
    json: bool = False
    node: str | None = None
    """Only this node; None: all."""


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """Which payment the command `track` follows or `why` explains, and how it is shown."""

    payment_hash: str = ""
    """64 hex digits, lower case; empty for other commands."""
    json: bool = False
    inflight: bool = True
    """Whether updates before the end are shown."""
    secrets: bool = False
    """Whether preimages and the payment request are shown."""


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """What the command `check` does besides checking the configuration."""

    connect: bool = False
    """Whether lnd is asked."""
    json: bool = False


@dataclass(frozen=True, slots=True)
class BackfillConfig:
    """What the command `backfill` writes, and where."""

    output: Path | None = None
    """The directory, absolute; None: standard output, or no files."""
    stdout: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the target: job, instance and perhaps others."""
    step_s: int | None = None
    """Seconds between two samples; None: by the span."""
    since_s: int | None = None
    """Only samples of the last seconds are written; None: all."""
    until_s: int | None = None
    """Only samples older than these seconds are written; None: all."""
    adopt: bool = False
    """Whether the sums are written into the state file, where counting hasn't begun."""
    remote_write: "RemoteWriteConfig | None" = None
    """The receiver; None: the samples are written, not sent."""


@dataclass(frozen=True, slots=True)
class HandoverConfig:
    """What the commands `state export` and `state import` are to do."""

    node: str = ""
    """The node to export."""
    files: tuple[Path | None, ...] = ()
    """The file to write, or those to read, absolute; None: standard output or input."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one command."""

    nodes: tuple[NodeConfig, ...]
    """For `track` and `why` the one to ask, with `--shard` those of this shard; empty if a command needs no node."""
    web: WebConfig
    log: LogConfig
    storage: StorageConfig
    max_peers: int
    open: OpenConfig = OpenConfig()
    track: TrackConfig = TrackConfig()
    ended: EndedConfig = EndedConfig()
    shard: Shard | None = None
    """Which of several exporters this is; None: it follows all nodes of its file."""
    other_nodes: int = 0
    """How many nodes of the file belong to other shards."""
    handover: HandoverConfig = HandoverConfig()
    without: tuple[Group, ...] = ()
    """Groups of series that the pages lack, in the order of `Group`."""
    destinations: Mapping[str, str] = field(default_factory=dict)
    """The name of the group of each key of a recipient that is in one."""
    check: CheckConfig = CheckConfig()
    backfill: BackfillConfig = BackfillConfig()
    report: ReportConfig = field(default_factory=ReportConfig)
