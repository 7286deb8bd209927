"""Runs `check --connect` in this process, and makes its output the same on every machine and at every time."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.app import client_of
from exporter.config import load
from exporter.config.addresses import GRPC
from exporter.doctor.command import examine
from exporter.simulator.server import SimulatedNode

HERE_FLAGS = ("--storage.memory", "--web.listen-address=127.0.0.1:0")
HERE = [
    "exporter",
    "ok state file none is kept: counters begin at zero at each start",
    "ok port 127.0.0.1:0 is free",
]
"""What is said of this machine with `HERE_FLAGS`."""
_DIFFERS = (
    (re.compile(r"\b\d+\.\d\d s\b"), "0.01 s"),
    (re.compile(r"less than [0-9.]+ s"), "less than 0.9 s"),
    (re.compile(r" \([A-Z_]+: .*\)$"), ""),  # what a library said, which differs between its versions
    (re.compile(r"(?<=:)\d{4,5}\b|(?<=port )\d{4,5}\b"), "PORT"),
)


class Checked(NamedTuple):
    """Exit code, and what was printed: a line for each finding, with single blanks; empty lines left out."""

    code: int
    lines: list[str]


def flags_of(node: SimulatedNode, transport: str = GRPC, host: str = "127.0.0.1", path: str = "") -> list[str]:
    """Return the flags that reach a node."""
    port = (node.address if transport == GRPC else node.rest).rpartition(":")[2]
    address = f"{'' if transport == GRPC else 'https://'}{host}:{port}{path}"
    files = [f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"]
    return [f"--lnd.transport={transport}", f"--lnd.address={address}", *files]


async def check(capsys: pytest.CaptureFixture[str], *flags: str, names: Mapping[str, str] | None = None) -> Checked:
    """Run the command. In its output each key of `names` becomes its value; ports and measurements become constants."""
    code = await examine(load(["--connect", *flags], {}, "check"), client_of)
    captured = capsys.readouterr()
    assert captured.err == ""
    return Checked(code, normal(captured.out, names or {}))


def normal(text: str, names: Mapping[str, str]) -> list[str]:
    """Return the lines of the output without what differs from run to run."""
    for key, value in names.items():
        text = text.replace(key, value)
    whole = re.sub(r"\n {23,}", " ", text)  # they are broken elsewhere if a port or a path is longer
    lines = []
    for line in filter(None, whole.splitlines()):
        joined = " ".join(line.split())
        for pattern, instead in _DIFFERS:
            joined = pattern.sub(instead, joined)
        lines.append(joined)
    return lines


def write(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content)
    return path
