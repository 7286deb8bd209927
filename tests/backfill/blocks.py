"""Puts history into a real Prometheus, as docs/backfill.md says, and reads its raw samples."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.network.build import binaries
from tests.victoria.server import Server

FOREVER = "100y"
LONG_BLOCKS = "--max-block-duration=3d"
"""promtool makes queries of up to 11,000 steps; blocks of 54 hours have 6,480 of 30 seconds."""

Raw = dict[frozenset[tuple[str, str]], dict[int, float]]
"""The values of each series, by its labels without the name, and by time in milliseconds since 1970."""


def import_files(directory: Path, data: Path) -> None:
    """Make blocks of all files that `backfill` wrote, those in `later`, too."""
    for file in sorted(directory.rglob("*.om")):
        _promtool("openmetrics", str(file), str(data))


def import_rules(server: Server, groups: Sequence[Mapping[str, Any]], span_s: tuple[int, int], home: Path) -> None:
    """Make blocks of what rules would have recorded from one time to another, by queries to a running server."""
    rules = home / "rules.yml"
    rules.write_text(json.dumps({"groups": groups}))
    start, end = (f"--{name}={at_s}" for name, at_s in zip(("start", "end"), span_s, strict=True))
    _promtool("rules", start, end, f"--url={server.url}", f"--output-dir={home / 'data'}", str(rules))


def _promtool(what: str, *arguments: str) -> None:
    command = [str(binaries() / "promtool"), "tsdb", "create-blocks-from", "-q", LONG_BLOCKS, what, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def querying(home: Path) -> Server:
    """Return a Prometheus over the blocks in `home/data`; it scrapes nothing."""
    config = home / "prometheus.yml"
    config.write_text("{}")
    flags = [f"--config.file={config}", f"--storage.tsdb.path={home / 'data'}"]
    flags.append(f"--storage.tsdb.retention.time={FOREVER}")
    return Server(home, [str(binaries() / "prometheus"), *flags], "--web.listen-address", "/-/ready")


def raw(server: Server, selector: str, at_s: int) -> Raw:
    """Return all samples of the series of one name, up to a time."""
    answer = json.loads(server.get("/api/v1/query", query=f"{selector}[1y]", time=str(at_s)))
    return {
        frozenset((label, word) for label, word in one["metric"].items() if label != "__name__"): {
            round(time_s * 1000): float(value) for time_s, value in one["values"]
        }
        for one in answer["data"]["result"]
    }
