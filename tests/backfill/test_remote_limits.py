"""What receivers say about their limits before anything is sent: Prometheus, VictoriaMetrics, and others."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from exporter.backfill.remote_limits import Limits, limits
from exporter.backfill.remote_write import RemoteWriteError
from exporter.config.httpmodel import HttpConfig, RemoteWriteConfig
from tests.backfill.programs import config_of, prometheus_receiver, victoria_receiver
from tests.backfill.receiver import receiving
from tests.backfill.test_remote_write import server_tls
from tests.network.process import free_port
from tests.web import certificates

HOUR_S = 3600
DAY_S = 24 * HOUR_S
ONLY_NEWEST = (
    "It takes only samples newer than 1h before its newest one: for older ones set"
    " storage.tsdb.out_of_order_time_window in its configuration, or write files (--output=DIR) for promtool."
)


def unknown(url: str, why: str = "") -> Limits:
    """Return the limits of a receiver that says nothing."""
    return Limits(None, None, (f"How old samples may be that {url} takes is unknown{why}.",))


@pytest.mark.usefixtures("programs")
async def test_prometheus_with_a_window(tmp_path: Path) -> None:
    """The window is the limit, if the retention isn't shorter."""
    with prometheus_receiver(tmp_path, "1h30m", "--storage.tsdb.retention.time=90d") as server:
        config = config_of(server)
        assert await limits(config) == Limits(
            5400,
            True,
            (
                f"{config.url} keeps samples for 90d: it deletes older ones soon.",
                "It takes samples up to 1h30m before its newest one (storage.tsdb.out_of_order_time_window).",
            ),
        )


@pytest.mark.usefixtures("programs")
async def test_prometheus_with_a_window_beyond_its_retention(tmp_path: Path) -> None:
    """The retention has a default of 15 days, which Prometheus writes as a number of days."""
    with prometheus_receiver(tmp_path, "52w") as server:
        found = await limits(config_of(server))
        assert found.back_s == 15 * DAY_S
        assert found.sentences[1] == (
            "It takes samples up to 52w before its newest one (storage.tsdb.out_of_order_time_window)."
        )


@pytest.mark.usefixtures("programs")
async def test_prometheus_without_a_window_and_without_a_receiver(tmp_path: Path) -> None:
    """It takes only the last hour, and that only after a flag has been added."""
    with prometheus_receiver(tmp_path, "", "--storage.tsdb.retention.size=1GB", on=False) as server:
        config = config_of(server)
        assert await limits(config) == Limits(
            HOUR_S,
            False,
            (
                f"The receiver of {config.url} is off: start Prometheus with --web.enable-remote-write-receiver.",
                ONLY_NEWEST,
            ),
        )


@pytest.mark.usefixtures("programs")
async def test_prometheus_below_a_path(tmp_path: Path) -> None:
    """As behind a reverse proxy."""
    with prometheus_receiver(tmp_path, "30d", below="/metrics/store") as server:
        found = await limits(RemoteWriteConfig(f"{server.url}/metrics/store/api/v1/write?x=y"))
        assert found.back_s == 15 * DAY_S
        assert found.sentences[0].startswith(f"{server.url}/metrics/store/api/v1/write keeps")


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("flags", "back_s", "said"),
    [
        ((), 31 * DAY_S, "31d without an error (-retentionPeriod=1M)"),
        (("-retentionPeriod=2",), 62 * DAY_S, "62d without an error (-retentionPeriod=2)"),
        (("-retentionPeriod=1y",), 365 * DAY_S, "365d without an error (-retentionPeriod=1y)"),
        (
            ("-retentionPeriod=1.5y", "-maxBackfillAge=36h"),
            36 * HOUR_S,
            "1d 12h without an error (-maxBackfillAge=36h)",
        ),
        (("-retentionPeriod=1d", "-maxBackfillAge=1M"), DAY_S, "1d without an error (-retentionPeriod=1d)"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
@pytest.mark.parametrize("path", ["/api/v1/write", "/prometheus/api/v1/write"])
async def test_victoria_metrics(tmp_path: Path, flags: tuple[str, ...], back_s: float, said: str, path: str) -> None:
    """It drops older samples without a word: its metrics have the flags."""
    with victoria_receiver(tmp_path, *flags) as server:
        url = f"{server.url}{path}"
        assert await limits(RemoteWriteConfig(url)) == Limits(
            back_s, True, (f"{url} drops samples older than {said}.",)
        )


def answers(text: str, status: int = 200) -> object:
    """Return a handler that always answers so."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return handle


FLAGS = "/api/v1/status/flags"
GARBAGE = {
    "nothing": {},
    "not found": {FLAGS: answers("404", 404)},
    "no json": {FLAGS: answers("<html>")},
    "deep": {FLAGS: answers("[" * 100_000)},
    "another json": {FLAGS: answers('["data"]'), "/metrics": answers("up 1\n")},
    "data is a text": {FLAGS: answers('{"data": "none"}')},
    "other flags": {FLAGS: answers('{"data": {"a": "b"}}')},
    "a redirect": {FLAGS: answers("", 302)},
    "wrong metrics": {"/metrics": answers('flag{name="retentionPeriod", value="secret", is_set="true"} 1\n')},
    "bytes": {"/metrics": answers("\x00\x01")},
}


@pytest.mark.parametrize("others", GARBAGE.values(), ids=GARBAGE.keys())
async def test_other_answers(others: dict[str, object]) -> None:
    """They are no error: the limits are unknown."""
    async with receiving(others=others) as receiver:
        assert await limits(receiver.config()) == unknown(receiver.url)


async def test_a_prometheus_that_shows_little() -> None:
    """Without its configuration the window is unknown; a retention that can't be read is left out."""
    flags = json.dumps({"data": {"web.enable-remote-write-receiver": "true"}})
    runtime = json.dumps({"data": {"storageRetention": "for ever"}})
    others = {FLAGS: answers(flags), "/api/v1/status/runtimeinfo": answers(runtime)}
    async with receiving(others=others) as receiver:
        assert await limits(receiver.config()) == Limits(None, True, ())


async def test_another_path() -> None:
    """Nothing is asked beside a path that is neither Prometheus' nor VictoriaMetrics'."""
    async with receiving() as receiver:
        url = receiver.url.replace("api/v1/write", "receive")
        assert await limits(RemoteWriteConfig(url)) == unknown(url)


async def test_the_password_is_sent_and_nothing_is_followed() -> None:
    """The questions have the same headers as the requests."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        raise web.HTTPFound("/elsewhere")

    async def elsewhere(_: web.Request) -> web.Response:
        seen.append("followed")
        return web.Response()

    async with receiving(others={FLAGS: handle, "/metrics": handle, "/elsewhere": elsewhere}) as receiver:
        http = HttpConfig((("Authorization", "Basic YTpi"),), ("b",))
        assert await limits(receiver.config(http)) == unknown(receiver.url)
    assert seen == ["Basic YTpi"] * 2


async def test_nobody_answers() -> None:
    """The reason is in the sentence."""
    url = f"http://127.0.0.1:{free_port()}/api/v1/write"
    assert await limits(RemoteWriteConfig(url)) == unknown(url, " (Connection refused)")


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """To send anything would be in vain."""
    async with receiving(server_tls(tmp_path, certificates.server())) as receiver:
        with pytest.raises(RemoteWriteError, match="its certificate is refused: self-signed certificate"):
            await limits(receiver.config())
