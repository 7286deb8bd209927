"""A real Prometheus scrapes over TLS with password and client certificate, and reads the same web file itself."""

import asyncio
import base64
import json
import os
import time
from pathlib import Path

import aiohttp
import bcrypt
import pytest

from exporter.web.security import WebSecurity
from tests.network.process import Program, free_port, until
from tests.patience import PATIENCE_S
from tests.stories.prometheus import Prometheus
from tests.web import certificates
from tests.web.secured import serving

SALT = bcrypt.gensalt(4)
PASSWORDS = {
    "plain": b"secret",
    "zero": b"a\0b",
    "long": b"x" * 72,
    "longer": b"y" * 100,
    "empty": b"",
    "wide": "pæss:wörd".encode(),
    "ålice": b"secret",
    "": b"nobody",
}
VERSIONS = {f"v{version}": f"${version}$" for version in ("2a", "2b", "2y", "2x", "2c", "2")}


def _hash(password: bytes) -> str:
    return bcrypt.hashpw(password[:72], SALT).decode()


def _users() -> dict[str, str]:
    versions = {name: _hash(b"secret").replace("$2b$", version, 1) for name, version in VERSIONS.items()}
    return (
        {name: _hash(password) for name, password in PASSWORDS.items()} | versions | {"tail": _hash(b"secret") + "xyz"}
    )


def _encoded(name: str, password: bytes) -> bytes:
    return base64.b64encode(name.encode() + b":" + password)


def _headers() -> list[bytes]:
    """Return values of the header `Authorization`, right and wrong ones."""
    plain = _encoded("plain", b"secret")
    return [
        *(b"Basic " + _encoded(name, password) for name, password in PASSWORDS.items()),
        *(b"Basic " + _encoded(name, b"secret") for name in (*VERSIONS, "tail", "nobody", "PLAIN")),
        *(
            b"Basic " + _encoded("plain", wrong)
            for wrong in (b"", b"Secret", b"secret\0", b"secret\n", b"secret\0secret")
        ),
        *(b"Basic " + _encoded("zero", wrong) for wrong in (b"a", b"a\0", b"a\0c", b"a\0b\0")),
        *(b"Basic " + _encoded("long", b"x" * count) for count in (71, 73, 1000)),
        *(b"Basic " + _encoded("longer", b"y" * count) for count in (71, 72, 73, 101)),
        *(b"Basic " + _encoded("empty", wrong) for wrong in (b"\0", b"\0\0", b" ")),
        b"Basic " + base64.b64encode("wide:pæss:wörd".encode("latin-1")),
        b"Basic " + base64.b64encode("ålice:secret".encode("latin-1")),
        *(
            scheme + plain
            for scheme in (b"basic ", b"BASIC ", b"Basic  ", b"Basic\t", b"Basic", b"Bearer ", b"\xc2\xa0Basic ")
        ),
        *(
            b"Basic " + wrong
            for wrong in (plain + b"=", plain[:-1], plain + b" ", plain + b" x", b"", b"=", b"====", b"\xff\xfe")
        ),
        b"Basic " + _encoded("", b"nobody").rstrip(b"="),
        b"Basic " + base64.b64encode(b"plain"),
        b"Basic " + plain.replace(b"0", b"1"),
        b"Basic " + base64.urlsafe_b64encode(b"wide:\xff\xff\xff"),
        b"",
        b"   Basic " + plain + b"   ",
    ]


async def _status(port: int, header: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + header + b"\r\n\r\n"
        )
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        return int(line.split()[1])
    finally:
        writer.close()


@pytest.mark.slow
async def test_prometheus_itself_reads_headers_and_hashes_alike(tmp_path: Path, programs: Path) -> None:
    """Its own server has the same web file and gets the same headers: every answer is the same."""
    web = tmp_path / "web.yml"
    web.write_text(json.dumps({"basic_auth_users": _users()}))
    config = tmp_path / "prometheus.yml"
    config.write_text("{}\n")
    port = free_port()
    flags = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.config.file={web}"]
    prometheus = Program(
        "prometheus", [str(programs / "prometheus"), *flags, f"--web.listen-address=127.0.0.1:{port}"], tmp_path
    )
    await prometheus.start()

    async def listens() -> bool:
        prometheus.check()
        try:
            return await _status(port, b"") == 401
        except OSError:
            return False

    try:
        await until("Prometheus listens", listens)
        async with serving(WebSecurity(web)) as ours:
            headers = _headers()
            theirs = {header: await _status(port, header) for header in headers}
            assert {header: await _status(ours, header) for header in headers} == theirs
            assert {*theirs.values()} == {200, 401}
            assert sum(status == 200 for status in theirs.values()) > len(PASSWORDS) + len(VERSIONS)
    finally:
        await prometheus.stop()


@pytest.mark.slow
async def test_prometheus_scrapes_with_password_and_client_certificate(tmp_path: Path, programs: Path) -> None:
    """Over TLS, each second; and goes on when the server's certificate is renewed."""
    authority = certificates.make("authority")
    own = certificates.make("prometheus", by=authority)
    for name, content in {
        "ca.pem": authority.pem,
        "client.pem": own.pem,
        "client.key": own.key,
        "password": b"secret",
        "web.yml": json.dumps(
            {
                "tls_server_config": {
                    "cert_file": "server.pem",
                    "key_file": "server.key",
                    "client_auth_type": "RequireAndVerifyClientCert",
                    "client_ca_file": "ca.pem",
                },
                "basic_auth_users": {"prometheus": bcrypt.hashpw(b"secret", bcrypt.gensalt(10)).decode()},
            }
        ).encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
    _serve_as(tmp_path, certificates.server(authority))
    job = {
        "scheme": "https",
        "tls_config": {name: str(tmp_path / file) for name, file in _FILES.items()},
        "basic_auth": {"username": "prometheus", "password_file": str(tmp_path / "password")},
    }
    async with serving(WebSecurity(tmp_path / "web.yml")) as port:
        prometheus = Prometheus(tmp_path / "prometheus", f"127.0.0.1:{port}", job=job)
        try:
            await prometheus.start()
            _serve_as(tmp_path, certificates.server(authority))
            await prometheus.next_scrape()
            await prometheus.next_scrape()
            assert await prometheus.scrape_errors() == []
            assert await prometheus.query("count(lnd_payments_started_total)") != []
        finally:
            await prometheus.stop()
        async with aiohttp.ClientSession() as session:  # without any of it
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://127.0.0.1:{port}/metrics")


_FILES = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}


def _serve_as(home: Path, made: certificates.Made) -> None:
    """Write certificate and key as if they had been written a while ago."""
    for name, content in (("server.pem", made.pem), ("server.key", made.key)):
        (home / name).write_bytes(content)
        os.utime(home / name, ns=(time.time_ns() - 10**9,) * 2)
