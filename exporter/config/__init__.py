"""Flags over environment over file -> `Config`, or one error that names everything that is wrong."""

from exporter.config.listen import ListenAddress
from exporter.config.listen_errors import cannot_listen
from exporter.config.lnd_settings import AUTO
from exporter.config.load import load
from exporter.config.model import (
    CheckConfig,
    Config,
    HandoverConfig,
    LogConfig,
    NodeConfig,
    OpenConfig,
    StorageConfig,
    TrackConfig,
    WebConfig,
)
from exporter.config.problems import ConfigError, Problem

__all__ = [
    "AUTO",
    "CheckConfig",
    "Config",
    "ConfigError",
    "HandoverConfig",
    "ListenAddress",
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
