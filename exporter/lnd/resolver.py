"""Asks the system where a host is, for gRPC: its own resolver knows no mDNS, no search domains, nothing of NSS."""

import asyncio
import socket
from typing import Any

import grpc

from exporter.lnd import trouble
from exporter.lnd.line import CONNECT_S, broken, unresolved


async def target(host: str, port: int) -> str:
    """Return all addresses of the host, in the system's order, as gRPC dials them; raise `LndError` if it has none."""
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        words = unresolved(f"no answer for {CONNECT_S:.0f} s")
        raise trouble.translate(grpc.StatusCode.UNAVAILABLE, words) from None
    except (OSError, UnicodeError) as error:
        raise broken(error) from None
    return dialled([sockaddr for *_, sockaddr in found])


def dialled(addresses: list[tuple[Any, ...]]) -> str:
    """Return a target for gRPC that has all these addresses, IPv4 as `(ADDRESS, PORT)`, IPv6 with flow and scope.

    gRPC takes several addresses of one family only. So where IPv6 occurs, IPv4 is written as IPv6 (`::ffff:`), which
    the kernel, or without IPv6 gRPC, takes for what it is.
    """
    if all(_is_ipv4(address) for address in addresses):
        return "ipv4:" + ",".join(f"{host}:{port}" for host, port in addresses)
    return "ipv6:" + ",".join(f"[{_as_ipv6(address)}]:{address[1]}" for address in addresses)


def _as_ipv6(address: tuple[Any, ...]) -> str:
    if _is_ipv4(address):
        return f"::ffff:{address[0]}"
    host, _, _, scope = address
    return f"{host.partition('%')[0]}%25{scope}" if scope else str(host)  # gRPC reads it as part of a URL


def _is_ipv4(address: tuple[Any, ...]) -> bool:
    return len(address) == len(("host", "port"))
