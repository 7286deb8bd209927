"""Opens the listening sockets, TCP and Unix, and removes the files of Unix sockets at the end."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from exporter.config import ListenAddress

BACKLOG = 1024
"""Connections that may wait to be accepted."""
MODE = 0o660
"""Of a Unix socket: its group may scrape, and nobody else."""
_UNUSABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""A name such as localhost often has an IPv6 address on machines without IPv6."""

Files = list[tuple[str, os.stat_result]]
"""Paths of Unix sockets, and what was created there."""


class CannotListen(Exception):
    """Some addresses can't be listened on."""

    def __init__(self, failures: Sequence[tuple[ListenAddress, OSError]]) -> None:
        """Take all of them."""
        super().__init__(*failures)
        self.failures = failures


class ListeningSockets:
    """The open sockets and the addresses that they have."""

    def __init__(self, sockets: Sequence[socket.socket], addresses: Sequence[ListenAddress], files: Files) -> None:
        """Take open sockets."""
        self.sockets = sockets
        self.addresses = addresses
        self._files = files

    def close(self) -> None:
        """Close them, and remove the files of Unix sockets that are still the ones that were created."""
        _close(self.sockets, self._files)


def _close(sockets: Sequence[socket.socket], files: Files) -> None:
    for path, created in files:
        with suppress(OSError):
            if os.path.samestat(os.lstat(path), created):
                Path(path).unlink()
    for each in sockets:
        each.close()


def adopt(sockets: Sequence[socket.socket]) -> ListeningSockets:
    """Return sockets that somebody else has opened, and whose files he removes."""
    return ListeningSockets(sockets, [_address_of(each) for each in sockets], [])


def _address_of(listening: socket.socket) -> ListenAddress:
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return ListenAddress(path=os.fsdecode(name).replace("\0", "@") or "?")
    return ListenAddress(name[0], name[1])


async def open_sockets(addresses: Sequence[ListenAddress]) -> ListeningSockets:
    """Listen on all addresses; raises `CannotListen` with those that fail, and leaves nothing behind then."""
    sockets: list[socket.socket] = []
    bound: list[ListenAddress] = []
    files: Files = []
    failures: list[tuple[ListenAddress, OSError]] = []
    with ExitStack() as undo:
        undo.callback(lambda: _close(sockets, files))
        for address in addresses:
            try:
                if address.path:
                    sockets.append(_unix(address.path, files))
                    bound.append(address)
                else:
                    opened = await _tcp(address.host, address.port)
                    sockets += opened
                    bound.append(address._replace(port=opened[0].getsockname()[1]))
            except UnicodeError:  # a label of the name is empty or too long
                failures.append((address, OSError(errno.EINVAL, "it is not a host name")))
            except OSError as error:
                failures.append((address, error))
        if failures:
            raise CannotListen(failures)
        undo.pop_all()
    return ListeningSockets(sockets, bound, files)


async def _tcp(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of the host, all with the same port."""
    if not host:
        return [_every_address(port)]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    unusable: OSError | None = None
    with ExitStack() as undo:
        undo.callback(lambda: _close(sockets, []))
        for family, _, _, _, where in dict.fromkeys(found):
            name = (where[0], sockets[0].getsockname()[1], *where[2:]) if sockets else where
            try:
                sockets.append(socket.create_server(name, family=family, backlog=BACKLOG))
            except OSError as error:
                if error.errno not in _UNUSABLE:
                    raise
                unusable = error
        if not sockets and unusable is not None:
            raise unusable
        undo.pop_all()
    return sockets


def _every_address(port: int) -> socket.socket:
    """Return one socket for IPv4 and IPv6."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    return socket.create_server(("", port), backlog=BACKLOG)


def _unix(path: str, files: Files) -> socket.socket:
    """Return a listening Unix socket. Nobody can connect before `listen`, so its mode is right from the beginning."""
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        files.append((path, os.lstat(path)))
        Path(path).chmod(MODE)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _remove_stale(path: str) -> None:
    """Remove the socket of a process that has ended; raises `OSError` if something else is there."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)  # a full backlog is a sign of life, too
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except OSError as error:
            if error.errno == errno.EACCES:
                raise
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
