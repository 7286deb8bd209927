"""The problems of a configuration: all of them at once, each with its place and a fix."""

import errno
import os
from collections.abc import Iterable
from typing import NamedTuple

from exporter.redact import redact

HASH = "HASH"
"""The argument of `track`; it isn't a flag."""
NODE, FILE = "NODE", "FILE"
"""The arguments of `state export` and `state import`."""
_ARGUMENTS = (HASH, NODE, FILE)


class Problem(NamedTuple):
    """One thing that is wrong."""

    where: str
    """A flag, an environment variable or `file:line key`."""
    what: str
    """A sentence, or the rest of one that begins with `where`."""
    fix: str

    def __str__(self) -> str:
        """Return a paragraph of the message."""
        return f"  {self.where}\n" + "".join(f"      {line}\n" for line in f"{self.what}\n{self.fix}".splitlines())


class InvalidValue(Exception):
    """A value is wrong. The caller that knows where it was given turns this into a `Problem`."""

    def __init__(self, what: str, fix: str) -> None:
        """Take what is wrong, and how to fix it."""
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def at(self, where: str) -> Problem:
        """Return the problem of a value that was given there."""
        return Problem(where, self.what, self.fix)


class ConfigError(Exception):
    """The configuration can't be used. Its text names every problem, and never contains a secret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take all problems, at least one."""
        self.problems = tuple(Problem(*map(redact, problem)) for problem in problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return the message: a paragraph for each problem, or one line if only an argument is wrong."""
        if len(self.problems) == 1 and self.problems[0].where in _ARGUMENTS:
            return f"{self.problems[0].what} {self.problems[0].fix}\n"
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        return f"{count} with the configuration\n\n" + "\n".join(map(str, self.problems))


LISTEN_ERRORS: dict[int | None, tuple[str, str, str]] = {
    errno.EADDRINUSE: (
        "is in use by another program (or another exporter).",
        "Stop that one (`ss -ltnp` shows which), or listen elsewhere",
        "{host}:{next}",
    ),
    errno.EACCES: (
        "may not be used by this user: ports below 1024 need a privilege.",
        "Choose a port above 1023",
        "{host}:10019",
    ),
    errno.EADDRNOTAVAIL: (
        "is not an address of this machine.",
        "Give one that is, or none to listen on all of them",
        ":10019",
    ),
}
"""By error of the system: what is wrong, what to do, and an address that may work."""


def cannot_listen(address: str, error: OSError) -> Problem:
    """Return the problem of an address for metrics (`web.address`) on which the system refuses to listen."""
    what, fix, better = LISTEN_ERRORS.get(
        error.errno,
        (f"can't be listened on: {error.strerror or error}.", "Give HOST:PORT or :PORT, such as", ":10019"),
    )
    host, _, port = address.rpartition(":")
    flag = f"--web.listen-address={better.format(host=host, next=int(port) + 1)}"
    if os.environ.get("MAKE_TARGET") == "run":
        flag = f"make run ARGS={flag}"
    return Problem("--web.listen-address", f"{address} {what}", f"{fix}: {flag}")
