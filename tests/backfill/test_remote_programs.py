"""Samples sent to a real Prometheus and a real VictoriaMetrics: all of them are there, with their times and values."""

import math
import ssl
import time
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest

from exporter.backfill.remote_limits import limits
from exporter.backfill.remote_request import MOST_SAMPLES, Series, requests
from exporter.backfill.remote_write import RemoteWriteError, RemoteWriter
from exporter.config.httpfile import read_http_file
from exporter.config.httpmodel import ClientTls
from exporter.config.raw import RawValue
from tests.backfill.programs import (
    config_of,
    expected,
    in_prometheus,
    in_victoria,
    prometheus_receiver,
    secure_prometheus,
    victoria_receiver,
)
from tests.network import build
from tests.network.fixtures import built
from tests.victoria.server import Server
from tests.web import certificates

DAYS = 90
STEP_MS = 300_000
DAY_MS = 86_400_000
PROMETHEUS = pytest.mark.usefixtures("programs")
VICTORIA = pytest.mark.usefixtures("victoria_metrics_is_built")


@pytest.fixture(scope="session")
def victoria_metrics_is_built(programs: Path) -> None:
    """Skip the test if VictoriaMetrics can't be built; fail with CI=true."""
    built(build.victoria, "NOT TESTED WITH VICTORIAMETRICS")


def labels(name: str, **others: str) -> tuple[tuple[str, str], ...]:
    """Return sorted labels."""
    return tuple(sorted({"__name__": name, "job": "lnd", "node": "alice", **others}.items()))


def live(now_ms: int) -> list[Series]:
    """Return a series that is scraped now: the history is older than what the receiver has."""
    return [Series(labels("up"), [(now_ms, 1.0)])]


def history(now_ms: int) -> list[Series]:
    """Return counters of many days: one that grows, one that is reset, labels with all kinds of text, a fraction."""
    times = range(now_ms - DAYS * DAY_MS + STEP_MS, now_ms - DAY_MS, STEP_MS)
    growing = Series(labels("a_total"), [(at, float(number)) for number, at in enumerate(times)])
    reset = Series(labels("b_total"), [(at, float(number % 1000)) for number, at in enumerate(times)])
    odd = Series(
        labels("c_total", alias='quote " \\ backslash, ünïcode \N{HIGH VOLTAGE SIGN}\nline'),
        [(times[0] + 1, 0.0), (times[1], 0.1), (times[2] + 999, 2.0**53), (times[3], 1e-300), (times[4], -1.5)],
    )
    return [growing, reset, odd]


async def send(server: Server, series: list[Series]) -> None:
    """Send series to a server."""
    async with RemoteWriter(config_of(server)) as writer:
        await writer.write(series)
        assert writer.samples == sum(len(one.samples) for one in series)


@PROMETHEUS
async def test_prometheus_with_a_window_has_every_sample(tmp_path: Path) -> None:
    """Also if they are sent twice, as after an answer that got lost, and when the window is gone later."""
    now_ms = time.time_ns() // 1_000_000
    series = history(now_ms)
    assert len(series[0].samples) > 2 * MOST_SAMPLES
    assert len([*requests(series)]) > 4
    with prometheus_receiver(tmp_path, f"{DAYS + 1}d", "--storage.tsdb.retention.time=1y") as server:
        await send(server, live(now_ms))
        await send(server, series)
        assert in_prometheus(server, DAYS + 1) == expected(live(now_ms) + series)
        await send(server, series)
        assert in_prometheus(server, DAYS + 1) == expected(live(now_ms) + series)
    with prometheus_receiver(tmp_path, "", "--storage.tsdb.retention.time=1y") as server:  # started again without
        assert in_prometheus(server, DAYS + 1) == expected(live(now_ms) + series)


@PROMETHEUS
async def test_prometheus_without_a_window_refuses(tmp_path: Path) -> None:
    """The message is one line, says what to do, and nothing of the request is kept."""
    now_ms = time.time_ns() // 1_000_000
    with prometheus_receiver(tmp_path) as server:
        await send(server, live(now_ms))
        with pytest.raises(RemoteWriteError) as refused:
            await send(server, history(now_ms))
        assert str(refused.value) == (
            f"{server.url}/api/v1/write: it answers 400 (Bad Request): out of bounds. It takes samples of the past only"
            " within its out-of-order window (Prometheus: storage.tsdb.out_of_order_time_window): make that longer, or"
            " write files (--output=DIR) for promtool."
        )
        assert in_prometheus(server, DAYS + 1) == expected(live(now_ms))


@PROMETHEUS
async def test_prometheus_with_a_shorter_window_refuses(tmp_path: Path) -> None:
    """What is older than the window is too old."""
    now_ms = time.time_ns() // 1_000_000
    with prometheus_receiver(tmp_path, "1d") as server:
        await send(server, live(now_ms))
        with pytest.raises(
            RemoteWriteError, match=r"400 \(Bad Request\): too old sample\. It takes samples of the past"
        ):
            await send(server, history(now_ms))


@PROMETHEUS
async def test_the_receiver_of_prometheus_is_off(tmp_path: Path) -> None:
    """The message has the flag."""
    with prometheus_receiver(tmp_path, on=False) as server:
        with pytest.raises(RemoteWriteError) as refused:
            await send(server, live(0))
        assert str(refused.value) == (
            f"{server.url}/api/v1/write: it answers 404 (Not Found): remote write receiver needs to be enabled with"
            " --web.enable-remote-write-receiver. Start Prometheus with this flag."
        )


@PROMETHEUS
async def test_prometheus_with_tls_client_certificates_and_passwords(tmp_path: Path) -> None:
    """Each of them is needed; what is missing or wrong is said at once."""
    authority = certificates.make("authority")
    client = certificates.make("client", by=authority)
    (tmp_path / "password").write_text("geheim\n")
    for name, content in (("ca", authority.pem), ("cert", client.pem), ("key", client.key)):
        (tmp_path / name).write_bytes(content)
    file = tmp_path / "http.yml"
    file.write_text(
        "basic_auth: {username: al, password_file: password}\n"
        "tls_config: {ca_file: ca, cert_file: cert, key_file: key}\n"
    )
    http = read_http_file(RawValue(str(file), "--http-config"))
    users = {"al": bcrypt.hashpw(b"geheim", bcrypt.gensalt(4)).decode()}
    now_ms = time.time_ns() // 1_000_000
    with secure_prometheus(tmp_path, http, users, authority) as server:
        config = config_of(server, http)
        async with RemoteWriter(config) as writer:
            await writer.write(live(now_ms))
        assert in_prometheus(server, 1) == expected(live(now_ms))
        found = await limits(config)
        assert (found.back_s, found.enabled) == (3600, True)
        for wrong, words in (
            (replace(http, headers=()), "answers 401 (Unauthorized): Unauthorized. The user, the password"),
            (replace(http, headers=(("Authorization", "Basic YWw6YQ=="),)), "answers 401 (Unauthorized)"),
            (replace(http, tls=ClientTls(authority.pem)), "TLS fails: "),
            (replace(http, tls=ClientTls(authority.pem, maximum=ssl.TLSVersion.TLSv1_2)), "TLS fails: "),
            (replace(http, tls=ClientTls(None, client.pem, client.key)), "its certificate is refused: "),
        ):
            async with RemoteWriter(config_of(server, wrong)) as writer:
                with pytest.raises(RemoteWriteError) as error:
                    await writer.write(live(now_ms))
            assert words in str(error.value)


@VICTORIA
async def test_victoria_metrics_has_every_sample(tmp_path: Path) -> None:
    """It takes samples of any age within its retention, in any order."""
    now_ms = time.time_ns() // 1_000_000
    series = history(now_ms)
    with victoria_receiver(tmp_path, "-retentionPeriod=1y") as server:
        await send(server, live(now_ms))
        await send(server, series)
        found, sent = in_victoria(server), expected(live(now_ms) + series)
        assert {one: [at for at, _ in samples] for one, samples in found.items()} == {
            one: [at for at, _ in samples] for one, samples in sent.items()
        }
        for one, samples in found.items():  # it keeps values as decimals with some 15 digits
            assert all(
                math.isclose(value, right, rel_tol=1e-12, abs_tol=1e-12)
                for (_, value), (_, right) in zip(samples, sent[one], strict=True)
            )


@VICTORIA
@pytest.mark.parametrize("dedup", [(), ("-dedup.minScrapeInterval=1ms",)], ids=["twice", "once"])
async def test_victoria_metrics_gets_samples_twice(tmp_path: Path, dedup: tuple[str, ...]) -> None:
    """As after an answer that got lost: it may keep them twice, but what increases isn't counted twice."""
    now_ms = time.time_ns() // 1_000_000
    series = history(now_ms)
    with victoria_receiver(tmp_path, "-retentionPeriod=1y", *dedup) as server:
        await send(server, series)
        await send(server, series)
        kept = in_victoria(server)[series[0].labels]
        assert len(kept) == len(series[0].samples) * (1 if dedup else 2)
        assert len({*kept}) == len(series[0].samples)
        (increase,) = server.query("increase(a_total[1d])", now_ms // 1000 - 2 * DAY_MS // 1000).values()
        assert increase == DAY_MS / STEP_MS


@VICTORIA
async def test_a_wrong_path_of_victoria_metrics(tmp_path: Path) -> None:
    """It answers 400 there."""
    with victoria_receiver(tmp_path) as server:
        config = config_of(server)
        wrong = type(config)(config.url.replace("write", "writes"))
        async with RemoteWriter(wrong) as writer:
            with pytest.raises(RemoteWriteError, match=r"400.*Is the path right\? .*have /api/v1/write"):
                await writer.write(live(0))
