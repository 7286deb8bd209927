"""What is wrong with a configuration: every problem at once, where it is, and what would be right."""

import errno
import os
from collections.abc import Iterable
from typing import NamedTuple

from exporter.redact import redact

HASH = "HASH"
"""What stands on the command line of `track` without a flag."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    where: str
    """A flag, an environment variable or `file:line key`."""
    what: str
    fix: str

    def __str__(self) -> str:
        """A paragraph of the message."""
        return f"  {self.where}\n" + "".join(f"      {line}\n" for line in f"{self.what}\n{self.fix}".splitlines())


class Wrong(Exception):
    """A value is wrong; whoever knows where it was given makes a `Problem` of it."""

    def __init__(self, what: str, fix: str) -> None:
        """Say what is wrong and what would be right."""
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def at(self, where: str) -> Problem:
        """The problem that this is in a certain place."""
        return Problem(where, self.what, self.fix)


class ConfigError(Exception):
    """The configuration can't be used. Its text names every problem and holds no secret, whatever was typed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take all problems, at least one."""
        self.problems = tuple(Problem(*map(redact, problem)) for problem in problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """The message for the terminal: a line for a wrong argument, else a paragraph for each problem."""
        if len(self.problems) == 1 and self.problems[0].where == HASH:
            return f"{self.problems[0].what} {self.problems[0].fix}\n"
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        return f"{count} with the configuration\n\n" + "\n".join(map(str, self.problems))


LISTEN_ERRORS: dict[int | None, tuple[str, str, str]] = {
    errno.EADDRINUSE: (
        "is in use by another program (or another exporter).",
        "Stop that one (`ss -ltnp` tells which), or listen elsewhere",
        "{host}:{next}",
    ),
    errno.EACCES: (
        "may not be used by this user: ports below 1024 need a privilege.",
        "Choose a port above 1023",
        "{host}:10019",
    ),
    errno.EADDRNOTAVAIL: (
        "is no address of this machine.",
        "Give one that is, or none to listen on all of them",
        ":10019",
    ),
}
"""What is wrong, what to do, and an address that may do."""


def cannot_listen(address: str, error: OSError) -> Problem:
    """What to say when the address for metrics (`web.address`) can't be had."""
    what, fix, better = LISTEN_ERRORS.get(
        error.errno,
        (f"can't be listened on: {error.strerror or error}.", "Give HOST:PORT or :PORT, such as", ":10019"),
    )
    host, _, port = address.rpartition(":")
    flag = f"--web.listen-address={better.format(host=host, next=int(port) + 1)}"
    if os.environ.get("MAKE_TARGET") == "run":
        flag = f"make run ARGS={flag}"
    return Problem("--web.listen-address", f"{address} {what}", f"{fix}: {flag}")
