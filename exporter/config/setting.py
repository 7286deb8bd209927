"""One setting: its name in three spellings, type, default, commands and help text."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from exporter.config.commands import Command

T = TypeVar("T")

ENVIRONMENT = "LND_PAYMENTS_EXPORTER_"
"""Prefix of all environment variables."""


class Setting(NamedTuple, Generic[T]):
    """A setting. Its name has three spellings: as a flag, as an environment variable and as a key of the YAML file."""

    name: str
    metavar: str
    """Placeholder for the value in `--help`; empty for a switch."""
    parse: Callable[[str], T]
    """Convert the text to the value, or raise `InvalidValue`. Paths stay text: `nodes` and `storage` open the files."""
    default: str
    """As text; empty if there is none, or if it depends on other settings."""
    commands: tuple[Command, ...]
    """The commands that use it; their `--help` lists it."""
    help: str
    several: bool = False
    """Whether it takes several values: the flag repeated, a list in the file, commas in between everywhere."""
    suggested: tuple[str, ...] = ()
    """Values that people will choose among, if `parse` accepts others, too."""

    @property
    def words(self) -> tuple[str, ...]:
        """The values that a shell can complete; empty if there is no list of them."""
        return self.suggested or getattr(self.parse, "words", ())

    @property
    def switch(self) -> bool:
        """Whether the flag needs no value: given alone it means `true`."""
        return not self.metavar

    @property
    def group(self) -> str:
        """The part of the name that is a section of the YAML file (`lnd`); `command` for settings outside the file."""
        section, dot, _ = self.name.partition(".")
        return section if dot else "command"

    @property
    def flag(self) -> str:
        """`--lnd.tls-cert`."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """`LND_PAYMENTS_EXPORTER_LND_TLS_CERT`."""
        return ENVIRONMENT + self.name.replace(".", "_").replace("-", "_").upper()

    @property
    def key(self) -> str:
        """`lnd.tls_cert`: key `tls_cert` of section `lnd`."""
        section, dot, rest = self.name.replace("-", "_").partition(".")
        return section + dot + rest.replace(".", "_")
