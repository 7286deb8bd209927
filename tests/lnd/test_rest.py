"""Asking over REST: what goes over the wire, and answers that no lnd would give."""

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
from exporter.lnd import attended, line, streams
from exporter.lnd.client import LndError
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator import credentials
from exporter.simulator.gateway import tls as serving_tls
from tests.lnd.socks import pipe, proxying
from tests.lnd.test_grpc import refuses, went_bad
from tests.network.process import until

HASH = "ab" * 32
EMPTY = b'{"result":{},"payments":[],"last_index_offset":"0"}'
"""A message of a stream, a page and any other answer, with nothing in it."""
MIB = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
both_ways = pytest.mark.parametrize("way", [REST, WEBSOCKET])


@dataclass
class Server:
    """Answers every request in one way, and remembers the macaroon of each."""

    handler: Handler
    address: str = ""
    macaroons: dict[str, str | None] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Whatever is asked."""
        self.macaroons[request.path] = request.headers.get("Grpc-Metadata-Macaroon")
        return await self.handler(request)


def saying(*lines: bytes, status: int = 200) -> Handler:
    """The same lines to everybody, however they ask."""

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
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def serving(handler: Handler, made: credentials.Certificate | None, host: str) -> AsyncIterator[Server]:
    """A server that answers so; without a certificate it speaks no TLS."""
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
async def asking(
    tmp_path: Path,
    handler: Handler,
    *,
    way: str = REST,
    tls: bool = True,
    prefix: str = "",
    host: str = "127.0.0.1",
) -> AsyncIterator[tuple[RestClient, Server]]:
    """A client that is connected to such a server."""
    made = credentials.certificate()
    (tmp_path / "tls.cert").write_bytes(made.certificate)
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")
    async with serving(handler, made if tls else None, host) as server:
        url = f"{'https' if tls else 'http'}://{server.address}{prefix}"
        client = RestClient(url, tmp_path / "tls.cert", tmp_path / "macaroon", websocket=way == WEBSOCKET)
        try:
            await client.connect()
            yield client, server
        finally:
            await client.close()


async def lost(client: RestClient) -> LndError:
    """How the stream of updates is lost."""
    with pytest.raises(LndError) as caught:
        async for _ in client.updates():
            pass
    return caught.value


@both_ways
async def test_words_that_are_no_message(tmp_path: Path, way: str) -> None:
    """Nothing that answers can end the exporter: an update is malformed, any other answer is trouble."""
    async with asking(tmp_path, saying(b"no JSON", b'{"result":7}', b"[]"), way=way) as (client, _):
        updates = client.updates()
        assert [(await anext(updates)).payment_hash for _ in range(3)] == ["", "", ""]
        with pytest.raises(LndError) as end:
            await anext(updates)
        assert end.value.cause is (Interruption.UNREACHABLE if way == WEBSOCKET else Interruption.ENDED)
        for call in (client.info(9), client.channels(), client.payments(), client.payment(HASH)):
            with pytest.raises(LndError, match="is the address right"):
                await call
        with pytest.raises(LndError, match="is the address right"):
            await anext(client.states())


@both_ways
async def test_the_macaroon_goes_with_every_call_but_one(tmp_path: Path, way: str) -> None:
    """As lnd wants it, in hex; the state is asked without. A path in the address stands before all others."""
    async with asking(tmp_path, saying(EMPTY), way=way, prefix="/lnd") as (
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


@both_ways
async def test_a_macaroon_is_not_sent_elsewhere(tmp_path: Path, way: str) -> None:
    """Who redirects is no lnd, whether it is to another path or to another host without TLS."""
    async with serving(saying(EMPTY), None, "127.0.0.2") as thief:
        for place in ("/elsewhere", f"http://{thief.address}/"):

            async def elsewhere(_: web.Request, place: str = place) -> web.StreamResponse:
                return web.Response(status=302, headers={"Location": place})

            async with asking(tmp_path, elsewhere, way=way) as (client, server):
                with pytest.raises(LndError, match="HTTP 302"):
                    await client.info(9)
                assert "HTTP 302" in (await lost(client)).advice
                assert "/elsewhere" not in server.macaroons
        assert thief.macaroons == {}


@both_ways
async def test_a_large_update(tmp_path: Path, way: str) -> None:
    """aiohttp's own limits are 64 KiB a line and 4 MiB a message; a payment may have more."""
    said = b'{"result":{"payment_hash":"' + HASH.encode() + b'","payment_request":"' + b"x" * 5 * MIB + b'"}}'
    async with asking(tmp_path, saying(said), way=way) as (client, _):
        assert (await anext(client.updates())).payment_hash == HASH


@both_ways
async def test_more_than_can_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A page is asked for in smaller pieces then; a stream is lost."""
    monkeypatch.setattr(line, "LARGEST", 1000)
    monkeypatch.setattr(streams, "LARGEST", 1000)
    async with asking(tmp_path, saying(b"x" * 100_000), way=way) as (client, _):
        with pytest.raises(LndError) as large:
            await client.payments()
        assert large.value.cause is Interruption.TOO_LARGE
        assert (await lost(client)).cause is Interruption.TOO_LARGE


NOWHERE = (b"Not Found\n", b'{"code":5,"message":"Not Found","details":[]}')
"""What lnd says of a path that it doesn't have: before 0.14, and since."""


@both_ways
@pytest.mark.parametrize("said", NOWHERE)
async def test_an_old_lnd(tmp_path: Path, way: str, said: bytes) -> None:
    """Without `lnrpc.State` it is ready, for it answers; that it lacks `TrackPayments` is told from all else."""
    async with asking(tmp_path, saying(said, status=404), way=way) as (client, _):
        assert [state async for state in client.states()] == [NodeState.READY]
        assert (await lost(client)).cause is Interruption.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("status", "said", "cause", "words"),
    [
        (404, b'{"code":5,"message":"Not Found"}', Interruption.UNIMPLEMENTED, "lnd 0.16 or newer"),
        (404, b"<h1>not here</h1>", Interruption.UNREACHABLE, "is the address right"),
        (502, b"<h1>Bad Gateway</h1>", Interruption.UNREACHABLE, "what stands before lnd"),
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
async def test_refusals(tmp_path: Path, status: int, said: bytes, cause: Interruption, words: str) -> None:
    """lnd's own, in both of its spellings and those of lnd before 0.14, and those of what may stand before it."""
    async with asking(tmp_path, saying(said, status=status)) as (client, _):
        trouble = await lost(client)
        assert (trouble.cause, words in trouble.advice) == (cause, True), trouble.advice


async def test_a_refusal_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no stream."""
    monkeypatch.setattr(streams, "PONG_S", 0.1)

    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        return await hanging(request)

    async with asking(tmp_path, refuse) as (client, _):
        assert (await lost(client)).cause is Interruption.TIMEOUT


async def test_a_page_that_is_none(tmp_path: Path) -> None:
    """An object without payments is not lnd's: it must not look like a node that never paid."""
    async with asking(tmp_path, saying(b'{"status":"ok"}')) as (client, _):
        with pytest.raises(LndError, match="is the address right"):
            await client.payments()


async def test_a_payment_that_lnd_does_not_know(tmp_path: Path) -> None:
    """Only lnd's word for it counts: a path that is wrong must not make every payment unknown."""
    for name in (b"code", b"grpc_code"):  # since lnd 0.14, and before
        said = b'{"error":{"%b":5,"message":"payment isn\'t initiated"}}' % name
        async with asking(tmp_path, saying(said, status=404)) as (client, _):
            assert await client.payment(HASH) is None
    for said in (*NOWHERE, b"not here"):
        async with asking(tmp_path, saying(said, status=404)) as (client, _):
            with pytest.raises(LndError):
                await client.payment(HASH)


@both_ways
async def test_nothing_is_listed_before_the_subscription_is_sent(tmp_path: Path, way: str) -> None:
    """They go over two connections, and the first may be the slower one: what ends in between would be missed."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return await saying(EMPTY)(request)

    connections = 0

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await asyncio.sleep(0.2)
        with suppress(ConnectionError):
            back, forth = await asyncio.open_connection(*server.address.split(":"))
            await asyncio.gather(pipe(reader, forth), pipe(back, writer))

    async with asking(tmp_path, handle) as (_, server), await asyncio.start_server(lead, "127.0.0.1", 0) as slow:
        url = "https://127.0.0.1:{1}".format(*slow.sockets[0].getsockname())
        client = RestClient(url, tmp_path / "tls.cert", tmp_path / "macaroon", websocket=way == WEBSOCKET)
        await client.connect()
        updates = asyncio.create_task(lost(client))
        await asyncio.sleep(0)
        await client.payments()
        await updates
        await client.close()
    assert asked == ["/v2/router/payments", "/v1/payments"]


@both_ways
async def test_a_quiet_stream_that_breaks_is_not_opened_again(tmp_path: Path, way: str) -> None:
    """What happens in the gap would be missed: aiohttp must not ask again on its own."""
    subscribed = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal subscribed
        subscribed += 1
        if way == WEBSOCKET:
            await web.WebSocketResponse().prepare(request)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with asking(tmp_path, handle, way=way) as (client, _):
        assert (await lost(client)).cause is Interruption.UNREACHABLE
        assert subscribed == 1


async def test_a_line_that_is_dead_looks_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunked stream that is quiet asks for lnd's state: nobody answers, and the stream is lost."""
    monkeypatch.setattr(attended, "PING_S", 0.05)
    monkeypatch.setattr(attended, "PONG_S", 0.1)
    async with asking(tmp_path, hanging) as (client, server):
        trouble = await lost(client)
        assert (trouble.cause, "ping timeout" in trouble.advice) == (Interruption.UNREACHABLE, True)
        assert server.macaroons["/v1/state"] is None


@pytest.mark.parametrize("said", [b'{"state":"SERVER_ACTIVE"}', *NOWHERE])
async def test_a_quiet_stream_of_a_node_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Before its first word and after, lnd is asked again and again, and the stream goes on.

    An old lnd can't be asked for its state, but that it says so is a sign of life.
    """
    monkeypatch.setattr(attended, "PING_S", 0.02)
    asked = 0

    async def enough() -> bool:
        return asked >= 3

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if request.path == "/v1/state":
            asked += 1
            return web.Response(body=said, status=404 if said in NOWHERE else 200)
        response = web.StreamResponse()
        for half in (b'{"result":', b"{}}\n"):
            await until("lnd is asked again and again", enough)
            if not response.prepared:
                await response.prepare(request)
            await response.write(half)
            asked = 0
        await asyncio.Event().wait()
        return response

    async with asking(tmp_path, handle) as (client, _):
        assert (await anext(client.updates())).payment_hash == ""


async def test_a_websocket_whose_pings_are_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is lost half a heartbeat later."""
    monkeypatch.setattr(streams, "_HEARTBEAT_S", 0.2)

    async def deaf(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse(autoping=False)
        await opened.prepare(request)
        assert (await opened.receive()).type is WSMsgType.TEXT
        await asyncio.Event().wait()
        return opened

    async with asking(tmp_path, deaf, way=WEBSOCKET) as (client, _):
        start = time.monotonic()
        assert (await lost(client)).cause is Interruption.UNREACHABLE
        assert 0.2 < time.monotonic() - start < 5


async def test_the_kernel_probes_a_connection() -> None:
    """A minute after the last word, then for 20 s, as gRPC's pings."""
    made = line._socket((socket.AF_INET, socket.SOCK_STREAM, 0))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        values = [made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
        assert values == [60, 5, 4, 80_000]


@went_bad
async def test_files_that_went_bad(
    tmp_path: Path, name: str, content: bytes | None, state: NodeState, cure: str
) -> None:
    """The same as over gRPC."""
    async with asking(tmp_path, hanging) as (client, _):
        await refuses(client, tmp_path / name, content, state, cure)


@both_ways
async def test_a_certificate_that_is_another(tmp_path: Path, way: str) -> None:
    """lnd has a new one, or one that isn't made for the address: each has words of its own."""
    async with asking(tmp_path, hanging, way=way) as (client, _):
        (tmp_path / "tls.cert").write_bytes(credentials.certificate().certificate)
        await client.connect()
        trouble = await lost(client)
        assert (trouble.cause, "copy of its present tls.cert" in trouble.advice) == (Interruption.CERTIFICATE, True)
    async with asking(tmp_path, hanging, way=way, host="127.0.0.2") as (client, _):
        trouble = await lost(client)
        assert (trouble.cause, "tlsextradomain" in trouble.advice) == (Interruption.CERTIFICATE, True)


@both_ways
async def test_tls_where_there_is_none(tmp_path: Path, way: str) -> None:
    """What to write instead."""
    async with asking(tmp_path, hanging, tls=False) as (_, server):
        (tmp_path / "tls.cert").write_bytes(credentials.certificate().certificate)
        files = tmp_path / "tls.cert", tmp_path / "macaroon"
        client = RestClient(f"https://{server.address}", *files, websocket=way == WEBSOCKET)
        await client.connect()
        trouble = await lost(client)
        await client.close()
        assert (trouble.cause, "write http://" in trouble.advice) == (Interruption.CERTIFICATE, True), trouble.advice


@both_ways
async def test_without_tls(tmp_path: Path, way: str) -> None:
    """Only where the address says so: there is no certificate then, and none is looked at."""
    async with asking(tmp_path, saying(EMPTY), way=way, tls=False) as (client, _):
        (tmp_path / "tls.cert").unlink()
        assert await client.connect() is None
        assert (await anext(client.updates())).payment_hash == ""


@both_ways
async def test_through_a_proxy(tmp_path: Path, way: str) -> None:
    """It gets the name of lnd's host, not an address, and the certificate is still lnd's."""
    async with (
        asking(tmp_path, saying(EMPTY)) as (_, server),
        proxying(server.address, ("me", "p@ss")) as proxy,
    ):
        url = f"socks5://me:p%40ss@{proxy.address}"
        client = RestClient(
            "https://localhost:8080",
            tmp_path / "tls.cert",
            tmp_path / "macaroon",
            websocket=way == WEBSOCKET,
            proxy=url,
        )
        await client.connect()
        assert (await client.info(9)).pubkey == ""
        assert (await anext(client.updates())).payment_hash == ""
        assert set(proxy.asked) == {"localhost:8080"}
        await client.close()


@pytest.mark.parametrize(
    ("to", "user", "words"),
    [
        ("", None, "doesn't reach lnd"),
        ("", ("me", "another"), "wants another user or password"),
        (None, None, "can't be reached"),
    ],
)
async def test_a_proxy_that_does_not_help(
    tmp_path: Path, to: str | None, user: tuple[str, str] | None, words: str
) -> None:
    """What it says is told, its password isn't."""
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")
    async with proxying(to or "", user) as proxy:
        at = proxy.address if to is not None else "127.0.0.1:1"
        client = RestClient("http://lnd.example:8080", None, tmp_path / "macaroon", proxy=f"socks5://me:secret@{at}")
        await client.connect()
        trouble = await lost(client)
        await client.close()
        assert (trouble.cause, words in trouble.advice) == (Interruption.UNREACHABLE, True), trouble.advice
        assert "secret" not in trouble.advice


@both_ways
@pytest.mark.parametrize("words", [b"", b"\5", b"\5\0", b"\5\0\5\0", b"\4\0", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_proxy_that_hangs_up(tmp_path: Path, way: str, words: bytes) -> None:
    """It is stopped amid its own words, or is none: that is weather, too."""
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(words)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        proxy = "socks5://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        files = None, tmp_path / "macaroon"
        client = RestClient("http://lnd.example:8080", *files, websocket=way == WEBSOCKET, proxy=proxy)
        await client.connect()
        trouble = await lost(client)
        with pytest.raises(LndError):
            await client.info(9)
        await client.close()
    assert (trouble.cause, "the proxy: " in trouble.advice) == (Interruption.UNREACHABLE, True), trouble.advice
