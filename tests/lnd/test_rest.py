"""The client over REST: what it sends, and how it takes answers that no lnd would give."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from exporter.config.addresses import REST, WEBSOCKET
from exporter.lnd import liveness, rest_connection, rest_streams
from exporter.lnd.client import LndError
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator import credentials
from exporter.simulator.rest_server import server_tls_context as serving_tls
from tests.lnd.socks import pipe, proxying
from tests.lnd.test_grpc import assert_damage_is_reported, damaged_files
from tests.network.process import until
from tests.patience import PATIENCE_S

HASH = "ab" * 32
EMPTY = b'{"result":{},"payments":[],"last_index_offset":"0"}'
"""An empty message of a stream, which is also an empty page and any other answer."""
MIB = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
both_transports = pytest.mark.parametrize("transport", [REST, WEBSOCKET])


@dataclass
class Server:
    """Answers every request with one handler, and records the macaroon of each."""

    handler: Handler
    address: str = ""
    macaroons: dict[str, str | None] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle a request, whatever its path."""
        self.macaroons[request.path] = request.headers.get("Grpc-Metadata-Macaroon")
        return await self.handler(request)


def answering(*lines: bytes, status: int = 200) -> Handler:
    """Return a handler that sends the same lines over HTTP and over WebSockets."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if web.WebSocketResponse().can_prepare(request):
            opened = web.WebSocketResponse()
            await opened.prepare(request)
            for text in lines:
                await opened.send_str(text.decode(errors="replace"))
            return opened
        return web.Response(body=b"".join(text + b"\n" for text in lines), status=status)

    return handle


async def hanging(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def serving(handler: Handler, made: credentials.Certificate | None, host: str) -> AsyncIterator[Server]:
    """Run a server with this handler; without a certificate it uses no TLS."""
    server = Server(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=serving_tls(made) if made else None).start()
    server.address = f"{host}:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(
    tmp_path: Path,
    handler: Handler,
    *,
    transport: str = REST,
    tls: bool = True,
    prefix: str = "",
    host: str = "127.0.0.1",
) -> AsyncIterator[tuple[RestClient, Server]]:
    """Connect a client to a server with this handler."""
    made = credentials.certificate()
    (tmp_path / "tls.cert").write_bytes(made.certificate)
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")
    async with serving(handler, made if tls else None, host) as server:
        url = f"{'https' if tls else 'http'}://{server.address}{prefix}"
        client = RestClient(url, tmp_path / "tls.cert", tmp_path / "macaroon", websocket=transport == WEBSOCKET)
        try:
            await client.connect()
            yield client, server
        finally:
            await client.close()


async def stream_failure(client: RestClient) -> LndError:
    """Read updates until the stream is lost, and return why."""
    with pytest.raises(LndError) as caught:
        async for _ in client.updates():
            pass
    return caught.value


@both_transports
async def test_malformed_json_is_a_malformed_update_or_an_error(tmp_path: Path, transport: str) -> None:
    """No answer can end the exporter. Only an update is malformed; for any other call it is an error."""
    async with connected(tmp_path, answering(b"not JSON", b'{"result":7}', b"[]"), transport=transport) as (client, _):
        updates = client.updates()
        assert [(await anext(updates)).payment_hash for _ in range(3)] == ["", "", ""]
        with pytest.raises(LndError) as end:
            await anext(updates)
        assert end.value.cause is (Interruption.UNREACHABLE if transport == WEBSOCKET else Interruption.ENDED)
        for call in (client.info(9), client.channels(), client.payments(), client.payment(HASH)):
            with pytest.raises(LndError, match="is the address right"):
                await call
        with pytest.raises(LndError, match="is the address right"):
            await anext(client.states())


@both_transports
async def test_macaroon_is_sent_with_every_call_except_for_the_state(tmp_path: Path, transport: str) -> None:
    """In hex, as lnd wants it. A path in the address is put in front of every path."""
    async with connected(tmp_path, answering(EMPTY), transport=transport, prefix="/lnd") as (
        client,
        server,
    ):
        await client.info(9)
        await client.payments()
        await client.payment(HASH)
        assert await anext(client.states()) is NodeState.NO_WALLET
        assert (await anext(client.updates())).payment_hash == ""
        assert server.macaroons == {
            "/lnd/v1/getinfo": "0201036c6e64",
            "/lnd/v1/payments": "0201036c6e64",
            f"/lnd/v2/router/track/{'q6ur' * 10}q6s=": "0201036c6e64",
            "/lnd/v2/router/payments": "0201036c6e64",
            "/lnd/v1/state/subscribe": None,
        }


@both_transports
async def test_redirect_is_not_followed_with_the_macaroon(tmp_path: Path, transport: str) -> None:
    """lnd doesn't redirect: neither to another path nor to another host without TLS."""
    async with serving(answering(EMPTY), None, "127.0.0.2") as thief:
        for place in ("/elsewhere", f"http://{thief.address}/"):

            async def elsewhere(_: web.Request, place: str = place) -> web.StreamResponse:
                return web.Response(status=302, headers={"Location": place})

            async with connected(tmp_path, elsewhere, transport=transport) as (client, server):
                with pytest.raises(LndError, match="HTTP 302"):
                    await client.info(9)
                assert "HTTP 302" in (await stream_failure(client)).advice
                assert "/elsewhere" not in server.macaroons
        assert thief.macaroons == {}


@both_transports
async def test_update_of_more_than_4_mib(tmp_path: Path, transport: str) -> None:
    """aiohttp's default limits are 64 KiB for a line and 4 MiB for a message; a payment may be larger."""
    update = b'{"result":{"payment_hash":"' + HASH.encode() + b'","payment_request":"' + b"x" * 5 * MIB + b'"}}'
    async with connected(tmp_path, answering(update), transport=transport) as (client, _):
        assert (await anext(client.updates())).payment_hash == HASH


@both_transports
async def test_answer_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """The caller then requests smaller pages; a stream is lost."""
    monkeypatch.setattr(rest_connection, "LARGEST", 1000)
    monkeypatch.setattr(rest_streams, "LARGEST", 1000)
    async with connected(tmp_path, answering(b"x" * 100_000), transport=transport) as (client, _):
        with pytest.raises(LndError) as large:
            await client.payments()
        assert large.value.cause is Interruption.TOO_LARGE
        assert (await stream_failure(client)).cause is Interruption.TOO_LARGE


UNKNOWN_PATH = (b"Not Found\n", b'{"code":5,"message":"Not Found","details":[]}')
"""lnd's answer to a path that it doesn't have: before 0.14, and since."""


@both_transports
@pytest.mark.parametrize("answer", UNKNOWN_PATH)
async def test_lnd_without_state_service_is_ready(tmp_path: Path, transport: str, answer: bytes) -> None:
    """An old lnd; that it lacks `TrackPayments`, too, has a cause of its own."""
    async with connected(tmp_path, answering(answer, status=404), transport=transport) as (client, _):
        assert [state async for state in client.states()] == [NodeState.READY]
        assert (await stream_failure(client)).cause is Interruption.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("status", "answer", "cause", "text"),
    [
        (404, b'{"code":5,"message":"Not Found"}', Interruption.UNIMPLEMENTED, "lnd 0.16 or newer"),
        (404, b"<h1>not here</h1>", Interruption.UNREACHABLE, "is the address right"),
        (502, b"<h1>Bad Gateway</h1>", Interruption.UNREACHABLE, "the proxy in front of lnd"),
        (500, b'{"code":2,"message":"permission denied"}', Interruption.DENIED, "bake one"),
        (500, b'{"error":{"code":2,"message":"wallet locked"}}', Interruption.LOCKED, "lncli unlock"),
        (500, b'{"code":99,"message":7}', Interruption.OTHER, "report it"),
        (400, b"Client sent an HTTP request to an HTTPS server.", Interruption.UNREACHABLE, "leave out http://"),
        (200, b'{"error":{"code":1,"message":"context canceled"}}', Interruption.ENDED, "ping of its own"),
        (404, b"Not Found\n", Interruption.UNIMPLEMENTED, "lnd 0.16 or newer"),
        (500, b'{"error":"wallet locked","message":"wallet locked","code":2}', Interruption.LOCKED, "lncli unlock"),
        (500, b'{"error":{"grpc_code":2,"message":"permission denied"}}', Interruption.DENIED, "bake one"),
    ],
)
async def test_error_answers(tmp_path: Path, status: int, answer: bytes, cause: Interruption, text: str) -> None:
    """lnd's own in both of its forms and in those of lnd before 0.14, and those of a proxy in front of it."""
    async with connected(tmp_path, answering(answer, status=status)) as (client, _):
        error = await stream_failure(client)
        assert (error.cause, text in error.advice) == (cause, True), error.advice


async def test_endless_error_answer_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer with an error status isn't a stream."""
    monkeypatch.setattr(rest_streams, "PONG_S", 0.1)

    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        return await hanging(request)

    async with connected(tmp_path, refuse) as (client, _):
        assert (await stream_failure(client)).cause is Interruption.TIMEOUT


async def test_page_without_payments_is_an_error(tmp_path: Path) -> None:
    """An object without the key `payments` isn't lnd's; it must not look like a node that never paid."""
    async with connected(tmp_path, answering(b'{"status":"ok"}')) as (client, _):
        with pytest.raises(LndError, match="is the address right"):
            await client.payments()


async def test_unknown_payment(tmp_path: Path) -> None:
    """Only lnd's own error counts: an unknown path must not make every payment unknown."""
    for name in (b"code", b"grpc_code"):  # since lnd 0.14, and before
        answer = b'{"error":{"%b":5,"message":"payment isn\'t initiated"}}' % name
        async with connected(tmp_path, answering(answer, status=404)) as (client, _):
            assert await client.payment(HASH) is None
    for answer in (*UNKNOWN_PATH, b"not here"):
        async with connected(tmp_path, answering(answer, status=404)) as (client, _):
            with pytest.raises(LndError):
                await client.payment(HASH)


@both_transports
async def test_payments_are_not_listed_before_the_subscription_is_sent(tmp_path: Path, transport: str) -> None:
    """They use two connections, and the first may be the slower one: what ends in between would be missed."""
    requested: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        requested.append(request.path)
        return await answering(EMPTY)(request)

    connections = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await asyncio.sleep(0.2)
        with suppress(ConnectionError):
            from_server, to_server = await asyncio.open_connection(*server.address.split(":"))
            await asyncio.gather(pipe(reader, to_server), pipe(from_server, writer))

    async with connected(tmp_path, handle) as (_, server), await asyncio.start_server(forward, "127.0.0.1", 0) as slow:
        url = "https://127.0.0.1:{1}".format(*slow.sockets[0].getsockname())
        client = RestClient(url, tmp_path / "tls.cert", tmp_path / "macaroon", websocket=transport == WEBSOCKET)
        await client.connect()
        updates = asyncio.create_task(stream_failure(client))
        await asyncio.sleep(0)
        await client.payments()
        await updates
        await client.close()
    assert requested == ["/v2/router/payments", "/v1/payments"]


@both_transports
async def test_broken_stream_is_not_silently_opened_again(tmp_path: Path, transport: str) -> None:
    """aiohttp must not repeat the request by itself: what happens in between would be missed."""
    subscribed = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal subscribed
        subscribed += 1
        if transport == WEBSOCKET:
            await web.WebSocketResponse().prepare(request)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with connected(tmp_path, handle, transport=transport) as (client, _):
        assert (await stream_failure(client)).cause is Interruption.UNREACHABLE
        assert subscribed == 1


@both_transports
async def test_stream_whose_end_is_cancelled_leaves_no_connection(tmp_path: Path, transport: str) -> None:
    """As by a reload just when the state of lnd is known: the stream is being closed then."""
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse() if transport == WEBSOCKET else web.StreamResponse()
        await stream.prepare(request)
        try:
            if isinstance(stream, web.WebSocketResponse):
                await stream.send_str('{"result":{"state":"SERVER_ACTIVE"}}')
                await stream.receive()
            else:
                await stream.write(b'{"result":{"state":"SERVER_ACTIVE"}}\n')
                await asyncio.Event().wait()
        finally:
            ended.set()
        return stream

    async with connected(tmp_path, handle, transport=transport) as (client, _):
        states = client.states()
        assert await anext(states) is NodeState.READY
        closing = asyncio.create_task(states.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        await asyncio.wait_for(ended.wait(), PATIENCE_S)


async def test_dead_connection_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a chunked stream is quiet lnd is probed; without an answer the stream is lost."""
    monkeypatch.setattr(liveness, "PING_S", 0.05)
    monkeypatch.setattr(liveness, "PONG_S", 0.1)
    async with connected(tmp_path, hanging) as (client, server):
        error = await stream_failure(client)
        assert (error.cause, "ping timeout" in error.advice) == (Interruption.UNREACHABLE, True)
        assert server.macaroons["/v1/state"] is None


@pytest.mark.parametrize("state", [b'{"state":"SERVER_ACTIVE"}', *UNKNOWN_PATH])
async def test_quiet_stream_goes_on_if_lnd_answers_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: bytes
) -> None:
    """Before the first message and after it.

    An old lnd has no such call, but the error that it answers is a sign of life.
    """
    monkeypatch.setattr(liveness, "PING_S", 0.02)
    probes = 0

    async def enough() -> bool:
        return probes >= 3

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal probes
        if request.path == "/v1/state":
            probes += 1
            return web.Response(body=state, status=404 if state in UNKNOWN_PATH else 200)
        response = web.StreamResponse()
        for half in (b'{"result":', b"{}}\n"):
            await until("lnd is probed again and again", enough)
            if not response.prepared:
                await response.prepare(request)
            await response.write(half)
            probes = 0
        await asyncio.Event().wait()
        return response

    async with connected(tmp_path, handle) as (client, _):
        assert (await anext(client.updates())).payment_hash == ""


async def test_websocket_without_answer_to_a_ping_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a heartbeat."""
    monkeypatch.setattr(rest_streams, "_HEARTBEAT_S", 0.2)

    async def without_pong(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse(autoping=False)
        await opened.prepare(request)
        assert (await opened.receive()).type is WSMsgType.TEXT
        await asyncio.Event().wait()
        return opened

    async with connected(tmp_path, without_pong, transport=WEBSOCKET) as (client, _):
        start = time.monotonic()
        assert (await stream_failure(client)).cause is Interruption.UNREACHABLE
        assert 0.2 < time.monotonic() - start < 5


async def test_kernel_probes_a_connection() -> None:
    """After a quiet minute, then for 20 s."""
    made = rest_connection._socket((socket.AF_INET, socket.SOCK_STREAM, 0))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        values = [made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
        assert values == [60, 5, 4, 80_000]


@damaged_files
async def test_damaged_file_is_reported_with_its_path(
    tmp_path: Path, name: str, content: bytes | None, state: NodeState, advice: str
) -> None:
    """As over gRPC."""
    async with connected(tmp_path, hanging) as (client, _):
        await assert_damage_is_reported(client, tmp_path / name, content, state, advice)


@both_transports
async def test_wrong_certificate(tmp_path: Path, transport: str) -> None:
    """lnd has a new one, or one that isn't made for the address: each has advice of its own."""
    async with connected(tmp_path, hanging, transport=transport) as (client, _):
        (tmp_path / "tls.cert").write_bytes(credentials.certificate().certificate)
        await client.connect()
        error = await stream_failure(client)
        assert (error.cause, "copy of lnd's current tls.cert" in error.advice) == (Interruption.CERTIFICATE, True)
    async with connected(tmp_path, hanging, transport=transport, host="127.0.0.2") as (client, _):
        error = await stream_failure(client)
        assert (error.cause, "tlsextradomain" in error.advice) == (Interruption.CERTIFICATE, True)


@both_transports
async def test_https_to_a_port_without_tls(tmp_path: Path, transport: str) -> None:
    """The advice is what to write instead."""
    async with connected(tmp_path, hanging, tls=False) as (_, server):
        (tmp_path / "tls.cert").write_bytes(credentials.certificate().certificate)
        files = tmp_path / "tls.cert", tmp_path / "macaroon"
        client = RestClient(f"https://{server.address}", *files, websocket=transport == WEBSOCKET)
        await client.connect()
        error = await stream_failure(client)
        await client.close()
        assert (error.cause, "write http://" in error.advice) == (Interruption.CERTIFICATE, True), error.advice


@both_transports
async def test_http_needs_no_certificate(tmp_path: Path, transport: str) -> None:
    """TLS is off only for an address with `http://`; no certificate is read then."""
    async with connected(tmp_path, answering(EMPTY), transport=transport, tls=False) as (client, _):
        (tmp_path / "tls.cert").unlink()
        assert await client.connect() is None
        assert (await anext(client.updates())).payment_hash == ""


@both_transports
async def test_calls_through_a_proxy(tmp_path: Path, transport: str) -> None:
    """The proxy gets the host name, not an address; lnd's certificate is verified."""
    async with (
        connected(tmp_path, answering(EMPTY)) as (_, server),
        proxying(server.address, ("me", "p@ss")) as proxy,
    ):
        url = f"socks5://me:p%40ss@{proxy.address}"
        client = RestClient(
            "https://localhost:8080",
            tmp_path / "tls.cert",
            tmp_path / "macaroon",
            websocket=transport == WEBSOCKET,
            proxy=url,
        )
        await client.connect()
        assert (await client.info(9)).pubkey == ""
        assert (await anext(client.updates())).payment_hash == ""
        assert set(proxy.requested) == {"localhost:8080"}
        await client.close()


@pytest.mark.parametrize(
    ("to", "user", "text"),
    [
        ("", None, "doesn't reach lnd"),
        ("", ("me", "another"), "wants another user or password"),
        (None, None, "can't be reached"),
    ],
)
async def test_refusal_of_the_proxy_is_reported(
    tmp_path: Path, to: str | None, user: tuple[str, str] | None, text: str
) -> None:
    """Without its password."""
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")
    async with proxying(to or "", user) as proxy:
        at = proxy.address if to is not None else "127.0.0.1:1"
        client = RestClient("http://lnd.example:8080", None, tmp_path / "macaroon", proxy=f"socks5://me:secret@{at}")
        await client.connect()
        error = await stream_failure(client)
        await client.close()
        assert (error.cause, text in error.advice) == (Interruption.UNREACHABLE, True), error.advice
        assert "secret" not in error.advice


@both_transports
@pytest.mark.parametrize("answer", [b"", b"\5", b"\5\0", b"\5\0\5\0", b"\4\0", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_proxy_that_hangs_up(tmp_path: Path, transport: str, answer: bytes) -> None:
    """It stops within a message of its own, or isn't a SOCKS5 proxy: that is an `LndError`, too."""
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        proxy = "socks5://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        files = None, tmp_path / "macaroon"
        client = RestClient("http://lnd.example:8080", *files, websocket=transport == WEBSOCKET, proxy=proxy)
        await client.connect()
        error = await stream_failure(client)
        with pytest.raises(LndError):
            await client.info(9)
        await client.close()
    assert (error.cause, "the proxy: " in error.advice) == (Interruption.UNREACHABLE, True), error.advice
