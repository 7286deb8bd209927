"""The metrics of the exporter's process: made by the client library, and read in less time than it takes."""

import os
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_MEMORY = "/proc/self/statm"
"""Begins with the size of the memory in pages, and how many of them are resident. Linux adds up threads for `stat`."""
_FILES = "/proc/self/fd"


class Process(Collector):
    """The metrics that the client library has of a process; none where there is no `/proc`."""

    def __init__(self) -> None:
        """Let the library make them. One of them never changes: the start."""
        self._metrics = {metric.name: metric for metric in ProcessCollector(registry=None).collect()}

    def collect(self) -> Iterable[Metric]:
        """Return them with their present values; one that can't be read now keeps its last one."""
        if self._metrics:
            with suppress(OSError):  # there is no free descriptor
                for name, value in _values():
                    (sample,) = self._metrics[name].samples
                    self._metrics[name].samples = [sample._replace(value=value)]
        return self._metrics.values()


def _values() -> Iterator[tuple[str, float]]:
    yield "process_cpu_seconds", time.process_time()
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield "process_max_fds", float("inf") if most == resource.RLIM_INFINITY else float(most)
    yield "process_open_fds", float(len(os.listdir(_FILES)))  # noqa: PTH208 - a `Path` takes longer than the system
    with open(_MEMORY, "rb", buffering=0) as file:  # noqa: PTH123
        size, resident, *_ = file.read(128).split()
    yield "process_virtual_memory_bytes", float(size) * resource.getpagesize()
    yield "process_resident_memory_bytes", float(resident) * resource.getpagesize()
