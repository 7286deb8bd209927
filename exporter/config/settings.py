"""The table of settings: what each is called, what it may be, what it is if not given, what `--help` says of it."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, get_args

from exporter.config import addresses, values

ENVIRONMENT = "LND_PAYMENTS_EXPORTER_"


class Setting(NamedTuple):
    """One setting. It has the same name, in three spellings, as a flag, in the environment and in the file."""

    name: str
    metavar: str
    parse: Callable[[str], Any]
    """Text to value; raises `Wrong`. Paths are text here, what they lead to is looked at later."""
    default: str
    """Text; empty where there is none, or where it depends on others."""
    help: str

    @property
    def switch(self) -> bool:
        """True for a flag that needs no value: given alone it means `true`."""
        return not self.metavar

    @property
    def group(self) -> str:
        """`lnd`: the part of the name that is a section of the file; `command` for the flags of single commands."""
        section, dot, _ = self.name.partition(".")
        return section if dot else "command"

    @property
    def flag(self) -> str:
        """`--lnd.tls-cert`."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """`LND_PAYMENTS_EXPORTER_LND_TLS_CERT`."""
        return ENVIRONMENT + self.name.replace(".", "_").replace("-", "_").upper()

    @property
    def key(self) -> str:
        """`lnd.tls_cert`: key `tls_cert` of section `lnd`."""
        return self.name.replace("-", "_")


Command = Literal["run", "demo", "open", "track", "check", "healthcheck"]
COMMANDS: tuple[Command, ...] = get_args(Command)

AUTO = "auto"
TRACK = "track"
MODES = ("firehose", TRACK)
"""How the payments of a node may be followed; `auto` is whatever it can."""

LISTEN = f":{values.OUR_PORT}"
LISTEN_DEMO = f"127.0.0.1:{values.OUR_PORT}"

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "lnd.dir",
            "DIR",
            values.text,
            "",
            "lnd's own directory (its --lnddir, often ~/.lnd): finds tls.cert and the macaroon in it,"
            " payments.macaroon before readonly.macaroon, never admin.macaroon",
        ),
        Setting(
            "lnd.network", "NAME", values.network, "", "which network, where --lnd.dir holds several: mainnet, ..."
        ),
        Setting(
            "lnd.address",
            "HOST:PORT",
            values.text,
            "",
            "where lnd is; without a port at 10009 for grpc, else at 8080; for rest and websocket also as a URL, where"
            " http:// means no TLS and a path may follow (default with --lnd.dir: localhost)",
        ),
        Setting(
            "lnd.transport",
            "WAY",
            values.one_of(*addresses.TRANSPORTS),
            addresses.GRPC,
            "how lnd is asked: grpc, rest, or websocket, which is rest with streams that more proxies let through",
        ),
        Setting(
            "lnd.proxy",
            "URL",
            addresses.proxy,
            "",
            "socks5://[USER:PASSWORD@]HOST:PORT: a proxy, such as Tor, on the way to lnd; it looks names up, too",
        ),
        Setting(
            "lnd.tls-cert",
            "FILE",
            values.text,
            "",
            "lnd's tls.cert; the word `system` where lnd is reached under a certificate that this system trusts",
        ),
        Setting(
            "lnd.tls-server-name",
            "NAME",
            values.server_name,
            "",
            "a name or IP address for which the certificate is made, where that is not the host of the address",
        ),
        Setting("lnd.macaroon", "FILE", values.text, "", "the macaroon file: as lnd wrote it, or in hex or base64"),
        Setting("lnd.name", "NAME", values.node_name, "lnd", "the node's name: the label `node` of every metric"),
        Setting(
            "lnd.mode",
            "MODE",
            values.one_of(AUTO, *MODES),
            AUTO,
            "how payments are followed: all by one stream (firehose: lnd 0.16 or newer), each by a stream of its own"
            " (track: sees less of payments that last a few seconds), or auto: the first where lnd has it and lets us",
        ),
        Setting(
            "lnd.final-updates-only",
            "",
            values.switch,
            "false",
            "let lnd tell of payments only when they have ended: less work on a very busy node, but less is known of"
            " what is in flight",
        ),
        Setting(
            "web.listen-address",
            "HOST:PORT",
            values.listen_address,
            LISTEN,
            f"where metrics are served; without HOST on every address (demo: {LISTEN_DEMO})",
        ),
        Setting("web.telemetry-path", "PATH", values.telemetry_path, "/metrics", "under which path"),
        Setting(
            "metrics.max-peers",
            "NUMBER",
            values.max_peers,
            "50",
            "direct peers with series of their own, those that are used; 0 for none",
        ),
        Setting(
            "storage.path",
            "FILE",
            values.text,
            "",
            "where counters are kept, so that a restart loses nothing: a file of this exporter alone"
            " (default: state.sqlite in $STATE_DIRECTORY, else in ~/.local/state/lnd-payments-exporter)",
        ),
        Setting(
            "storage.memory", "", values.switch, "false", "keep nothing on disk: counters begin at zero at each start"
        ),
        Setting(
            "storage.reset",
            "NODE",
            values.node_name,
            "",
            "forget all that is kept of one node, and end: at the next start its counters begin at zero",
        ),
        Setting(
            "log.level",
            "LEVEL",
            values.one_of("debug", "info", "warning", "error"),
            "info",
            "debug, info, warning or error",
        ),
        Setting(
            "log.format",
            "FORMAT",
            values.one_of("auto", "console", "json"),
            "auto",
            "console, json, or auto: console on a terminal, else json",
        ),
        Setting(
            "log.open-after",
            "TIMES",
            values.times,
            "10m,1h,24h",
            "how old a payment in flight is when a warning names it; none for never",
        ),
        Setting(
            "log.blocks-left",
            "NUMBERS",
            values.block_counts,
            "144,36",
            "how few blocks are left to an HTLC that is held for half an hour when a warning names it; none for never",
        ),
        Setting(
            "log.payment-hashes",
            "true|false",
            values.switch,
            "true",
            "false: no such warnings, and with them no payment hashes in the log",
        ),
        Setting(
            "older-than",
            "TIME",
            values.time,
            "",
            "open: only payments that have been in flight for as long as this: 10m, 1h, 2d",
        ),
        Setting(
            "json",
            "",
            values.switch,
            "false",
            "open, track: JSON instead of a table; open one document, track a line for each update",
        ),
        Setting("no-inflight", "", values.switch, "false", "track: say nothing before the payment has ended"),
        Setting("show-secrets", "", values.switch, "false", "track: show preimages and the payment request, too"),
        Setting("config.file", "FILE", values.text, "", "a YAML file with the settings that are not given otherwise"),
    )
}

NODE_KEYS = {setting.key.removeprefix("lnd."): setting for setting in SETTINGS.values() if setting.group == "lnd"}
"""What an entry of `nodes:` may hold, by its key there."""

OF_COMMANDS: dict[str, tuple[Command, ...]] = {
    "older-than": ("open",),
    "json": ("open", "track"),
    "no-inflight": ("track",),
    "show-secrets": ("track",),
}
"""They are for some commands only, and have no place in the file."""

# What people type from habit, in the words of lnd, lncli, lndmon and other exporters, and our name for it.
HABITS = {
    "rpcserver": "lnd.address",
    "lnd.rpcserver": "lnd.address",
    "lnd.host": "lnd.address",
    "lnd.port": "lnd.address",
    "restlisten": "lnd.address",
    "lnd.restlisten": "lnd.address",
    "lnd.url": "lnd.address",
    "tor.socks": "lnd.proxy",
    "socksproxy": "lnd.proxy",
    "proxy": "lnd.proxy",
    "lnddir": "lnd.dir",
    "lnd.lnddir": "lnd.dir",
    "lnd.macaroondir": "lnd.dir",
    "tlscertpath": "lnd.tls-cert",
    "lnd.tlspath": "lnd.tls-cert",
    "lnd.cert": "lnd.tls-cert",
    "lnd.servername": "lnd.tls-server-name",
    "lnd.tls-domain": "lnd.tls-server-name",
    "macaroonpath": "lnd.macaroon",
    "lnd.macaroonpath": "lnd.macaroon",
    "lnd.macaroonname": "lnd.macaroon",
    "config": "config.file",
    "port": "web.listen-address",
    "web.port": "web.listen-address",
    "prometheus.listenaddr": "web.listen-address",
    "debuglevel": "log.level",
    "log.json": "log.format",
    "storage.dir": "storage.path",
    "storage.tsdb.path": "storage.path",
    "state.path": "storage.path",
    "datadir": "storage.path",
}


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Which of these names (dotted, with dashes) was probably meant: by habit, by the whole, by the last part."""
    names = list(names)
    word = word.lower().strip("-").replace("_", "-")
    if HABITS.get(word) in names:
        return HABITS[word]
    whole = difflib.get_close_matches(word, names, n=1, cutoff=0.8)
    last = {name.rpartition(".")[2]: name for name in names}
    part = difflib.get_close_matches(word.rpartition(".")[2], last, n=1, cutoff=0.7)
    return whole[0] if whole else last[part[0]] if part else None
