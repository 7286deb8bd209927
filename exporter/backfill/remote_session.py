"""HTTP connections to a remote-write receiver."""

from typing import Any

import aiohttp

from exporter import __version__
from exporter.config.addresses import encrypted
from exporter.config.clientcontext import client_context
from exporter.config.httpmodel import RemoteWriteConfig

NETWORK_ERRORS = (aiohttp.ClientError, OSError, UnicodeError)  # UnicodeError: an impossible host name
"""All that a request raises when the network or the receiver breaks it."""


def open_session(config: RemoteWriteConfig, timeout_s: float) -> aiohttp.ClientSession:
    """Return a session that sends what the receiver wants to see; an exchange may take `timeout_s`.

    Needs a running event loop. Raises `InvalidValue` if OpenSSL doesn't take the TLS settings.
    """
    connector = aiohttp.TCPConnector(
        ssl=client_context(config.http.tls) if encrypted(config.url) else True,
        resolver=aiohttp.ThreadedResolver(),  # the system's, even if aiodns is installed
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=[
            *config.http.headers,
            ("User-Agent", f"lnd-payments-exporter/{__version__}"),
            ("Accept-Encoding", "identity"),
        ],
        timeout=aiohttp.ClientTimeout(total=timeout_s),
    )


def options(config: RemoteWriteConfig) -> dict[str, Any]:
    """Return the arguments of each request of the session."""
    return {
        "allow_redirects": False,  # the password would be sent there
        "server_hostname": config.http.tls.server_name if encrypted(config.url) else None,
    }


async def read_some(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body, or the beginning of it if it has more than so many bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= most:
            break
    return bytes(body[:most])
