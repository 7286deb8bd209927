"""The problems of a configuration: all of them at once, each with its place and a fix."""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.redact import redact

HASH = "HASH"
"""The argument of `track` and `why`; it isn't a flag."""
NODE, FILE = "NODE", "FILE"
"""The arguments of `state export` and `state import`."""
SHELL = "SHELL"
"""The argument of `completion`."""
_ARGUMENTS = (HASH, NODE, FILE, SHELL)
NO_FLAG = "is neither a flag nor the value of one."
"""What is wrong with a word; it may be a placeholder such as HASH, copied as it stands."""


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
        if len(self.problems) == 1 and self.problems[0].where in _ARGUMENTS and self.problems[0].what != NO_FLAG:
            return f"{self.problems[0].what} {self.problems[0].fix}\n"
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        return f"{count} with the configuration\n\n" + "\n".join(map(str, self.problems))
