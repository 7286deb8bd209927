"""The web file in force: who gets an answer, with a real client over real sockets."""

import asyncio
import base64
import logging
import os
import random
import ssl
import time
from pathlib import Path

import aiohttp
import bcrypt
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from exporter.config import ConfigError
from exporter.config.webfile import WebFileError
from exporter.config.webmodel import WebFile
from exporter.web.security import WebSecurity
from exporter.web.watchedfile import WatchedFile, _signature
from tests.patience import PATIENCE_S
from tests.web import certificates
from tests.web.secured import Answer, client, request, serving
from tests.web.test_passwords import basic

ALICE = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
PATHS = ("/metrics", "/", "/-/healthy", "/-/ready", "/nothing")
AUTHORIZED = {"Authorization": basic("alice", "secret")}


class Site:
    """A web file, and the files that it names."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "web.yml"
        self.authority = certificates.make("authority")

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file as if it had been written a while ago, so that it counts as settled."""
        path = self.home / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._times = getattr(self, "_times", time.time_ns() - 3600 * 10**9) + 10**9
        os.utime(path, ns=(self._times, self._times))

    def serve_as(self, made: certificates.Made) -> None:
        """Write a certificate and its key."""
        self.write("server.pem", made.pem)
        self.write("server.key", made.key)

    def with_tls(self, settings: str = "") -> None:
        """Write a web file with TLS, and a new certificate."""
        self.serve_as(certificates.server(self.authority))
        self.write("ca.pem", self.authority.pem)
        self.write("web.yml", f"tls_server_config: {{cert_file: server.pem, key_file: server.key{settings}}}\n")

    def client(self, own: certificates.Made | None = None) -> ssl.SSLContext:
        """Return the context of a client."""
        return client(self.home, self.authority, own)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a place for a web file."""
    return Site(tmp_path)


async def _statuses(port: int, headers: dict[str, str] | None = None) -> dict[str, int]:
    return {path: (await request(port, path, headers=headers)).status for path in PATHS}


async def test_without_a_file_everybody_gets_everything() -> None:
    """As before."""
    async with serving(WebSecurity(None)) as port:
        assert await _statuses(port) == dict(zip(PATHS, (200, 200, 200, 200, 404), strict=True))


async def test_password(site: Site) -> None:
    """Needed for each page, also for one that doesn't exist. The answer without one says what is needed."""
    site.write("web.yml", f"basic_auth_users: {{alice: {ALICE}}}\n")
    async with serving(WebSecurity(site.path)) as port:
        assert await _statuses(port) == dict.fromkeys(PATHS, 401)
        assert await _statuses(port, {"Authorization": basic("alice", "wrong")}) == dict.fromkeys(PATHS, 401)
        assert await _statuses(port, AUTHORIZED) == dict(zip(PATHS, (200, 200, 200, 200, 404), strict=True))
        refused = await request(port)
        head = await request(port, "/metrics", method="HEAD")
        post = await request(port, "/metrics", method="POST")
    assert (refused.headers["WWW-Authenticate"], refused.body) == ("Basic", b"401: Unauthorized")
    assert (head.status, post.status) == (401, 401)


async def test_health_without_password(site: Site) -> None:
    """Exactly the two health pages are free then."""
    site.write("web.yml", f"basic_auth_users: {{alice: {ALICE}}}\n")
    others = ("/-/ready/", "/-/", "/-/reload", "//-/ready", "/-/ready%2f..%2f..%2fmetrics", "/-/../metrics")
    async with serving(WebSecurity(site.path, health_without_password=True)) as port:
        assert await _statuses(port) == dict(zip(PATHS, (401, 401, 200, 200, 401), strict=True))
        assert {path: (await request(port, path)).status for path in others} == dict.fromkeys(others, 401)
        assert (await request(port, "/-/ready?x=1")).status == 200


async def test_headers_are_on_every_answer(site: Site) -> None:
    """Also on refusals and errors; one of the file replaces the page's own, an empty one is left out."""
    site.write(
        "web.yml",
        f"""\
basic_auth_users: {{alice: {ALICE}}}
http_server_config:
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
    X-XSS-Protection: ""
    Content-Security-Policy: |
      default-src 'self';
      object-src 'none'
""",
    )
    async with serving(WebSecurity(site.path)) as port:
        answers = [await request(port, path, headers=headers) for path in PATHS for headers in ({}, AUTHORIZED)]
    assert {answer.status for answer in answers} == {200, 401, 404}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


HEADERS = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Frame-Options": "deny",
    "X-XSS-Protection": None,
    "Content-Security-Policy": "default-src 'self'; object-src 'none'",
}


async def test_rate_limit(site: Site) -> None:
    """So many at once, then one for each interval; before the password, so wrong ones count, too."""
    site.write("web.yml", f"rate_limit: {{interval: 10s, burst: 3}}\nbasic_auth_users: {{alice: {ALICE}}}\n")
    now = [100.0]
    async with serving(WebSecurity(site.path, clock=lambda: now[0])) as port:

        async def statuses(count: int) -> list[int]:
            return [(await request(port, headers=headers)).status for headers in [AUTHORIZED, None, AUTHORIZED][:count]]

        assert await statuses(3) == [200, 401, 200]
        assert await statuses(3) == [429, 429, 429]
        now[0] += 9.5
        assert await statuses(1) == [429]
        now[0] += 0.5
        assert await statuses(2) == [200, 429]
        now[0] += 1000
        assert await statuses(3) == [200, 401, 200]
        assert await statuses(1) == [429]
        site.write("web.yml", f"rate_limit: {{interval: 10s, burst: 1}}\nbasic_auth_users: {{alice: {ALICE}}}\n")
        assert await statuses(2) == [200, 429]


async def test_client_certificates(site: Site) -> None:
    """Whoever has none, or one of another authority, is not even heard."""
    site.with_tls(", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert")
    stranger = certificates.make("client", by=certificates.make("another authority"))
    async with serving(WebSecurity(site.path)) as port:
        known = certificates.make("client", by=site.authority)
        assert (await request(port, tls=site.client(known))).status == 200
        for context in (site.client(), site.client(stranger)):
            with pytest.raises(aiohttp.ClientError):
                await request(port, tls=context)
        with pytest.raises(aiohttp.ClientError):
            await request(port)


async def test_optional_client_certificates(site: Site) -> None:
    """A client without one is answered, one with a wrong one isn't."""
    site.with_tls(", client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven")
    stranger = certificates.make("client", by=certificates.make("another authority"))
    async with serving(WebSecurity(site.path)) as port:
        assert (await request(port, tls=site.client())).status == 200
        with pytest.raises(aiohttp.ClientError):
            await request(port, tls=site.client(stranger))


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (x509.DNSName("scraper.example"), 200),
        (x509.RFC822Name("me@example.org"), 200),
        (x509.UniformResourceIdentifier("spiffe://cluster/prometheus"), 200),
        (x509.DNSName("other.example"), 403),
        (x509.DNSName("Scraper.example"), 403),
        (x509.RFC822Name("scraper.example"), 200),
        (None, 403),
    ],
)
async def test_allowed_names(site: Site, name: x509.GeneralName | None, status: int) -> None:
    """One of the certificate's alternative names must be on the list, whatever its kind."""
    sans = "scraper.example, me@example.org, 'spiffe://cluster/prometheus'"
    site.with_tls(
        f", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [{sans}]"
    )
    own = certificates.make("client", *([name] if name else []), by=site.authority)
    async with serving(WebSecurity(site.path)) as port:
        assert (await request(port, tls=site.client(own))).status == status


async def test_a_renewed_certificate_is_taken_at_the_next_handshake(site: Site) -> None:
    """A connection that exists goes on. While certificate and key don't match, the old ones are served."""
    site.with_tls()
    new_authority = certificates.make("new authority")
    renewed = certificates.server(new_authority)
    async with serving(WebSecurity(site.path)) as port:
        old = site.client()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as kept:
            url = f"https://127.0.0.1:{port}/-/ready"
            assert (await kept.get(url, ssl=old)).status == 200
            with capture_logs() as logs:
                site.write("server.pem", renewed.pem)
                assert (await request(port, tls=old)).status == 200
                assert (await request(port, tls=old)).status == 200
                site.write("server.key", renewed.key)
                assert (await request(port, tls=client(site.home, new_authority))).status == 200
                with pytest.raises(aiohttp.ClientError):
                    await request(port, tls=old)
            assert (await kept.get(url, ssl=old)).status == 200
    reason = f"{site.path}:1 tls_server_config.cert_file: The certificate is not made for this key."
    assert [(log["log_level"], log["event"], log.get("reason")) for log in logs] == [
        ("error", "the web configuration can't be used: the last good one stays in force", reason),
        ("info", "the web configuration can be used again", None),
    ]


BROKEN: dict[str, tuple[str | None, str]] = {
    "no YAML": ("basic_auth_users: [", "is not valid YAML: line 1, column 20"),
    "no hash": ("basic_auth_users: {alice: hunter2}", "is not a bcrypt hash"),
    "removed": (None, "does not exist"),
    "emptied": ("", "it takes away passwords"),
    "the wrong file": ("x: [" + "a," * 400_000 + "]", "is larger than 64 KiB"),
    "a half of it": ("http_server_config:\n  headers: {}\n", "it takes away passwords"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_file_changes_nothing(site: Site, content: str | None, reason: str) -> None:
    """It is logged once, without any secret; and told when the file is good again. A new password holds at once."""
    site.write("web.yml", f"basic_auth_users: {{alice: {ALICE}}}\n")
    bob = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()
    security = WebSecurity(site.path)
    assert not security.held_back()
    async with serving(security) as port:
        assert (await request(port, headers=AUTHORIZED)).status == 200
        with capture_logs() as logs:
            if content is None:
                site.path.unlink()
            else:
                site.write("web.yml", content)
            answers = [await request(port, headers=headers) for headers in (AUTHORIZED, AUTHORIZED, None)]
            assert [answer.status for answer in answers] == [200, 200, 401]
            assert security.held_back()
            site.write("web.yml", f"basic_auth_users: {{bob: {bob}}}\n")
            answers = [await request(port, headers=h) for h in (AUTHORIZED, {"Authorization": basic("bob", "new")})]
            assert [answer.status for answer in answers] == [401, 200]
    assert [log["log_level"] for log in logs] == ["error", "info"]
    assert reason in logs[0]["reason"]
    assert "hunter2" not in repr(logs)
    assert bob not in repr(logs)


async def test_protection_is_taken_away_only_by_a_restart(site: Site) -> None:
    """TLS and client certificates stay. Adding some needs none."""
    site.with_tls(", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert")
    security = WebSecurity(site.path)
    known = site.client(certificates.make("client", by=site.authority))
    async with serving(security) as port:
        with capture_logs() as logs:
            for weaker in ("", "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"):
                site.write("web.yml", weaker)
                assert (await request(port, tls=known)).status == 200
                with pytest.raises(aiohttp.ClientError):
                    await request(port, tls=site.client())
    assert [log["reason"].partition(",")[0] for log in logs if log["log_level"] == "error"] == [
        "it takes away TLS and client certificates",
        "it takes away client certificates",
    ]


async def test_a_file_that_was_written_just_now_is_read_once_more(site: Site) -> None:
    """Two changes within a tick of the file system's clock, of the same length, are both seen."""
    now = time.time_ns()
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    security = WebSecurity(_stamped(site, ALICE, now))
    async with serving(security) as port:
        assert (await request(port, headers=AUTHORIZED)).status == 200
        _stamped(site, other, now)
        assert (await request(port, headers=AUTHORIZED)).status == 401


def test_a_file_that_was_written_just_now_has_no_signature(site: Site) -> None:
    """It may change once more within the same tick; the time of an older one is trusted."""
    assert _signature([_stamped(site, ALICE, time.time_ns())]) is None
    old = _signature([_stamped(site, ALICE, time.time_ns() - 10**9)])
    assert old == _signature([site.path])
    assert old is not None


def _stamped(site: Site, stored: str, now_ns: int) -> Path:
    site.path.write_text(f"basic_auth_users: {{alice: {stored}}}\n")
    os.utime(site.path, ns=(now_ns, now_ns))
    return site.path


async def test_a_file_that_is_wrong_at_the_start(site: Site) -> None:
    """Nothing is served."""
    site.write("web.yml", "basic_auth_users: {alice: hunter2}\n")
    with pytest.raises(ConfigError, match="is not a bcrypt hash"):
        WebSecurity(site.path)


async def test_files_in_other_places(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A certificate that a link is moved to (Kubernetes, certbot), and a web file that names another certificate."""
    site.with_tls()
    security = WebSecurity(site.path)
    before = security.tls()
    assert security.tls() is before
    other = tmp_path_factory.mktemp("other")
    (other / "new.pem").write_bytes((site.home / "server.pem").read_bytes() + b"\n")
    (site.home / "server.pem").unlink()
    (site.home / "server.pem").symlink_to(other / "new.pem")
    moved = security.tls()
    assert moved is not before
    site.write("web.yml", f"tls_server_config: {{cert_file: {other}/new.pem, key_file: server.key}}\n")
    again = security.tls()
    assert again is not moved
    os.utime(other / "new.pem", ns=(1, 1))
    assert security.tls() is again  # the same content: the same context


@pytest.mark.slow
async def test_many_wrong_passwords_do_not_delay_the_right_one(site: Site) -> None:
    """A scrape that was let in before gets its answer while the others still wait."""
    slow = bcrypt.hashpw(b"secret", bcrypt.gensalt(8)).decode()
    site.write("web.yml", f"basic_auth_users: {{alice: {slow}}}\n")
    async with serving(WebSecurity(site.path)) as port:
        assert (await request(port, headers=AUTHORIZED)).status == 200
        wrong: list[asyncio.Task[Answer]] = [
            asyncio.create_task(request(port, headers={"Authorization": basic("alice", f"wrong {number}")}))
            for number in range(100)
        ]
        await asyncio.wait(wrong, return_when=asyncio.FIRST_COMPLETED)
        assert (await request(port, headers=AUTHORIZED)).status == 200
        assert not all(task.done() for task in wrong)
        statuses = {(await task).status for task in wrong}
    assert statuses <= {401, 503}


async def test_no_header_causes_a_traceback(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Arbitrary bytes as `Authorization`: refused, or no HTTP at all; nothing of them is logged."""
    site.write("web.yml", f"basic_auth_users: {{alice: {ALICE}}}\n")
    seen = set()
    made = random.Random(17)
    async with serving(WebSecurity(site.path)) as port:
        with capture_logs() as logs:
            for number in range(300):
                content = made.randbytes(made.randrange(60))
                if number % 2:
                    content = base64.b64encode(content)
                seen.add(await _raw_status(port, b"Basic " * (number % 3 > 0) + content))
            too_long = await _raw_status(port, b"Basic " + b"QUFB" * 10_000)
    assert (seen, too_long) == ({400, 401}, 400)
    assert logs == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def _raw_status(port: int, header: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + header + b"\r\n\r\n")
        return int((await asyncio.wait_for(reader.readline(), PATIENCE_S)).split()[1])
    finally:
        writer.close()


def test_a_file_that_takes_long_is_tried_seldom(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait while it is read: at most a fiftieth of the time."""
    now_s, tries = 0.0, 0
    site.write("web.yml", f"basic_auth_users: {{alice: {ALICE}}}\n")
    watched = WatchedFile(site.path, lambda: now_s)

    def slow(path: Path) -> WebFile:
        nonlocal now_s, tries
        now_s, tries = now_s + 1.0, tries + 1
        raise WebFileError([], (path,))

    monkeypatch.setattr("exporter.web.watchedfile.read_web_file", slow)
    site.write("web.yml", "broken")
    while now_s < 500:
        watched.refresh()
        now_s += 0.1
    assert tries <= 10
