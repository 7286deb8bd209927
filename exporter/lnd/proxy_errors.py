"""Errors of a connection that may lead through a proxy, and the `LndError` for each."""

import asyncio

import grpc
import python_socks
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from exporter.lnd import errors, network_errors
from exporter.lnd.client import LndError

_PROXY_ERRORS = (
    ProxyError,
    ProxyConnectionError,
    ProxyTimeoutError,
    python_socks.ProxyError,  # `Tunnel` uses python_socks without aiohttp_socks, which would translate these
    python_socks.ProxyConnectionError,
    python_socks.ProxyTimeoutError,
    asyncio.IncompleteReadError,  # the proxy hung up within a message of its own
)
CONNECTION_ERRORS = (*network_errors.NETWORK_ERRORS, *_PROXY_ERRORS)
"""All that a connection raises when the network, a proxy or lnd breaks it."""


def from_exception(error: Exception) -> LndError:
    """Return the `LndError` for one of `CONNECTION_ERRORS`."""
    if isinstance(error, _PROXY_ERRORS):
        text = f"the proxy: {str(error) or type(error).__name__}"
        return errors.from_status(grpc.StatusCode.UNAVAILABLE, text)
    return network_errors.from_exception(error)
