"""Looks up hosts with the system's resolver, for gRPC, whose own resolver supports no mDNS, search domains or NSS."""

import asyncio
import socket
from typing import Any

import grpc

from exporter.lnd import errors, network_errors
from exporter.lnd.network_errors import CONNECT_S, no_address


async def resolve(host: str, port: int) -> str:
    """Return a gRPC target with all addresses of the host, in the system's order; raises `LndError` if it has none."""
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        text = no_address(f"no answer for {CONNECT_S:.0f} s")
        raise errors.from_status(grpc.StatusCode.UNAVAILABLE, text) from None
    except (OSError, UnicodeError) as error:
        raise network_errors.from_exception(error) from None
    return to_target([sockaddr for *_, sockaddr in found])


def to_target(addresses: list[tuple[Any, ...]]) -> str:
    """Return a gRPC target with all these addresses: IPv4 as `(ADDRESS, PORT)`, IPv6 with flow and scope.

    The addresses of a target must be of one family. So if there is an IPv6 address, IPv4 addresses are written as IPv6
    (`::ffff:`), which the kernel, or gRPC where IPv6 is off, turns back into IPv4.
    """
    if all(_is_ipv4(address) for address in addresses):
        return "ipv4:" + ",".join(f"{host}:{port}" for host, port in addresses)
    return "ipv6:" + ",".join(f"[{_as_ipv6(address)}]:{address[1]}" for address in addresses)


def _as_ipv6(address: tuple[Any, ...]) -> str:
    if _is_ipv4(address):
        return f"::ffff:{address[0]}"
    host, _, _, scope = address
    return f"{host.partition('%')[0]}%25{scope}" if scope else str(host)  # gRPC parses it as part of a URL


def _is_ipv4(address: tuple[Any, ...]) -> bool:
    return len(address) == len(("host", "port"))
