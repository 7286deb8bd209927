"""lnd's REST, in detail: JSON, errors and WebSockets; the same on a real lnd and in the simulator."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Status
from exporter.simulator import rest_server
from tests.stories.lab import Lab
from tests.stories.world import World

UNKNOWN = base64.urlsafe_b64encode(bytes(range(32))).decode()
CLOSED_ABNORMALLY = 1006
NO_MACAROON = {"code": 2, "message": "expected 1 macaroon, got 0", "details": []}
NOT_FOUND = {"code": 5, "message": "Not Found", "details": []}
CANCELED = {"code": 1, "message": "context canceled", "details": []}
PING = b"are you there?"
NOT_INITIATED = {"code": 5, "message": "payment isn't initiated", "details": []}


@asynccontextmanager
async def session(lab: Lab, macaroon: str | None = "from the file") -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP client of a node's REST, with the exporter's macaroon or another one (hex; None: without)."""
    sent_macaroon = lab.macaroon.read_bytes().hex() if macaroon == "from the file" else macaroon
    headers = {} if sent_macaroon is None else {"Grpc-Metadata-Macaroon": sent_macaroon}
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(f"https://{lab.rest}", connector=connector, headers=headers) as client:
        yield client


async def receive_all(client: aiohttp.ClientSession, path: str, *, pong: bool = True) -> tuple[list[Any], int | None]:
    """Return all messages of a WebSocket and its close code; without `pong` the unanswered pings are included."""
    messages: list[Any] = []
    async with client.ws_connect(f"{path}?method=GET", autoping=pong) as socket:
        while (message := await socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
            text = message.type is aiohttp.WSMsgType.TEXT
            messages.append(json.loads(message.data) if text else bytes(message.data))
        return messages, socket.close_code


def json_types(message: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of each field of a message in JSON, for the fields that the exporter declares."""
    types: dict[str, Any] = {}
    for field in message.fields:
        inner = value[field.name]
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            types[field.name] = [json_types(field.message_type, inner[0])]
        elif isinstance(inner, dict) and field.name in ("route", "failure"):
            types[field.name] = json_types(field.message_type, inner)
        else:
            types[field.name] = type(inner).__name__
    return types


HOP = {
    "chan_id": "str",
    "pub_key": "str",
    "custom_records": "dict",
    "amp_record": "NoneType",
    "encrypted_data": "str",
}
ROUTE = {"total_time_lock": "int", "total_fees_msat": "str", "total_amt_msat": "str", "hops": [HOP]}
ATTEMPT = {
    "status": "str",
    "route": ROUTE,
    "attempt_time_ns": "str",
    "resolve_time_ns": "str",
    "failure": "NoneType",
    "attempt_id": "str",
}
PAYMENT = {
    "payment_hash": "str",
    "creation_date": "str",
    "value_msat": "str",
    "payment_request": "str",
    "status": "str",
    "fee_msat": "str",
    "creation_time_ns": "str",
    "htlcs": [ATTEMPT],
    "payment_index": "str",
    "failure_reason": "str",
}


async def test_json_of_a_payment(world: World) -> None:
    """Its strings, numbers and null are the same by hash over HTTP and WebSocket, and in the list."""
    alice = world.alice
    sending = await alice.pay(await alice.invoice(2_000, at="carol"), via="bob")
    assert (await sending.ended()).status is Status.SUCCEEDED
    path = f"/v2/router/track/{base64.urlsafe_b64encode(bytes.fromhex(sending.payment_hash)).decode()}"
    async with session(alice) as client:
        async with client.get(path) as answer:
            line = await answer.content.readline()
            assert await answer.content.read() == b"", "the stream ends with the payment"
        tracked = json.loads(line)["result"]
        assert json_types(rpc.Payment.DESCRIPTOR, tracked) == PAYMENT
        assert {tracked["status"], tracked["failure_reason"]} == {"SUCCEEDED", "FAILURE_REASON_NONE"}
        assert len(tracked["payment_preimage"]) == 64
        assert await receive_all(client, path) == ([{"result": tracked}], CLOSED_ABNORMALLY)
        async with client.get("/v1/payments", params={"max_payments": "1", "reversed": "true"}) as answer:
            page = await answer.json()
        assert page["payments"] == [tracked]
        assert page["last_index_offset"] == tracked["payment_index"]


@pytest.mark.parametrize(
    ("path", "macaroon", "status", "body"),
    [
        ("/v1/getinfo", None, 500, NO_MACAROON),
        ("/v2/router/payments", None, 500, {"error": NO_MACAROON}),
        ("/v1/getinfo", "zz", 500, {"code": 2, "message": "encoding/hex: invalid byte: U+007A 'z'", "details": []}),
        ("/v1/channels", "from the file", 500, {"code": 2, "message": "permission denied", "details": []}),
        (f"/v2/router/track/{UNKNOWN}", "from the file", 404, {"error": NOT_INITIATED}),
        ("/v2/nothing", "from the file", 404, NOT_FOUND),
        ("/v1/state", None, 200, {"state": "SERVER_ACTIVE"}),
    ],
)
async def test_errors_over_http(world: World, path: str, macaroon: str | None, status: int, body: object) -> None:
    """The error of a method with one answer is the body, that of a stream is under `error`; the state is public."""
    async with session(world.alice, macaroon) as client, client.get(path) as answer:
        assert (answer.status, json.loads(await answer.read())) == (status, body)


@pytest.mark.parametrize(
    ("path", "macaroon", "message"),
    [
        ("/v2/router/payments", None, {"error": NO_MACAROON}),
        (f"/v2/router/track/{UNKNOWN}", "from the file", {"error": NOT_INITIATED}),
        ("/v2/nothing", "from the file", NOT_FOUND),
    ],
)
async def test_errors_over_a_websocket(world: World, path: str, macaroon: str | None, message: object) -> None:
    """The WebSocket is opened, sends the error, and is closed without a close frame."""
    async with session(world.alice, macaroon) as client:
        assert await receive_all(client, path) == ([message], CLOSED_ABNORMALLY)


async def test_stream_without_payments_sends_no_headers(world: World) -> None:
    """So a client can't know that it is subscribed."""
    async with session(world.alice) as client:
        stream = asyncio.ensure_future(client.get("/v2/router/payments"))
        async with client.get("/v1/getinfo") as answer:
            assert answer.status == 200
        assert not stream.done()
        stream.cancel()
        await asyncio.wait({stream})


async def test_websocket_is_closed_after_an_unanswered_ping(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """lnd waits for 5 s."""
    monkeypatch.setattr(rest_server, "PING_S", 2.0)
    async with session(world.alice) as client:
        messages, code = await receive_all(client, "/v2/router/payments", pong=False)
        other = [message for message in messages if message != PING]
        assert (messages[0], code) == (PING, CLOSED_ABNORMALLY)
        assert other in ([], [{"error": CANCELED}]), "the error is not always sent"
