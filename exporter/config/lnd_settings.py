"""The settings of nodes: how to reach them, and how to follow their payments."""

from exporter.config import addresses, values
from exporter.config.commands import CALL_LND, FOLLOW_NODES
from exporter.config.setting import Setting
from exporter.payments.labels import Mode

AUTO = "auto"
"""`--lnd.mode=auto`: one stream of all payments if lnd offers it and the macaroon allows it, else a stream for each."""

LND_DIR = Setting(
    "lnd.dir",
    "DIR",
    values.text,
    "",
    CALL_LND,
    "lnd's own directory (its --lnddir, often ~/.lnd): tls.cert and the macaroon are taken from it,"
    " payments.macaroon before readonly.macaroon, never admin.macaroon",
)
LND_NETWORK = Setting(
    "lnd.network",
    "NAME",
    values.network,
    "",
    CALL_LND,
    "which network, if --lnd.dir has several: mainnet, ...",
    suggested=("mainnet", "testnet", "testnet4", "signet", "regtest", "simnet"),
)
LND_ADDRESS = Setting(
    "lnd.address",
    "HOST:PORT",
    values.text,
    "",
    CALL_LND,
    "where lnd listens; the default port is 10009 for grpc, 8080 for rest and websocket, which also take a URL:"
    " http:// means no TLS, and a path may follow (default with --lnd.dir: localhost)",
)
LND_TRANSPORT = Setting(
    "lnd.transport",
    "TRANSPORT",
    values.one_of(*addresses.TRANSPORTS),
    addresses.GRPC,
    CALL_LND,
    "grpc, rest, or websocket, which is rest with streams that more proxies let through",
)
LND_PROXY = Setting(
    "lnd.proxy",
    "URL",
    addresses.proxy,
    "",
    CALL_LND,
    "socks5://[USER:PASSWORD@]HOST:PORT: connect to lnd through this proxy, such as Tor; it also resolves host names",
)
LND_TLS_CERT = Setting(
    "lnd.tls-cert",
    "FILE",
    values.text,
    "",
    CALL_LND,
    "lnd's tls.cert; the word `system` if lnd is behind a certificate that this system trusts",
)
LND_TLS_SERVER_NAME = Setting(
    "lnd.tls-server-name",
    "NAME",
    values.server_name,
    "",
    CALL_LND,
    "a name or IP address in lnd's certificate, if the host of the address is not in it",
)
LND_MACAROON = Setting(
    "lnd.macaroon", "FILE", values.text, "", CALL_LND, "the macaroon file: as lnd wrote it, or in hex or base64"
)
LND_NAME = Setting(
    "lnd.name",
    "NAME",
    values.node_name,
    "lnd",
    (*CALL_LND, "open", "ended"),
    "the node's name: the label `node` of every metric; open, ended, track and why: which node, if there are several",
)
LND_MODE = Setting(
    "lnd.mode",
    "MODE",
    values.one_of(AUTO, Mode.FIREHOSE, Mode.TRACK),
    AUTO,
    FOLLOW_NODES,
    "how payments are followed: all in one stream (firehose: lnd 0.16 or newer), each in a stream of its own"
    " (track: sees less of payments that last a few seconds), or auto: firehose if lnd offers and allows it",
)
LND_FINAL_UPDATES_ONLY = Setting(
    "lnd.final-updates-only",
    "",
    values.switch,
    "false",
    FOLLOW_NODES,
    "have lnd send payments only when they have ended: less work on a very busy node, but less is known of payments"
    " in flight",
)
LND_EXPLAIN_NO_ROUTE = Setting(
    "lnd.explain-no-route", "", values.switch, "false", FOLLOW_NODES, "by sample, ask lnd why payments found no route"
)
