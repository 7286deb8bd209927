"""Guess which setting was meant by an unknown name."""

from collections.abc import Iterable

NAMES_ELSEWHERE = {
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
    "shards": "shard",
    "total-shards": "shard",
    "shard-index": "shard",
    "web.shard": "shard",
    "http.config.file": "http-config",
    "remotewrite.url": "remote-write",
    "remote-write.url": "remote-write",
}
"""Flags of lnd, lncli, lndmon and other exporters that people type from habit, and our setting for the same."""

SECTIONS = {
    "destinations": "It is a section of the YAML file (--config.file=FILE): docs/operations.md shows it.",
    "nodes": "It is a list in the YAML file (--config.file=FILE): --help shows it.",
}
"""What only the YAML file can hold, and where to read about it."""


def section_of_the_file(name: str) -> str | None:
    """Return what to do with a section of the file that was given as a flag or a variable; None for another name."""
    return SECTIONS.get(name.lower().strip("-").rpartition(".")[2])


def closest_setting(name: str, names: Iterable[str]) -> str | None:
    """Return the one of these names (`lnd.tls-cert`) that `name` probably means, or None.

    First the names that other programs use for a setting, then the names that look alike, then their last parts.
    """
    import difflib

    names = list(names)
    name = name.lower().strip("-").replace("_", "-")
    if NAMES_ELSEWHERE.get(name) in names:
        return NAMES_ELSEWHERE[name]
    whole = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
    by_last_part = {known.rpartition(".")[2]: known for known in names}
    part = difflib.get_close_matches(name.rpartition(".")[2], by_last_part, n=1, cutoff=0.7)
    return whole[0] if whole else by_last_part[part[0]] if part else None
