"""Flags over environment over file -> `Config`, or one error that names everything that is wrong."""

from exporter.config.load import load
from exporter.config.model import (
    Config,
    HandoverConfig,
    LogConfig,
    NodeConfig,
    OpenConfig,
    StorageConfig,
    TrackConfig,
    WebConfig,
)
from exporter.config.problems import ConfigError, Problem, cannot_listen
from exporter.config.settings import AUTO

__all__ = [
    "AUTO",
    "Config",
    "ConfigError",
    "HandoverConfig",
    "LogConfig",
    "NodeConfig",
    "OpenConfig",
    "Problem",
    "StorageConfig",
    "TrackConfig",
    "WebConfig",
    "cannot_listen",
    "load",
]
