"""Describes a valid configuration, for the command `check`."""

from collections.abc import Iterator, Sequence

from exporter.config import Config, LogConfig, StorageConfig
from exporter.text import format_duration


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
    yield f"  state in {config.storage.path or 'memory only: counters begin at zero at each start'}"
    yield f"    {_list_of_ended(config.storage)}"
    for warning in storage_warnings:
        yield f"    warning: {warning}"
    pages = ", ".join(address.page(web.telemetry_path) for address in web.addresses) or "the sockets of systemd"
    without = f", without {', '.join(config.without)}" * bool(config.without)
    yield f"  metrics on {pages}, peers {config.max_peers}{without}{', reload on request' * web.enable_lifecycle}"
    yield f"  log {log.level} {log.format}: {_logged(log)}"
    if web.config_file is not None:
        open_health = ", health pages without password" * web.health_without_password
        yield f"  web: {read_web_file(web.config_file).summary}{open_health} ({web.config_file})"


def _list_of_ended(storage: StorageConfig) -> str:
    """Return what the command `ended` will find."""
    if storage.path is None or not storage.ended:
        return "no list of payments that ended"
    with_or_without = "with" if storage.ended_destinations else "without"
    return f"list of the last {storage.ended:,} payments of each node that ended, {with_or_without} who was paid"


def _logged(log: LogConfig) -> str:
    """Return which payments have lines in the log."""
    which = {"none": "", "failed": "payments that failed or were lost", "all": "payments that ended"}[log.ended]
    lines = [which] if which else []
    if not log.payment_hashes:
        return ", ".join([*lines, "no payment hashes, no warnings about single payments"])
    warnings = []
    if log.open_after_s:
        warnings.append(f"of payments in flight for {', '.join(map(format_duration, log.open_after_s))}")
    if log.blocks_left:
        warnings.append(f"of held HTLCs with fewer than {', '.join(map(str, log.blocks_left))} blocks left")
    if warnings:
        lines.append(f"warnings {', '.join(warnings)}")
    return ", ".join(lines) or "nothing of single payments, except late successes"
