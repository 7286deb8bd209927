"""Takes the steps of a connection to lnd one by one, so that a person can be told which one fails."""

import asyncio
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from python_socks.async_.asyncio import Proxy

from exporter.certificate import Certificate, read_der
from exporter.lnd import errors, files, network_errors, proxy_errors
from exporter.lnd.client import LndError
from exporter.lnd.proxy_errors import CONNECTION_ERRORS
from exporter.lnd.server_name import choose_server_name
from exporter.payments.labels import Interruption, NodeState

MAX_ADDRESSES = 8
"""Addresses of a host that are tried at most."""
_REFUSED = (
    "nothing listens on that port there: is lnd running, is the port right? Unless lnd.conf has `rpclisten` (for REST"
    " `restlisten`), lnd listens on localhost only, and can't be reached from another machine or container"
)
_SILENT = "is the machine on, is the address right, does a firewall on the way drop the connection?"
_NO_WAY = "this machine knows no way there: is the network or the VPN up, is the address right?"
_ADVICE = {
    errno.ECONNREFUSED: _REFUSED,
    errno.ETIMEDOUT: _SILENT,
    errno.EHOSTUNREACH: _NO_WAY,
    errno.ENETUNREACH: _NO_WAY,
}


class HostAddress(NamedTuple):
    """One address of a host, as `getaddrinfo` returns it."""

    family: int
    kind: int
    protocol: int
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """The IP address."""
        return str(self.sockaddr[0])


class Connected(NamedTuple):
    """An open TCP connection, and what became of the other addresses of the host."""

    socket: socket.socket
    ip: str
    failed: dict[str, str]
    """Other IP addresses of the host that don't answer, and why."""


class Presented(NamedTuple):
    """What a server shows in a TLS handshake. Nothing of it is verified."""

    version: str
    """Of TLS, such as `TLSv1.3`."""
    certificate: Certificate | None
    """Its own certificate; None if it can't be read."""


async def look_up(host: str, port: int, *, proxy: bool = False) -> list[HostAddress]:
    """Return the addresses of the host of lnd or of a proxy, by the system's resolver; raises `LndError`.

    The thread that asks is left behind when this is cancelled: a resolver may take minutes, and the event loop's own
    threads would hold up the end of the program.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Any]] = loop.create_future()

    def ask() -> None:
        settle: Callable[[Any], None] = found.set_result
        try:
            value: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            settle, value = found.set_exception, error
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if found.done() else settle(value))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answers = await found
    except (OSError, UnicodeError) as error:
        raise _no_proxy(str(error)) if proxy else network_errors.from_exception(error) from None
    addresses = [HostAddress(family, kind, protocol, where) for family, kind, protocol, _, where in answers]
    return list(dict.fromkeys(addresses))[:MAX_ADDRESSES]


async def connect(addresses: Sequence[HostAddress], timeout_s: float, *, proxy: bool = False) -> Connected:
    """Connect to all addresses of lnd or of a proxy at once, keep the first that answers; raises `LndError`."""
    tries = await asyncio.gather(*(_try(address, timeout_s) for address in addresses))
    opened = [
        (address.ip, each) for address, each in zip(addresses, tries, strict=True) if not isinstance(each, OSError)
    ]
    failures = [(address.ip, each) for address, each in zip(addresses, tries, strict=True) if isinstance(each, OSError)]
    for _, unused in opened[1:]:
        unused.close()
    failed = {ip: _reason(error) for ip, error in failures}
    if opened:
        return Connected(opened[0][1], opened[0][0], failed)
    ip, error = next(((ip, error) for ip, error in failures if error.errno == errno.ECONNREFUSED), failures[0])
    if proxy:
        raise _no_proxy(f"{ip}: {_reason(error)}")
    advice = _ADVICE.get(error.errno or 0) or network_errors.from_exception(error).advice
    raise LndError(Interruption.UNREACHABLE, NodeState.UNREACHABLE, f"{ip}: {_reason(error)}; {advice}")


async def _try(address: HostAddress, timeout_s: float) -> socket.socket | OSError:
    made = socket.socket(address.family, address.kind, address.protocol)
    made.setblocking(False)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(made, address.sockaddr)
    except TimeoutError as error:  # also the system's own
        made.close()
        return OSError(errno.ETIMEDOUT, error.strerror or f"no answer for {timeout_s:.0f} s")
    except OSError as error:
        made.close()
        text = os.strerror(error.errno) if error.errno else str(error)  # asyncio puts the address in front of it
        return OSError(error.errno, text[:1].lower() + text[1:])
    except BaseException:
        made.close()
        raise
    return made


def _no_proxy(why: str) -> LndError:
    return errors.from_status(grpc.StatusCode.UNAVAILABLE, f"connect to proxy: {why}")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


async def connect_through(proxy: str, host: str, port: int, timeout_s: float) -> socket.socket:
    """Let a SOCKS5 proxy (`socks5://[USER:PASSWORD@]HOST:PORT`) connect to lnd; raises `LndError`."""
    try:
        return await Proxy.from_url(proxy, rdns=True).connect(host, port, timeout=timeout_s)
    except CONNECTION_ERRORS as error:
        raise proxy_errors.from_exception(error) from None


async def shake_hands(
    connection: socket.socket, host: str, tls_cert: Path | None, server_name: str | None, protocol: str
) -> Presented:
    """Return what the server shows in a TLS handshake, whoever it is; close the connection. Raises `LndError`.

    `protocol` is offered by ALPN: `h2` for gRPC, else `http/1.1`. The server gets no macaroon and no request.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    pem, _ = await files.read_trusted(tls_cert)
    name = server_name or choose_server_name(pem, host)
    try:
        _, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname=name)
    except CONNECTION_ERRORS as error:
        raise proxy_errors.from_exception(error) from None
    except BaseException:
        connection.close()
        raise
    session = writer.get_extra_info("ssl_object")
    der, version = session.getpeercert(binary_form=True), session.version()
    writer.transport.abort()
    try:
        return Presented(version, read_der(der))
    except ValueError:
        return Presented(version, None)
