"""Short ways to load a configuration and to see what was wrong with it."""

import pytest

from exporter.config import Config, ConfigError, load
from exporter.config.problems import Problem


def given(line: str = "", **environ: str) -> Config:
    """The configuration of a command line, split at blanks."""
    prefixed = {f"LND_PAYMENTS_EXPORTER_{name}": text for name, text in environ.items()}
    return load(line.split(), prefixed)


def wrong(line: str = "", **environ: str) -> list[Problem]:
    """Everything that is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        given(line, **environ)
    return list(caught.value.problems)
