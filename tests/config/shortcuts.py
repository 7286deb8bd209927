"""Load a configuration from one line, or get its problems."""

import pytest

from exporter.config import Config, ConfigError, load
from exporter.config.problems import Problem


def config_of(line: str = "", **environ: str) -> Config:
    """Return the configuration of `run` with these arguments, split at blanks, and variables without their prefix."""
    prefixed = {f"LND_PAYMENTS_EXPORTER_{name}": text for name, text in environ.items()}
    return load(line.split(), prefixed)


def problems_of(line: str = "", **environ: str) -> list[Problem]:
    """Return all problems of an invalid one."""
    with pytest.raises(ConfigError) as caught:
        config_of(line, **environ)
    return list(caught.value.problems)
