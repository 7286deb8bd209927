"""Sending samples to a receiver that misbehaves: what is tried again, what is an error, and what the error says."""

import ssl
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from cryptography import x509

from exporter.backfill.remote_request import LARGEST, MOST_SAMPLES, Series, requests
from exporter.backfill.remote_write import PATIENCE_S, RemoteWriteError, RemoteWriter
from exporter.config.httpmodel import ClientTls, HttpConfig, RemoteWriteConfig
from tests.backfill.receiver import Answer, Cut, Garbage, Half, Never, Receiver, decoded, receiving
from tests.network.process import free_port
from tests.web import certificates

NAME = (("__name__", "a_total"), ("node", "alice"))
ONE = [Series(NAME, [(1000, 1.0), (2000, 2.5)])]
WINDOW = (
    "It takes samples of the past only within its out-of-order window (Prometheus:"
    " storage.tsdb.out_of_order_time_window): make that longer, or write files (--output=DIR) for promtool."
)
WHERE = "Is the path right? Prometheus and VictoriaMetrics have /api/v1/write, Mimir has /api/v1/push."
LOGIN = "The user, the password or the credentials are wrong, or not allowed to write (--http-config=FILE)."


class Delays(list[float]):
    """The delays that a writer asked for; none of them takes time."""

    async def __call__(self, delay_s: float) -> None:
        """Note a delay."""
        self.append(delay_s)


async def send(receiver: Receiver, config: RemoteWriteConfig | None = None, series: list[Series] = ONE) -> Delays:
    """Send series, and return the delays in between."""
    delays = Delays()
    async with RemoteWriter(config or receiver.config(), pause=delays) as writer:
        await writer.write(series)
    return delays


async def refused(receiver: Receiver, config: RemoteWriteConfig | None = None) -> str:
    """Return the error, after the URL."""
    with pytest.raises(RemoteWriteError) as error:
        await send(receiver, config)
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix(receiver.url)


async def test_a_request_as_the_protocol_wants_it() -> None:
    """Its headers, and its body in Snappy's block format."""
    async with receiving() as receiver:
        assert await send(receiver) == []
        assert receiver.kept == [ONE]
        (headers,) = receiver.headers
        assert {name: headers[name] for name in ("Content-Type", "Content-Encoding")} == {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
        }
        assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
        assert headers["User-Agent"].startswith("lnd-payments-exporter/")


async def test_nothing_to_send() -> None:
    """No request is made for series without samples."""
    async with receiving() as receiver:
        await send(receiver, series=[Series(NAME, [])])
        assert receiver.headers == []


async def test_requests_come_in_order() -> None:
    """Each when the one before has been accepted; together they have every sample once."""
    long = [
        Series((("__name__", "a_total"), ("n", str(n))), [(at, float(at + n)) for at in range(15_000)])
        for n in range(3)
    ]
    async with receiving() as receiver:
        await send(receiver, series=long)
        assert [sum(len(one.samples) for one in request) for request in receiver.kept] == [10_000] * 4 + [5_000]
        joined: dict[object, list[tuple[int, float]]] = {}
        for request in receiver.kept:
            for labels, samples in request:
                joined.setdefault(labels, []).extend(samples)
        assert joined == {one.labels: one.samples for one in long}


@pytest.mark.parametrize("letters", [10, 5_000, LARGEST], ids=["short", "long", "longer than a request"])
def test_no_request_is_too_large(letters: int) -> None:
    """Not with long labels either; a series that needs a larger one has it alone."""
    series = [
        Series(
            (("__name__", "a_total"), ("alias", "ü" * (letters // 2)), ("n", str(n))),
            [(at, -1e300 / (at + 1)) for at in range(7)],
        )
        for n in range(3_000 if letters < LARGEST else 2)
    ]
    found = []
    for body, samples in requests(series):
        request = decoded(body)
        assert sum(len(one.samples) for one in request) == samples <= MOST_SAMPLES
        assert len(body) < 1 << 20
        size = sum(len(text.encode()) for one in request for label in one.labels for text in label)
        assert size < LARGEST or samples == 1
        found += request
    merged: dict[object, list[tuple[int, float]]] = {}
    for labels, values in found:
        merged.setdefault(labels, []).extend(values)
    assert merged == {one.labels: one.samples for one in series}


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_accepted(status: int) -> None:
    """Every status of success is one."""
    async with receiving() as receiver:
        receiver.script = [Answer(status, "ok" if status == 200 else "")]
        assert await send(receiver) == []


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(503)],
        [Answer(500, "oops"), Answer(502), Answer(504)],
        [Answer(429)],
        [Answer(408)],
        [Cut()],
        [Half()],
        [Garbage()],
        [Cut(), Answer(503), Garbage(), Half()],
    ],
    ids=["503", "500 502 504", "429", "408", "cut", "half", "garbage", "all"],
)
async def test_tried_again(answers: list[Answer]) -> None:
    """With delays that grow; what the receiver then has twice is the same."""
    async with receiving() as receiver:
        count = len(answers)
        receiver.script = [*answers]
        delays = await send(receiver)
        assert len(receiver.headers) == count + 1
        assert receiver.samples() == {NAME: {1000: 1.0, 2000: 2.5}}
        assert len(delays) == count
        assert all(1 <= delay_s <= 2**number for number, delay_s in enumerate(delays))


async def test_the_receiver_says_how_long_to_wait() -> None:
    """In seconds or as a date; nonsense counts as nothing said."""
    async with receiving() as receiver:
        date = formatdate(time.time() + 100, usegmt=True)
        said = ["7", date, "soon", "-5", "\N{ARABIC-INDIC DIGIT SEVEN}", "Mon, 99 Foo", "0"]
        receiver.script = [Answer(429, headers={"Retry-After": each}) for each in said]
        delays = await send(receiver)
        assert delays[0] == 7
        assert 60 < delays[1] <= 100
        assert all(delay_s <= 30 for delay_s in delays[2:])


async def test_given_up() -> None:
    """After a few minutes, with the last reason."""
    async with receiving() as receiver:
        receiver.script = [Answer(503, "the disk is full\nand more")] * 1000
        delays = Delays()
        notes: list[str] = []
        async with RemoteWriter(receiver.config(), pause=delays, note=notes.append) as writer:
            with pytest.raises(RemoteWriteError) as error:
                await writer.write(ONE)
        why = f"{receiver.url}: it answers 503 (Service Unavailable): the disk is full"
        assert str(error.value) == f"{why}. It was tried for up to 5m: see whether it runs, and isn't overloaded."
        assert notes == [f"{why}; trying again for up to 5m"]
        assert PATIENCE_S / 2 < sum(delays) <= PATIENCE_S
        assert max(delays) <= 30


async def test_a_receiver_that_wants_to_be_left_alone_for_an_hour() -> None:
    """Nobody waits that long: it is given up at once."""
    async with receiving() as receiver:
        receiver.script = [Answer(429, "slow down", headers={"Retry-After": "3600"})]
        assert await refused(receiver) == (
            ": it answers 429 (Too Many Requests): slow down and wants to be left alone for 1h."
            " It was tried for up to 5m: see whether it runs, and isn't overloaded."
        )
        assert len(receiver.headers) == 1


async def test_nobody_listens() -> None:
    """The reason is the system's."""
    receiver = Receiver()
    receiver.url = f"http://127.0.0.1:{free_port()}/api/v1/write"
    assert (await refused(receiver)).startswith(": Connection refused. It was tried for up to 5m")


async def test_no_such_host() -> None:
    """The C library's words, which differ, are quoted."""
    receiver = Receiver()
    receiver.url = "http://nowhere.invalid/api/v1/write"
    assert "It was tried for up to 5m" in await refused(receiver)


async def test_an_answer_that_never_comes() -> None:
    """A try has a timeout, and another one may succeed."""
    async with receiving() as receiver:
        receiver.script = [Never(503)]
        notes: list[str] = []
        async with RemoteWriter(receiver.config(), pause=Delays(), note=notes.append, timeout_s=0.3) as writer:
            await writer.write(ONE)
        assert notes == [f"{receiver.url}: it doesn't answer in time; trying again for up to 5m"]
        assert receiver.kept == [ONE]


MIMIR = (
    "failed pushing to ingester: user=anonymous: the sample has been rejected because its timestamp is too old"
    " (err-mimir-sample-timestamp-too-old)"
)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(400, "out of bounds\n"), f" it answers 400 (Bad Request): out of bounds. {WINDOW}"),
        (Answer(400, "out of order sample"), f" it answers 400 (Bad Request): out of order sample. {WINDOW}"),
        (Answer(400, MIMIR), f" it answers 400 (Bad Request): {MIMIR}. {WINDOW}"),
        (
            Answer(400, "bad\x1b[31m\u202e things."),
            f" it answers 400 (Bad Request): bad\ufffd[31m\ufffd things. {WHERE}",
        ),
        (Answer(404, "404 page not found"), f" it answers 404 (Not Found): 404 page not found. {WHERE}"),
        (Answer(405), f" it answers 405 (Method Not Allowed). {WHERE}"),
        (Answer(501), f" it answers 501 (Not Implemented). {WHERE}"),
        (Answer(401, "Unauthorized"), f" it answers 401 (Unauthorized): Unauthorized. {LOGIN}"),
        (Answer(403, "no"), f" it answers 403 (Forbidden): no. {LOGIN}"),
        (
            Answer(401, "no org id"),
            (
                " it answers 401 (Unauthorized): no org id. Mimir wants the header X-Scope-OrgID: name it in"
                " http_headers of --http-config=FILE."
            ),
        ),
        (
            Answer(413, "<html>nginx</html>", {"Content-Type": "text/html"}),
            (
                " it answers 413 (Request Entity Too Large). It, or a proxy before it, must let requests of a MiB"
                " through (nginx: client_max_body_size)."
            ),
        ),
        (
            Answer(415, "snappy?"),
            (
                " it answers 415 (Unsupported Media Type): snappy? It must take remote write 1.0 (protobuf"
                " prometheus.WriteRequest, compressed by snappy)."
            ),
        ),
        (Answer(418, "tea"), " it answers 418 (I'm a Teapot): tea."),
        (Answer(499, "?"), " it answers 499: ?"),
        (
            Answer(302, "", {"Location": "https://user:pw@login.example/in?token=abc"}),
            (
                " it answers 302 (Found). It redirects to https://login.example/in, which is not followed: the"
                " password would be sent there. Give the final URL."
            ),
        ),
        (
            Answer(200, "<html>log in", {"Content-Type": "text/html; charset=utf-8"}),
            " it answers with a web page, as a form to log in does. " + WHERE,
        ),
        (Answer(400, "x" * 10_000), f" it answers 400 (Bad Request): {'x' * 300}... {WHERE}"),
    ],
    ids=lambda each: f"{each.status} {each.text[:12]!a}" if isinstance(each, Answer) else "",
)
async def test_refused(answer: Answer, text: str) -> None:
    """It is an error at once: one line with the receiver's words, and advice."""
    async with receiving() as receiver:
        receiver.script = [answer]
        assert await refused(receiver) == f":{text}"
        assert len(receiver.headers) == 1


async def test_no_secret_is_quoted() -> None:
    """A receiver that repeats what it was sent doesn't bring it into the message; neither does the URL."""
    http = HttpConfig((("Authorization", "Basic c2VjcmV0LXB3"),), ("secret-pw", "c2VjcmV0LXB3"))
    async with receiving() as receiver:
        config = receiver.config(http, "?token=geheim77")
        receiver.script = [Answer(400, "you sent Basic c2VjcmV0LXB3, which is secret-pw, and token=geheim77")]
        text = await refused(receiver, config)
        quoted = "you sent Basic [redacted], which is [redacted], and [redacted]"
        assert text == f": it answers 400 (Bad Request): {quoted}. {WHERE}"
        assert receiver.headers[0]["Authorization"] == "Basic c2VjcmV0LXB3"
        shown = repr(config)
        assert not [word for word in ("secret-pw", "c2Vj", "geheim77") if word in shown]


def server_tls(home: Path, made: certificates.Made, clients: certificates.Made | None = None) -> ssl.SSLContext:
    """Return the context of a server, which may want a client certificate by an authority."""
    (home / "server.pem").write_bytes(made.pem + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.pem")
    if clients:
        context.load_verify_locations(cadata=clients.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


AUTHORITY = certificates.make("authority")
CLIENT = certificates.make("client", by=AUTHORITY)


async def test_tls_with_a_client_certificate_and_a_password(tmp_path: Path) -> None:
    """Both arrive."""
    tls = ClientTls(AUTHORITY.pem, CLIENT.pem, CLIENT.key)
    http = HttpConfig((("Authorization", "Basic YTpi"), ("X-Scope-OrgID", "me")), ("b",), tls)
    async with receiving(server_tls(tmp_path, certificates.server(AUTHORITY), AUTHORITY)) as receiver:
        await send(receiver, receiver.config(http))
        assert receiver.kept == [ONE]
        assert receiver.headers[0]["Authorization"] == "Basic YTpi"
        assert receiver.headers[0]["X-Scope-OrgID"] == "me"


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """The message says which setting names the authority; `insecure_skip_verify` trusts everybody."""
    async with receiving(server_tls(tmp_path, certificates.server())) as receiver:
        assert await refused(receiver) == (
            ": its certificate is refused: self-signed certificate. Name the authority that signed it (tls_config:"
            " ca_file), or the name that it is made for (server_name)."
        )
        await send(receiver, receiver.config(HttpConfig(tls=ClientTls(verify=False))))
        assert receiver.kept == [ONE]


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """It is accepted only for the name that it is made for."""
    made = certificates.make("other", x509.DNSName("metrics.example"), by=AUTHORITY)
    async with receiving(server_tls(tmp_path, made)) as receiver:
        text = await refused(receiver, receiver.config(HttpConfig(tls=ClientTls(AUTHORITY.pem))))
        assert text.startswith(": its certificate is refused: IP address mismatch")
        await send(receiver, receiver.config(HttpConfig(tls=ClientTls(AUTHORITY.pem, server_name="metrics.example"))))
        assert receiver.kept == [ONE]


async def test_tls_at_a_port_without(tmp_path: Path) -> None:
    """It is no question of trying again."""
    async with receiving() as receiver:
        config = RemoteWriteConfig(receiver.url.replace("http:", "https:"))
        with pytest.raises(RemoteWriteError, match=r"^https:.*: TLS fails: .*or not be an https port\.$"):
            await send(receiver, config)
