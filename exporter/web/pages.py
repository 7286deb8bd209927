"""Which page a request gets: all nodes, chosen ones, or the exporter alone; and the list of them for Prometheus."""

import ipaddress
import re
from collections.abc import Iterable, Sequence

from aiohttp import hdrs

from exporter.payments.view import View
from exporter.text import sanitize
from exporter.web import aiohttp_web as web

SERVICE_DISCOVERY = "/sd"
NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(
    r"(?P<host>\[(?P<v6>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?)(?::(?P<port>[0-9]{1,5}))?"
)
_LAST_PORT = 0xFFFF
_LONGEST_NAME = 64
"""Characters of an unknown name that an error repeats; no node has a longer one."""


def exporter_path(telemetry_path: str) -> str:
    """Return the path of the page of the exporter alone."""
    return f"{telemetry_path.rstrip('/')}/exporter"


class UnknownNode(Exception):
    """A page was requested for nodes that there are not; its text names them and where the right names are."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names, which may be anything: they are shortened, and nothing in them is shown as it is."""
        shown = [
            repr(sanitize(name[:_LONGEST_NAME])) + ("..." if len(name) > _LONGEST_NAME else "") for name in names[:3]
        ]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        super().__init__(
            f"no node is called {', '.join(shown)}{more}. {SERVICE_DISCOVERY} lists the names of all nodes."
        )


def chosen(views: Sequence[View], names: Sequence[str] | None) -> Sequence[View]:
    """Return the views of these nodes; None: of all. Raises `UnknownNode`."""
    if names is None:
        return tuple(views)
    by_name = {view.node: view for view in views}
    if unknown := [name for name in names if name not in by_name]:
        raise UnknownNode(unknown)
    return tuple(by_name[name] for name in names)


def targets(request: web.Request, nodes: Iterable[str], telemetry_path: str) -> web.Response:
    """Return the targets for Prometheus' HTTP service discovery: one for each node, and one for the exporter itself.

    Their address is the one of this request, so that Prometheus reaches them as it reached this list. Raises 400 if
    the request names none. The label `exporter` is the same for all, and `instance` is another one for each.
    """
    address = _address(request)

    def target(instance: str, path: str, node: str | None = None) -> dict[str, Sequence[str] | dict[str, str]]:
        labels = {"__scheme__": request.scheme, "__metrics_path__": path, "exporter": address, "instance": instance}
        return {"targets": [address], "labels": labels | ({} if node is None else {"__param_node": node})}

    pages = [target(f"{address}/{node}", telemetry_path, node) for node in nodes]
    return web.json_response([*pages, target(address, exporter_path(telemetry_path))], headers=NO_SNIFFING)


def _address(request: web.Request) -> str:
    """Return HOST:PORT of the request's Host header; the port may be missing there if it is the scheme's own."""
    given = request.headers.getall(hdrs.HOST, [])
    found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    if found is not None and _is_address(found["v6"]):
        port = int(found["port"] or _DEFAULT_PORTS[request.scheme])
        if 0 < port <= _LAST_PORT:
            return f"{found['host']}:{port}"
    text = "400: the targets are made from the header Host: it must be one HOST or HOST:PORT, as clients send it.\n"
    raise web.HTTPBadRequest(text=text, headers=NO_SNIFFING)


def _is_address(v6: str | None) -> bool:
    try:
        return v6 is None or bool(ipaddress.IPv6Address(v6))
    except ValueError:
        return False
