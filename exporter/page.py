"""The data of one page: copies of all nodes, each of one instant, and the state of the exporter itself."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from exporter.payments.labels import Reset
from exporter.payments.view import View


class ReloadStatus(NamedTuple):
    """How the configuration was loaded last, at the start or by a reload."""

    success_s: float
    """When it was last loaded successfully, seconds since 1970."""
    successful: bool = True


class ExporterStatus(NamedTuple):
    """The state of the exporter itself."""

    checkpoint_s: float | None = None
    """When the state on disk last matched the page, seconds since 1970; None if nothing is stored."""
    checkpoint_failures: int = 0
    """Writes and audit reads of the state file that failed or took too long, since the process started."""
    state_resets: Mapping[Reset, int] = MappingProxyType(dict.fromkeys(Reset, 0))
    reload: ReloadStatus = ReloadStatus(0.0)


class PageData(NamedTuple):
    """Everything that one page shows."""

    views: Sequence[View]
    """One per node. Nothing changes them any more."""
    exporter: ExporterStatus = ExporterStatus()
