"""Real receivers: Prometheus and VictoriaMetrics, and the raw samples that they have."""

import json
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.backfill.remote_request import Series
from exporter.config.clientcontext import client_context
from exporter.config.httpmodel import HttpConfig, RemoteWriteConfig
from tests.network.build import binaries, victoria
from tests.victoria.server import Server
from tests.web import certificates
from tests.web.certificates import Made

Samples = dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]
"""The samples of each series, by its labels."""


def prometheus_receiver(home: Path, window: str = "", *flags: str, on: bool = True, below: str = "") -> Server:
    """Return an empty Prometheus with its receiver, and this out-of-order window; all its paths are `below` another."""
    storage = {"storage": {"tsdb": {"out_of_order_time_window": window}}} if window else {}
    (home / "prometheus.yml").write_text(json.dumps(storage))
    given = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}", *flags]
    if on:
        given.append("--web.enable-remote-write-receiver")
    if below:
        given.append(f"--web.external-url=http://host.example{below}")
    return Server(home, [str(binaries() / "prometheus"), *given], "--web.listen-address", f"{below}/-/ready")


class SecureServer(Server):
    """A Prometheus with TLS, which wants a client certificate and a password."""

    def __init__(self, home: Path, flags: list[str], tls: ssl.SSLContext, authorization: str) -> None:
        """`authorization` is the value of the header."""
        super().__init__(home, flags, "--web.listen-address", "/-/ready")
        self.url = self.url.replace("http:", "https:")
        self._tls, self._authorization = tls, authorization

    def get(self, path: str, **query: str) -> bytes:
        """Return the answer to a request."""
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, headers={"Authorization": self._authorization})
        with urllib.request.urlopen(request, context=self._tls) as response:
            text: bytes = response.read()
        return text


def secure_prometheus(home: Path, http: HttpConfig, users: Mapping[str, str], authority: Made) -> SecureServer:
    """Return an empty Prometheus with its receiver.

    `users` have hashes of passwords; `http` is a client that it lets in. The authority signs its certificate, and those
    of clients.
    """
    made = certificates.server(authority)
    for name, content in (("server.pem", made.pem), ("server.key", made.key), ("ca.pem", authority.pem)):
        (home / name).write_bytes(content)
    tls = {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem"}
    tls["client_auth_type"] = "RequireAndVerifyClientCert"
    (home / "web.yml").write_text(json.dumps({"tls_server_config": tls, "basic_auth_users": users}))
    (home / "prometheus.yml").write_text("{}")
    flags = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
    flags += [f"--web.config.file={home / 'web.yml'}", "--web.enable-remote-write-receiver"]
    command = [str(binaries() / "prometheus"), *flags]
    return SecureServer(home, command, client_context(http.tls), dict(http.headers)["Authorization"])


def victoria_receiver(home: Path, *flags: str) -> Server:
    """Return an empty VictoriaMetrics with its defaults, or with these flags."""
    command = [str(victoria() / "victoria-metrics"), f"-storageDataPath={home / 'data'}", *flags]
    return Server(home, command, "-httpListenAddr", "/health")


def config_of(server: Server, http: HttpConfig | None = None) -> RemoteWriteConfig:
    """Return the configuration to write there."""
    return RemoteWriteConfig(f"{server.url}/api/v1/write", http or HttpConfig())


def in_prometheus(server: Server, days: int) -> Samples:
    """Return all raw samples of the last days."""
    answer = json.loads(server.get("/api/v1/query", query=f'{{__name__=~".+"}}[{days}d]'))
    return {_labels(one["metric"]): _samples(one["values"]) for one in answer["data"]["result"]}


def in_victoria(server: Server) -> Samples:
    """Return all raw samples."""
    server.get("/internal/force_flush")
    end = str(time.time() + 3600)  # its own default is the last whole second
    lines = server.get("/api/v1/export", end=end, **{"match[]": '{__name__!=""}'}).splitlines()
    found: Samples = {}
    for one in map(json.loads, lines):
        found.setdefault(_labels(one["metric"]), []).extend(zip(one["timestamps"], one["values"], strict=True))
    return {labels: sorted(samples) for labels, samples in found.items()}


def expected(series: list[Series]) -> Samples:
    """Return what a receiver has of these series."""
    found: Samples = {}
    for labels, samples in series:
        found.setdefault(labels, []).extend(samples)
    return found


def _labels(metric: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(metric.items()))


def _samples(values: list[list[Any]]) -> list[tuple[int, float]]:
    return [(round(float(at_s) * 1000), float(value)) for at_s, value in values]
