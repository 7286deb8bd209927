"""The metrics of the process are those of the client library."""

import os
import resource
from collections.abc import Iterable

import pytest
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from exporter.metrics import process
from exporter.metrics.process import Process

NEAR = {"process_cpu_seconds": 1.0, "process_virtual_memory_bytes": 1e8, "process_resident_memory_bytes": 1e8}
"""How much values may change from one reading to the next; all others not at all."""


def by_name(metrics: Iterable[Metric]) -> dict[str, tuple[str, str, list[str]]]:
    """Return what is fixed of the metrics."""
    return {each.name: (each.type, each.documentation, [sample.name for sample in each.samples]) for each in metrics}


def values(metrics: Iterable[Metric]) -> dict[str, float]:
    """Return the values by metric."""
    return {metric.name: sample.value for metric in metrics for sample in metric.samples}


def test_they_are_those_of_the_library() -> None:
    """Names, types and help are the same, in the same order; values, too, when both are read one after the other."""
    ours, theirs = Process(), ProcessCollector(registry=None)
    for _ in range(2):
        assert [*by_name(ours.collect()).items()] == [*by_name(theirs.collect()).items()]
        found = values(ours.collect())
        for name, value in values(theirs.collect()).items():
            assert found[name] == pytest.approx(value, rel=0, abs=NEAR.get(name, 0)), name


def test_values_are_the_present_ones() -> None:
    """Files that were opened, memory that was taken and time that was used since the last page are seen."""
    measured = Process()
    before = values(measured.collect())
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    memory = bytearray(b"x" * 50_000_000)
    sum(range(200_000))
    after = values(measured.collect())
    for each in files:
        os.close(each)
    assert after["process_open_fds"] == before["process_open_fds"] + 3
    assert after["process_resident_memory_bytes"] > before["process_resident_memory_bytes"] + len(memory) / 2
    assert after["process_virtual_memory_bytes"] > before["process_virtual_memory_bytes"]
    assert after["process_cpu_seconds"] > before["process_cpu_seconds"]
    assert after["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_without_a_limit_of_files_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative one would be taken for a limit that is used up."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert values(Process().collect())["process_max_fds"] == float("inf")


def test_values_that_can_not_be_read_keep_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is shown nevertheless: all descriptors may be in use."""
    measured = Process()
    before = values(measured.collect())
    monkeypatch.setattr(process, "_MEMORY", "/proc/nobody/statm")
    after = values(measured.collect())
    assert after["process_resident_memory_bytes"] == before["process_resident_memory_bytes"]
    assert after["process_cpu_seconds"] > before["process_cpu_seconds"]


def test_without_proc_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library does it on other systems."""
    monkeypatch.setattr(
        process, "ProcessCollector", lambda registry: ProcessCollector(proc="/nowhere", registry=registry)
    )
    assert not [*Process().collect()]
