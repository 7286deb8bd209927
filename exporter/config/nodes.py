"""Build the `NodeConfig` of each node from its settings, or report everything that is wrong with them."""

from collections.abc import Callable
from pathlib import Path

from exporter.config.addresses import GRPC, HOME, encrypted, lnd_address
from exporter.config.commands import OF_ONE_PAYMENT, PROGRAM, Command
from exporter.config.lnd_settings import (
    LND_EXPLAIN_NO_ROUTE,
    LND_FINAL_UPDATES_ONLY,
    LND_MODE,
    LND_NAME,
    LND_NETWORK,
    LND_PROXY,
    LND_TLS_SERVER_NAME,
    LND_TRANSPORT,
)
from exporter.config.macaroons import check_directory, check_macaroon, find_macaroon
from exporter.config.model import NodeConfig
from exporter.config.problems import HASH, InvalidValue, Problem
from exporter.config.raw import RawValue, RawValues, optional_value, value
from exporter.config.settings import SETTINGS
from exporter.payments.labels import Mode

SYSTEM = "system"
"""`--lnd.tls-cert=system`: trust the certificate authorities that the system trusts."""

_NOT_WHERE = ("lnd.name", "lnd.mode", "lnd.final-updates-only", "lnd.explain-no-route")
"""Settings that don't locate a node: if only these are given, there is no node."""

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


def no_node_to_ask(command: Command) -> Problem:
    """Return the same problem for a command that asks lnd: other examples, and not about the demo."""
    call = f"{PROGRAM} {command}" + f" {HASH}" * (command in OF_ONE_PAYMENT)
    return NO_NODE._replace(
        fix="Give what the exporter was given: its --lnd flags, its environment or its file.\n"
        f"On lnd's own machine:  {call} --lnd.dir ~/.lnd\n"
        f"From another one:      {call} --lnd.address HOST:10009 --lnd.tls-cert FILE --lnd.macaroon FILE\n"
        f"As an exporter does:   {call} --config.file FILE"
    )


def single_node(raw: RawValues, problems: list[Problem]) -> tuple[NodeConfig, ...]:
    """Return the node of the settings `lnd.*`, or nothing and report problems."""
    if not any(name.startswith("lnd.") and name not in _NOT_WHERE for name in raw):
        problems.append(NO_NODE)
        return ()
    node = _node(raw, "", problems)
    return (node,) if node else ()


def several_nodes(
    entries: list[tuple[str, RawValues]], problems: list[Problem], is_own: Callable[[str], bool]
) -> tuple[NodeConfig, ...]:
    """Return the nodes of the list `nodes:`. Each needs a name; a name or an address that occurs twice is a problem.

    Only the nodes whose name `is_own` are returned. The settings of the others are checked all the same, because all
    shards use the same list, but not the files that they name: these need not be on this machine.
    """
    first: dict[str, str] = {}
    nodes: list[NodeConfig] = []
    for place, raw in entries:
        if "lnd.name" not in raw:
            problems.append(Problem(place, "has no name.", "Add `name: ...`: it becomes the label `node`."))
        for given in (raw.get("lnd.name"), _address(raw, place)):
            if given and first.setdefault(given.text, given.where) != given.where:
                fix = f"Give each node its own; {first[given.text]} is the same."
                problems.append(Problem(given.where, f"{given.text} is used by two nodes.", fix))
        own = is_own(raw["lnd.name"].text if "lnd.name" in raw else "")
        node = _node(raw, place, problems, own=own)
        nodes += [node] if node and own else []
    return tuple(nodes)


def _address(raw: RawValues, place: str) -> RawValue | None:
    """Return the address as it will be used, for comparison; None if it is missing or wrong."""
    given = raw.get("lnd.address") or (RawValue(HOME, place) if "lnd.dir" in raw else None)
    transport = optional_value(raw, LND_TRANSPORT, [])
    try:
        return given._replace(text=lnd_address(given.text, transport)) if given and transport else None
    except InvalidValue:
        return None


def _node(raw: RawValues, place: str, problems: list[Problem], *, own: bool = True) -> NodeConfig | None:
    """Return one node, None with problems. `place` is the location of its entry in `nodes:`, else empty.

    Unless it is this exporter's own, the files that it names are not looked at.
    """
    before = len(problems)
    directory = raw.get("lnd.dir")
    if directory is None:
        problems += _missing(raw, place)
    elif directory.text:
        try:
            _look_at(directory.path, check_directory, own=own)
        except InvalidValue as error:  # one problem, not one for each file in it
            problems.append(error.at(directory.where))
            directory = None
    name = value(raw, LND_NAME, problems)
    transport = optional_value(raw, LND_TRANSPORT, problems)
    address = _read_address(raw, transport, problems) if transport else ""
    network = optional_value(raw, LND_NETWORK, problems) or ""
    mode = value(raw, LND_MODE, problems)
    final_only = value(raw, LND_FINAL_UPDATES_ONLY, problems)
    if final_only and mode == Mode.TRACK:
        fix = "Leave one of them out: a stream for each payment always sends all updates."
        where = raw["lnd.final-updates-only"].where
        problems.append(Problem(where, f"has no effect with --lnd.mode={Mode.TRACK}.", fix))
    explain = value(raw, LND_EXPLAIN_NO_ROUTE, problems)
    if explain and transport and transport != GRPC:
        where, fix = raw["lnd.explain-no-route"].where, f"Use --lnd.transport={GRPC}, or leave it out."
        problems.append(Problem(where, "needs gRPC: REST would put keys and invoices into URLs.", fix))
    tls_cert = _tls_cert(raw, directory, problems, own=own) if encrypted(address) else None
    server_name = optional_value(raw, LND_TLS_SERVER_NAME, problems)
    macaroon = _macaroon(raw, directory, network, problems, own=own)
    proxy = optional_value(raw, LND_PROXY, problems)
    if transport is None or macaroon is None or len(problems) > before:
        return None
    return NodeConfig(
        name, address, tls_cert, macaroon, transport, proxy, mode, bool(final_only), bool(explain), server_name
    )


def _read_address(raw: RawValues, transport: str, problems: list[Problem]) -> str:
    """Return the address; report it if it is wrong for this transport, and settings of TLS where there is none."""
    given = raw.get("lnd.address", RawValue(HOME, ""))
    if not given.text:
        return ""
    try:
        address = lnd_address(given.text, transport)
    except InvalidValue as error:
        problems.append(error.at(given.where))
        return ""
    for name in ("lnd.tls-cert", "lnd.tls-server-name"):
        of_tls = raw.get(name, RawValue("", ""))
        if of_tls.text and not encrypted(address):
            fix = f"Leave it out, or write https:// in {given.where}."
            problems.append(Problem(of_tls.where, "has no effect without TLS (http:// in the address).", fix))
    return address


def _missing(raw: RawValues, place: str) -> list[Problem]:
    """Return a problem for each setting that is needed without --lnd.dir."""
    problems = [
        Problem(f"{place}.{SETTINGS[name].key.removeprefix('lnd.')}" if place else SETTINGS[name].flag, what, fix)
        for name, (what, fix) in MISSING.items()
        if name not in raw and not (name == "lnd.tls-cert" and _is_plain(raw))
    ]
    if network := raw.get("lnd.network"):
        fix = "Add lnd's directory, or leave the network out: the macaroon already belongs to one."
        problems.append(Problem(network.where, "selects a network in --lnd.dir, which is not given.", fix))
    return problems


def _is_plain(raw: RawValues) -> bool:
    """Return True if the address turns TLS off."""
    return not encrypted(raw.get("lnd.address", RawValue("", "")).text.lower())


def _look_at(path: Path, check: Callable[[Path], None], *, own: bool) -> None:
    if own:
        check(path)


def _tls_cert(raw: RawValues, directory: RawValue | None, problems: list[Problem], *, own: bool) -> Path | None:
    """Return the checked certificate; None if the system's are trusted, or if there is a problem."""
    given = raw.get("lnd.tls-cert", directory)
    if given is None or not given.text or (given is not directory and given.text == SYSTEM):
        return None
    from exporter.config.certificate import check_certificate

    try:
        path = given.path / "tls.cert" if given is directory else given.path
        _look_at(path, check_certificate, own=own)
    except InvalidValue as error:
        problems.append(error.at(given.where))
        return None
    return path


def _macaroon(
    raw: RawValues, directory: RawValue | None, network: str, problems: list[Problem], *, own: bool
) -> Path | None:
    """Return the checked macaroon; None if it is missing or wrong."""
    given = raw.get("lnd.macaroon", directory)
    if given is None or not given.text:
        return None
    try:
        path = given.path
        if given is directory and own:
            path = find_macaroon(path, network)
        _look_at(path, check_macaroon, own=own)
    except InvalidValue as error:
        problems.append(error.at(given.where))
        return None
    return path
