"""Describes a valid configuration, for the command `check`."""

from collections import Counter
from collections.abc import Iterator, Sequence

from exporter.config import Config


def summarise(config: Config, storage_warnings: Sequence[str]) -> Iterator[str]:
    """Yield the lines that say what the exporter would do; `storage_warnings` are about the state file."""
    from exporter.config.webfile import read_web_file  # noqa: PLC0415 - most configurations have no such file

    yield "The configuration is valid (lnd was not asked)."
    if config.shard:
        own, others = len(config.nodes), config.other_nodes
        follows = f"{own} of {own + others} nodes" if own else f"none of {others} nodes: nothing is counted"
        rest = f"; {'the other' if own else 'all'} {others} belong to other shards" * bool(others)
        yield f"  shard {config.shard}: follows {follows}{rest}"
    for node in config.nodes:
        transport = f"{node.transport}{' through a proxy' if node.proxy else ''}"
        yield f"  node {node.name}: {node.address} ({transport}), {node.trust}, macaroon {node.macaroon}"
        yield f"    mode {node.mode}{', final updates only' if node.final_only else ''}"
        if node.explain_no_route:
            yield "    explains no route: its macaroon must also allow DecodePayReq and QueryRoutes"
        for warning in node.warnings:
            yield f"    warning: {warning}"
    web, log = config.web, config.log
    yield f"  state in {config.storage.path or 'memory only'}"
    for warning in storage_warnings:
        yield f"    warning: {warning}"
    pages = ", ".join(address.page(web.telemetry_path) for address in web.addresses) or "the sockets of systemd"
    without = f", without {', '.join(config.without)}" * bool(config.without)
    yield f"  metrics on {pages}, peers {config.max_peers}{without}, log {log.level} {log.format}"
    if config.destinations:
        keys = Counter(config.destinations.values())
        groups = ", ".join(f"{name} ({number} key{'s' * (number > 1)})" for name, number in keys.items())
        yield f"  destinations {groups}"
    if web.config_file is not None:
        open_health = ", health pages without password" * web.health_without_password
        yield f"  web: {read_web_file(web.config_file).summary}{open_health} ({web.config_file})"
