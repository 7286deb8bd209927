"""Explains why the system refuses to listen on an address, and which one may work."""

import errno
import os
from pathlib import Path

from exporter.config.listen import ListenAddress
from exporter.config.problems import Problem
from exporter.config.values import MAX_PORT, OUR_PORT, join

Explanation = tuple[str, str, str]
"""What is wrong, what to do, and an address that may work."""

_TCP: dict[int | None, Explanation] = {
    errno.EADDRINUSE: (
        "is in use by another program (or another exporter).",
        "Stop that one (`ss -ltnp` shows which), or listen elsewhere",
        "{next}",
    ),
    errno.EACCES: (
        "may not be used by this user: ports below 1024 need a privilege.",
        "Choose a port above 1023",
        "{usual}",
    ),
    errno.EADDRNOTAVAIL: (
        "is not an address of this machine.",
        "Give one that is, or none to listen on all of them",
        f":{OUR_PORT}",
    ),
}
_UNIX: dict[int | None, Explanation] = {
    errno.EADDRINUSE: (
        "is in use by another program (or another exporter).",
        "Stop that one (`ss -lxp` shows which), or listen elsewhere",
        "unix:{directory}/other.sock",
    ),
    errno.EACCES: (
        "may not be created by this user.",
        "Allow the user to write to its directory, or choose another one",
        "unix:/run/lnd-payments-exporter/metrics.sock",
    ),
    errno.ENOENT: (
        "can't be created: its directory does not exist.",
        "Create {directory}, or choose another one",
        "unix:/run/lnd-payments-exporter/metrics.sock",
    ),
    errno.ENOTSOCK: (
        "is there already, and it is not a socket.",
        "It may be of use to somebody, so remove it yourself, or choose another path",
        "unix:{directory}/metrics.sock",
    ),
}


def cannot_listen(address: ListenAddress, error: OSError) -> Problem:
    """Return the problem of an address on which the system refuses to listen."""
    reason = error.strerror or error
    if address.path:
        unknown = f"can't be listened on: {reason}.", "Choose another path", "unix:{directory}/metrics.sock"
        what, fix, better = _UNIX.get(error.errno, unknown)
    else:
        unknown = f"can't be listened on: {reason}.", "Give HOST:PORT or :PORT, such as", f":{OUR_PORT}"
        what, fix, better = _TCP.get(error.errno, unknown)
    forms = {
        "next": join(address.host, address.port + 1 if address.port < MAX_PORT else OUR_PORT),
        "usual": join(address.host, OUR_PORT),
        "directory": str(Path(address.path).parent).rstrip("/"),
    }
    flag = f"--web.listen-address={better.format(**forms)}"
    if os.environ.get("MAKE_TARGET") == "run":
        flag = f"make run ARGS={flag}"
    return Problem("--web.listen-address", f"{address} {what}", f"{fix.format(**forms)}: {flag}")
