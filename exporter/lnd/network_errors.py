"""Errors of the network and of aiohttp, and the `LndError` for each; `proxy_errors` has those of a proxy as well."""

import errno
import socket
from typing import cast

import aiohttp
import grpc

from exporter.lnd import errors
from exporter.lnd.client import LndError

CONNECT_S = 25.0
"""Seconds to connect to lnd, TLS included: less than the time that lnd has for its first message."""

_HUNG_UP = (errno.EPIPE, errno.ECONNRESET)
NETWORK_ERRORS = (aiohttp.ClientError, OSError, UnicodeError)  # UnicodeError: an impossible host name
"""All that a connection without a proxy raises when the network or lnd breaks it."""


class StreamBroken(aiohttp.ClientError):
    """A stream broke; `__cause__` is the aiohttp error that broke it."""


def from_exception(error: Exception) -> LndError:
    """Return the `LndError` for one of `NETWORK_ERRORS`."""
    if isinstance(error, StreamBroken):
        error = cast("aiohttp.ClientError", error.__cause__)
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        return errors.from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "")
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    text = str(cause) or type(cause).__name__
    if isinstance(cause, (socket.gaierror, UnicodeError)):
        text = no_address(text)
    elif isinstance(error, aiohttp.ServerDisconnectedError) or getattr(cause, "errno", None) in _HUNG_UP:
        text = f"closed without an answer: {text}"
    return errors.from_status(grpc.StatusCode.UNAVAILABLE, text)


def no_address(text: str) -> str:
    """Mark a text as "the host name has no address" for `known_errors`: each C library phrases it differently."""
    return f"no address: {text}"
