"""Takes over the listening sockets that systemd passes to a service with a .socket unit (sd_listen_fds(3))."""

import os
import socket
import stat
from collections.abc import MutableMapping

from exporter.config import ConfigError, Problem

FIRST = 3
"""The first descriptor that systemd passes: after standard input, output and error."""
FLAG = "--web.systemd-socket"
VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_SUPPORTED = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_UNIT = "Give the .socket unit ListenStream= only, with Accept=no."


def passed_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets; raises `ConfigError` if there are none, or others. Unsets the variables, for children."""
    values = {name: environ.pop(name, "") for name in VARIABLES}
    count = values["LISTEN_FDS"]
    if values["LISTEN_PID"] != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        fix = "Start the .socket unit, which starts the service; without systemd give --web.listen-address instead."
        raise ConfigError([Problem(FLAG, "systemd has passed no sockets.", fix)])
    sockets: list[socket.socket] = []
    problems: list[Problem] = []
    for number in range(FIRST, FIRST + int(count)):
        if (found := _stat(number)) is None:
            problems.append(Problem(FLAG, f"The descriptor {number} was announced, but it is not open.", _UNIT))
            break  # as are all the others
        try:
            sockets.append(_adopt(number, found))
        except _Unusable as error:
            problems.append(Problem(FLAG, f"The descriptor {number} that was passed can't be used: {error}.", _UNIT))
    if problems:
        for each in sockets:
            each.close()
        raise ConfigError(problems)
    for number in range(FIRST, FIRST + int(count)):
        os.close(number)
    return sockets


def _stat(number: int) -> os.stat_result | None:
    """Return what the descriptor is, None if it is not open."""
    try:
        return os.fstat(number)
    except (OSError, OverflowError):
        return None


class _Unusable(Exception):
    """A descriptor is not a listening stream socket."""


def _adopt(number: int, found: os.stat_result) -> socket.socket:
    if not stat.S_ISSOCK(found.st_mode):
        raise _Unusable("it is not a socket")
    passed = socket.socket(fileno=os.dup(number))  # a wrong number of them must not close what is ours
    reason = ""
    if passed.family not in _SUPPORTED:
        reason = "it is neither a TCP nor a Unix socket"
    elif passed.type != socket.SOCK_STREAM:
        reason = "it is not a stream socket"
    elif not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        reason = "it does not listen"
    if reason:
        passed.close()
        raise _Unusable(reason)
    return passed
