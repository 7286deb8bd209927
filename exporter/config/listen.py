"""The addresses on which metrics are served: TCP ports and Unix sockets."""

import os
import sys
from typing import NamedTuple

from exporter.config.problems import InvalidValue
from exporter.config.values import OUR_PORT, UNPRINTABLE, join, port_of, split

UNIX = "unix:"
"""The beginning of the address of a Unix socket."""
LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes of a Unix socket's path: the system's structure for it has one more, for a zero."""
_EVERY = ("", "0.0.0.0", "::")  # noqa: S104 - to recognise them


class ListenAddress(NamedTuple):
    """A TCP port, or a Unix socket."""

    host: str = ""
    """Empty: every address of the machine. IPv6 without brackets."""
    port: int = 0
    """0: any free one."""
    path: str = ""
    """Of a Unix socket, absolute; empty for TCP."""

    def __str__(self) -> str:
        """Return `HOST:PORT` or `unix:/PATH`, as it is given and shown."""
        return f"{UNIX}{self.path}" if self.path else join(self.host, self.port)

    def page(self, path: str) -> str:
        """Return the address of a page for people: `HOST:PORT/PATH`, or `unix:/SOCKET:/PATH`."""
        return f"{self}{':' if self.path else ''}{path}"


def listen_addresses(given: str) -> tuple[ListenAddress, ...]:
    """Return the addresses of a text with commas in between; raises `InvalidValue`."""
    addresses: list[ListenAddress] = []
    for text in given.split(","):
        address = _address(text.strip())
        for other in addresses:
            if address == other:
                raise InvalidValue(f"{address} is given twice.", "Leave one of them out.")
            if _overlap(address, other):
                raise InvalidValue(
                    f"{other} and {address} overlap: the same port on every address and on one of them.",
                    "Leave one of them out, or choose another port.",
                )
        addresses.append(address)
    return tuple(addresses)


def _address(given: str) -> ListenAddress:
    if not given:
        raise InvalidValue("There is an empty address.", f"Give HOST:PORT with commas in between, such as :{OUR_PORT}")
    if given.startswith(UNIX):
        return ListenAddress(path=_socket_path(given.removeprefix(UNIX)))
    if given.startswith("/"):
        raise InvalidValue(f"{given} is not an address.", f"For a Unix socket write {UNIX}{given}")
    if given.isdigit():
        raise InvalidValue(
            f"{given} is not an address.", f"With a colon in front it is a port on every address: :{given}"
        )
    host, port = split(given, OUR_PORT, example=f":{OUR_PORT} or 127.0.0.1:{OUR_PORT}")
    if port is None:
        raise InvalidValue(f"{given} has no port.", f"Add one, such as {join(host, OUR_PORT)}")
    return ListenAddress(host.lower(), port_of(given, port, least=0))


def _socket_path(path: str) -> str:
    if UNPRINTABLE.search(path):
        raise InvalidValue(f"{path!a} has characters that can't be shown.", "Give a path that is UTF-8 text.")
    if not path.startswith("/") or path.endswith("/"):
        example = f"{UNIX}/run/lnd-payments-exporter/metrics.sock"
        raise InvalidValue(f"{UNIX}{path} has no absolute path of a socket.", f"Give one, such as {example}")
    normal = os.path.normpath("/" + path.lstrip("/"))
    if (length := len(os.fsencode(normal))) > LONGEST_PATH:
        raise InvalidValue(
            f"{UNIX}{normal} is too long: its path has {length} bytes.",
            f"The system allows {LONGEST_PATH}: choose a shorter one.",
        )
    return normal


def _overlap(one: ListenAddress, other: ListenAddress) -> bool:
    """Return whether the system would refuse the second of two, because the first includes it."""
    if one.path or other.path or one.port != other.port or one.port == 0:
        return False
    if "" in (one.host, other.host):
        return True
    every = {one.host, other.host} & {*_EVERY}
    return bool(every) and (":" in one.host) == (":" in other.host)
