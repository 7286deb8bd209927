"""Parse the address of lnd, of a proxy and of a remote-write receiver into the forms that the clients take."""

import re
from urllib.parse import urlsplit

from exporter.config.problems import InvalidValue
from exporter.config.values import PATH, join, port_of, split

GRPC, REST, WEBSOCKET = "grpc", "rest", "websocket"
TRANSPORTS = (GRPC, REST, WEBSOCKET)
"""`rest` and `websocket` differ only in streams: chunked answers of HTTP, or a WebSocket each."""

GRPC_PORT, REST_PORT = 10009, 8080
USUAL_GRPC = f"lnd's gRPC port is usually {GRPC_PORT} ({REST_PORT} is REST: --lnd.transport=rest)"
USUAL_REST = f"lnd's REST port is usually {REST_PORT} ({GRPC_PORT} is gRPC: --lnd.transport=grpc)"
HOME = "localhost"
TOR = "socks5://127.0.0.1:9050"

PRIVATE = re.compile(r"localhost|127\..*|::1|.*\.onion")
"""Hosts to which a connection without TLS is private: this machine, and onion services, which Tor encrypts."""

_PLAIN, _TLS = "http", "https"
_TARGET = re.compile(r"(?!/?(?:\?|$))/[\w.~%!$&'()*+,;=:@/-]*(?:\?[\w.~%!$&'()*+,;=:@/?-]*)?", re.ASCII)
"""Path and query of a URL; the path is more than `/`."""
_PROXY = re.compile(r"socks5h?://(?:(?P<user>[^/@\s]*)@)?(?P<at>[^/@\s]+)/?")


def lnd_address(given: str, transport: str) -> str:
    """Return `HOST:PORT` for gRPC (IPv6 in brackets), for the others a URL without a slash at its end.

    The default of the port is lnd's usual one, that of the scheme `https`. Raises `InvalidValue`.
    """
    if "@" in given:
        raise InvalidValue("The address has a user name in it.", "lnd has no users: leave out everything up to the @.")
    if transport == GRPC:
        return _host_port(given, GRPC_PORT, note=f"; {USUAL_GRPC}")
    before, found, rest = given.partition("://")
    scheme, rest = (before.lower(), rest) if found else (_TLS, given)
    if scheme not in {_TLS, _PLAIN}:
        raise InvalidValue(f"{given} has {scheme}:// in front.", "Write https:// or nothing, or http:// for no TLS.")
    authority, slash, path = rest.partition("/")
    if path and not PATH.fullmatch(slash + path):
        raise InvalidValue(
            f"{slash}{path} in {given} is not a path.",
            "Give the one that a reverse proxy expects, such as /lnd, or none.",
        )
    return f"{scheme}://{_host_port(authority, REST_PORT)}{slash}{path}".rstrip("/")


def _host_port(given: str, usual: int, note: str = "") -> str:
    host, port = split(given, usual, example=f"node.example:{usual}", note=note)
    if not host:
        raise InvalidValue(f"{given} has no host.", f"Give HOST:PORT, such as localhost:{usual}.")
    return join(host, port_of(given, port, least=1) if port is not None else usual)


def encrypted(address: str) -> bool:
    """Return whether the connection to this address uses TLS: all but `http://` do."""
    return not address.startswith(f"{_PLAIN}://")


def host_and_port(address: str) -> tuple[str, int]:
    """Return host (IPv6 without brackets) and port of an address that `lnd_address` returned."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    return parts.hostname or "", parts.port or 0


def proxy(given: str) -> str:
    """Return `socks5://[USER:PASSWORD@]HOST:PORT`; raises `InvalidValue`, which never quotes a password."""
    right = f"Give socks5://HOST:PORT, with USER:PASSWORD@ before HOST if it needs them. Tor's is usually {TOR}"
    match = _PROXY.fullmatch(given if "://" in given else f"socks5://{given}")
    if not match:
        raise InvalidValue("This is not a SOCKS5 proxy.", right)
    user = match["user"]
    if user is not None and not re.fullmatch("[^:]+:[^:]+", user):
        raise InvalidValue("The proxy has a user without a password, or a password without a user.", right)
    host, port = split(match["at"], int(TOR.rpartition(":")[2]), example="127.0.0.1:9050")
    if not host or port is None:
        raise InvalidValue(f"{match['at']} has no {'port' if host else 'host'}.", right)
    return f"socks5://{user + '@' if user else ''}{join(host, port_of(given, port, least=1))}"


def receiver_url(given: str) -> str:
    """Return the URL of a remote-write receiver; raises `InvalidValue`, which never quotes a password.

    Without a port there is none in it. A query is kept: some receivers take labels or a token by it.
    """
    example = "Give a URL, such as https://HOST/api/v1/write (Prometheus, VictoriaMetrics) or /api/v1/push (Mimir)."
    scheme, found, rest = given.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in (authority if found else given):
        fix = "Write it into a file (basic_auth: username, password_file), and name that: --http-config=FILE"
        raise InvalidValue("The URL has a user name or a password in it.", fix)
    scheme, target = scheme.lower(), rest[len(authority) :]
    if not found or scheme not in {_TLS, _PLAIN}:
        raise InvalidValue(f"{given.partition('?')[0]!r} is not a URL of a receiver.", example)
    if not _TARGET.fullmatch(target):
        what = "has no path" if target in ("", "/") else "has a path or a query that isn't one"
        raise InvalidValue(f"{scheme}://{authority} {what}.", example)
    host, port = split(authority, 9090, example="prometheus.example:9090")
    if not host:
        raise InvalidValue(f"{scheme}://{authority} has no host.", example)
    place = join(host, port_of(authority, port, least=1)) if port is not None else f"[{host}]" if ":" in host else host
    return f"{scheme}://{place}{target}"
