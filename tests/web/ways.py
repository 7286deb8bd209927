"""The ways to reach a server: TCP or a Unix socket, with TLS or without."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from exporter.config import ListenAddress
from exporter.simulator.credentials import certificate
from exporter.web.listener import TLS, no_tls


class Way(NamedTuple):
    """One of them."""

    address: ListenAddress
    """Where the server is to listen."""
    server: TLS
    client: ssl.SSLContext | None


WAYS: Mapping[str, tuple[bool, bool]] = {
    "TCP": (False, False),
    "TLS": (False, True),
    "Unix": (True, False),
    "Unix and TLS": (True, True),
}
"""Whether it is a Unix socket, and whether it uses TLS."""


def way(name: str, home: Path) -> Way:
    """Return the way of this name; `home` is for its files."""
    unix, tls = WAYS[name]
    address = ListenAddress(path=str(home / "metrics.sock")) if unix else ListenAddress("127.0.0.1", 0)
    if not tls:
        return Way(address, no_tls, None)
    server, client = contexts(home / "certificate.pem")
    return Way(address, lambda: server, client)


def contexts(file: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with a new certificate, and of a client that trusts only this one."""
    pair = certificate()
    file.write_bytes(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pair.certificate.decode())
