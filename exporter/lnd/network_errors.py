"""Errors of the network, of a proxy and of aiohttp, and the `LndError` for each."""

import asyncio
import errno
import socket
from typing import cast

import aiohttp
import grpc
import python_socks
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from exporter.lnd import errors
from exporter.lnd.client import LndError

CONNECT_S = 25.0
"""Seconds to connect to lnd, TLS included: less than the time that lnd has for its first message."""

_PROXY_ERRORS = (
    ProxyError,
    ProxyConnectionError,
    ProxyTimeoutError,
    python_socks.ProxyError,  # `Tunnel` uses python_socks without aiohttp_socks, which would translate these
    python_socks.ProxyConnectionError,
    python_socks.ProxyTimeoutError,
    asyncio.IncompleteReadError,  # the proxy hung up within a message of its own
)
_HUNG_UP = (errno.EPIPE, errno.ECONNRESET)
NETWORK_ERRORS = (aiohttp.ClientError, OSError, UnicodeError, *_PROXY_ERRORS)  # UnicodeError: an impossible host name
"""All that a connection raises when the network, a proxy or lnd breaks it."""


class StreamBroken(aiohttp.ClientError):
    """A stream broke; `__cause__` is the aiohttp error that broke it."""


def from_exception(error: Exception) -> LndError:
    """Return the `LndError` for one of `NETWORK_ERRORS`."""
    if isinstance(error, StreamBroken):
        error = cast("aiohttp.ClientError", error.__cause__)
    if isinstance(error, TimeoutError) and not isinstance(error, (aiohttp.ClientError, *_PROXY_ERRORS)):
        return errors.from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "")
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    text = str(cause) or type(cause).__name__
    if isinstance(error, _PROXY_ERRORS):
        text = f"the proxy: {text}"
    elif isinstance(cause, (socket.gaierror, UnicodeError)):
        text = no_address(text)
    elif isinstance(error, aiohttp.ServerDisconnectedError) or getattr(cause, "errno", None) in _HUNG_UP:
        text = f"closed without an answer: {text}"
    return errors.from_status(grpc.StatusCode.UNAVAILABLE, text)


def no_address(text: str) -> str:
    """Mark a text as "the host name has no address" for `known_errors`: each C library phrases it differently."""
    return f"no address: {text}"
