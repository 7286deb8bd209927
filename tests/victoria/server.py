"""Prometheus and VictoriaMetrics as servers that only answer queries: both have the same HTTP API for them."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.network.build import binaries, victoria
from tests.network.process import NotReady, free_port
from tests.patience import PATIENCE_S

Answer = dict[frozenset[tuple[str, str]], float]
"""The value of each series of an instant query, by its labels."""


class Server:
    """A server that runs inside a `with`. It scrapes nothing, and evaluates no rules."""

    def __init__(self, home: Path, command: list[str], listen: str, ready: str) -> None:
        """Prepare. `listen` is the flag for the address; `ready` is the path that answers once data can be queried."""
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self._home, self._ready = home, ready
        self._command = [*command, f"{listen}={address}"]

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self._process.kill()
                raise NotReady((self._home / "log").read_text())
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            self.get(self._ready)
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()

    def get(self, path: str, **query: str) -> bytes:
        """Return the answer to a request."""
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}") as response:
            text: bytes = response.read()
        return text

    def write(self, openmetrics: str) -> None:
        """Write samples into VictoriaMetrics, and return when they can be queried."""
        request = urllib.request.Request(f"{self.url}/api/v1/import/prometheus", openmetrics.encode())
        with urllib.request.urlopen(request):
            self.get("/internal/force_flush")

    def query(self, expr: str, at_s: int) -> Answer:
        """Return the answer to an instant query, without names of metrics. Raises ValueError if it is an error."""
        try:
            answer: dict[str, Any] = json.loads(self.get("/api/v1/query", query=expr, time=str(at_s)))
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error
        result: list[dict[str, Any]] = answer["data"]["result"]
        return {
            frozenset((label, word) for label, word in one["metric"].items() if label != "__name__"): float(
                one["value"][1]
            )
            for one in result
        }


def victoria_metrics(home: Path) -> Server:
    """Return an empty VictoriaMetrics with its defaults, except that it accepts samples of long ago, in any order."""
    flags = [f"-storageDataPath={home / 'data'}", "-retentionPeriod=100y", "-search.disableCache"]
    return Server(home, [str(victoria() / "victoria-metrics"), *flags], "-httpListenAddr", "/health")


def prometheus(home: Path, openmetrics: str) -> Server:
    """Return a Prometheus that has these samples."""
    (home / "samples").write_text(openmetrics)
    create = [str(binaries() / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q"]
    subprocess.run([*create, str(home / "samples"), str(home / "data")], check=True, capture_output=True)
    (home / "prometheus.yml").write_text("{}")
    flags = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
    flags.append("--storage.tsdb.retention.time=100y")
    return Server(home, [str(binaries() / "prometheus"), *flags], "--web.listen-address", "/-/ready")
