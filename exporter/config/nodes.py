"""From the settings of one node to a `NodeConfig`, or to everything that is wrong with it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config.addresses import (
    GRPC,
    GRPC_PORT,
    HOME,
    REST_PORT,
    TOR,
    USUAL_GRPC,
    USUAL_REST,
    encrypted,
    host_and_port,
    lnd_address,
)
from exporter.config.credentials import (
    ADMIN,
    check_certificate,
    check_directory,
    check_macaroon,
    dates,
    find_macaroon,
)
from exporter.config.given import Given, Settings, value
from exporter.config.problems import Problem, Wrong
from exporter.config.settings import AUTO, SETTINGS, TRACK

PUBLIC = "system"
"""`--lnd.tls-cert=system`: trust what the system trusts."""

NO_PLACE = ("lnd.name", "lnd.mode", "lnd.final-updates-only")
"""Settings that say nothing of where a node is."""
LOCAL = re.compile(r"localhost|127\..*|::1|.*\.onion")
"""Hosts to which a line without TLS is private: this machine, and onion services, which are encrypted anyway."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How to reach one node."""

    name: str
    """The label `node`."""
    address: str
    """`HOST:PORT` as gRPC wants it; a URL for REST and WebSockets."""
    tls_cert: Path | None
    """lnd's certificate, absolute; None: all that the system trusts, or no TLS. Read again at every reconnect."""
    macaroon: Path
    """Absolute; read again at every reconnect."""
    transport: str = GRPC
    """One of `TRANSPORTS`."""
    proxy: str | None = field(default=None, repr=False)
    """`socks5://[USER:PASSWORD@]HOST:PORT`: never to be shown."""
    mode: str = AUTO
    """How its payments are followed: `firehose`, `track` or `auto`."""
    final_only: bool = False
    """Nothing is to be told of payments before they have ended."""
    tls_server_name: str | None = None
    """The name or IP address for which the certificate must be made; None: the host of the address."""

    @property
    def preface(self) -> str:
        """What stands before a line about this node where no other is spoken of: nothing if nobody gave it a name."""
        return "" if self.name == SETTINGS["lnd.name"].default else f"{self.name}: "

    @property
    def trust(self) -> str:
        """What is trusted, for people to read."""
        if not encrypted(self.address):
            return "no TLS"
        name = f" for {self.tls_server_name}" if self.tls_server_name else ""
        return f"certificate {self.tls_cert or 'trusted by the system'}{name}"

    @property
    def warnings(self) -> list[str]:
        """What works, but could be better or is probably not meant."""
        host, port = host_and_port(self.address)
        grpc = self.transport == GRPC
        warnings = {
            "this macaroon can spend: a smaller one is enough (see --help)": self.macaroon.name == ADMIN,
            USUAL_GRPC: grpc and port == REST_PORT,
            USUAL_REST: not grpc and port == GRPC_PORT,
            "without TLS (http://) anybody on the way can read the macaroon": not encrypted(self.address)
            and not LOCAL.fullmatch(host),
            f"an onion service needs Tor: --lnd.proxy={TOR}": host.endswith(".onion") and self.proxy is None,
        }
        dated = dates(self.tls_cert) if self.tls_cert else None
        return [*(warning for warning, applies in warnings.items() if applies), *([dated] if dated else [])]


MISSING = {
    "lnd.address": ("The address of lnd is missing.", "Add it, such as localhost:10009."),
    "lnd.tls-cert": (
        "The certificate of lnd is missing.",
        "Add the path of its tls.cert (copy it from lnd's directory), or the word `system` if this system trusts it.",
    ),
    "lnd.macaroon": (
        "The macaroon is missing.",
        "Bake one (see --help), or copy readonly.macaroon from data/chain/bitcoin/NETWORK in lnd's directory.",
    ),
}

NO_NODE = Problem(
    "--lnd.dir, or --lnd.address with --lnd.tls-cert and --lnd.macaroon",
    "No node is given.",
    "On lnd's own machine:  lnd-payments-exporter --lnd.dir ~/.lnd\n"
    "From another one:      lnd-payments-exporter --lnd.address HOST:10009 --lnd.tls-cert FILE --lnd.macaroon FILE\n"
    "Without any lnd:       lnd-payments-exporter demo",
)
NO_NODE_TO_ASK = NO_NODE._replace(
    fix="Give what the exporter was given: its flags, its environment or its file.\n"
    "On lnd's own machine:  lnd-payments-exporter track HASH --lnd.dir ~/.lnd\n"
    "From another one:      lnd-payments-exporter track HASH --lnd.address HOST:10009 --lnd.tls-cert FILE"
    " --lnd.macaroon FILE\n"
    "As an exporter does:   lnd-payments-exporter track HASH --config.file FILE"
)
"""The same for the command `track`, which nobody runs for a demo."""


def single_node(settings: Settings, problems: list[Problem]) -> tuple[NodeConfig, ...]:
    """The node of the flags, or nothing and problems."""
    if not any(name.startswith("lnd.") and name not in NO_PLACE for name in settings):
        problems.append(NO_NODE)
        return ()
    node = _node(settings, "", problems)
    return (node,) if node else ()


def several_nodes(entries: list[tuple[str, Settings]], problems: list[Problem]) -> tuple[NodeConfig, ...]:
    """The nodes of the list `nodes:`; each has a name, and no name or address occurs twice."""
    first: dict[str, str] = {}
    nodes: list[NodeConfig] = []
    for place, settings in entries:
        if "lnd.name" not in settings:
            problems.append(Problem(place, "has no name.", "Add `name: ...`: it becomes the label `node`."))
        for given in (settings.get("lnd.name"), _address(settings, place)):
            if given and first.setdefault(given.text, given.where) != given.where:
                fix = f"Give each node its own; {first[given.text]} is the same."
                problems.append(Problem(given.where, f"{given.text} belongs to two nodes.", fix))
        node = _node(settings, place, problems)
        nodes += [node] if node else []
    return tuple(nodes)


def _address(settings: Settings, place: str) -> Given | None:
    """The address as it will be used, for comparison; None if it is missing or wrong."""
    given = settings.get("lnd.address") or (Given(HOME, place) if "lnd.dir" in settings else None)
    transport = value(settings, "lnd.transport", [])
    try:
        return given and transport and given._replace(text=lnd_address(given.text, transport))
    except Wrong:
        return None


def _node(settings: Settings, place: str, problems: list[Problem]) -> NodeConfig | None:
    """One node; `place` is where its list entry stands, empty for the node of the flags."""
    before = len(problems)
    directory = settings.get("lnd.dir")
    if directory is None:
        problems += _missing(settings, place)
    elif directory.text:
        try:
            check_directory(directory.path)
        except Wrong as wrong:  # it would be wrong for each file that is looked for in it
            problems.append(wrong.at(directory.where))
            directory = None
    name = value(settings, "lnd.name", problems)
    transport = value(settings, "lnd.transport", problems)
    address = _reach(settings, transport, problems) if transport else ""
    network = value(settings, "lnd.network", problems) or ""
    mode = value(settings, "lnd.mode", problems)
    final_only = value(settings, "lnd.final-updates-only", problems)
    if final_only and mode == TRACK:
        fix = "Leave one of them out: what is followed each by itself is followed on its way."
        where = settings["lnd.final-updates-only"].where
        problems.append(Problem(where, f"has no meaning with --lnd.mode={TRACK}.", fix))
    tls_cert = _tls_cert(settings, directory, problems) if encrypted(address) else None
    server_name = value(settings, "lnd.tls-server-name", problems)
    macaroon = _macaroon(settings, directory, network, problems)
    proxy = value(settings, "lnd.proxy", problems)
    if macaroon is None or len(problems) > before:
        return None
    return NodeConfig(name, address, tls_cert, macaroon, transport, proxy, mode, final_only, server_name)


def _reach(settings: Settings, transport: str, problems: list[Problem]) -> str:
    """The address; what doesn't go together with it or with the way in which lnd is asked is among the problems."""
    given = settings.get("lnd.address", Given(HOME, ""))
    if not given.text:
        return ""
    try:
        address = lnd_address(given.text, transport)
    except Wrong as wrong:
        problems.append(wrong.at(given.where))
        return ""
    for name in ("lnd.tls-cert", "lnd.tls-server-name"):
        of_tls = settings.get(name, Given("", ""))
        if of_tls.text and not encrypted(address):
            fix = f"Leave it out, or write https:// in {given.where}."
            problems.append(Problem(of_tls.where, "has no meaning without TLS (http:// in the address).", fix))
    return address


def _missing(settings: Settings, place: str) -> list[Problem]:
    """What has to be given where lnd's directory isn't."""
    problems = [
        Problem(f"{place}.{SETTINGS[name].key.removeprefix('lnd.')}" if place else SETTINGS[name].flag, what, fix)
        for name, (what, fix) in MISSING.items()
        if name not in settings and not (name == "lnd.tls-cert" and _is_plain(settings))
    ]
    if network := settings.get("lnd.network"):
        fix = "Add lnd's directory, or leave the network out: the macaroon already belongs to one."
        problems.append(Problem(network.where, "chooses a part of --lnd.dir, which is not given.", fix))
    return problems


def _is_plain(settings: Settings) -> bool:
    """True if the address says that there is no TLS."""
    return not encrypted(settings.get("lnd.address", Given("", "")).text.lower())


def _tls_cert(settings: Settings, directory: Given | None, problems: list[Problem]) -> Path | None:
    """The certificate, looked at; None for those that the system trusts (and if there is none)."""
    given = settings.get("lnd.tls-cert", directory)
    if given is None or not given.text or (given is not directory and given.text == PUBLIC):
        return None
    try:
        path = given.path / "tls.cert" if given is directory else given.path
        check_certificate(path)
    except Wrong as wrong:
        problems.append(wrong.at(given.where))
        return None
    return path


def _macaroon(settings: Settings, directory: Given | None, network: str, problems: list[Problem]) -> Path | None:
    """The macaroon, looked at; None if there is none."""
    given = settings.get("lnd.macaroon", directory)
    if given is None or not given.text:
        return None
    try:
        path = find_macaroon(given.path, network) if given is directory else given.path
        check_macaroon(path)
    except Wrong as wrong:
        problems.append(wrong.at(given.where))
        return None
    return path
