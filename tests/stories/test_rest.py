"""What lnd's REST says, word by word, and how its WebSockets end: of the real one and of the simulator."""

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
from exporter.simulator import gateway
from tests.stories.lab import Lab
from tests.stories.world import World

UNKNOWN = base64.urlsafe_b64encode(bytes(range(32))).decode()
ENDED = 1006
NO_MACAROON = {"code": 2, "message": "expected 1 macaroon, got 0", "details": []}
NOT_FOUND = {"code": 5, "message": "Not Found", "details": []}
CANCELED = {"code": 1, "message": "context canceled", "details": []}
PING = b"are you there?"
NOT_INITIATED = {"code": 5, "message": "payment isn't initiated", "details": []}


@asynccontextmanager
async def session(lab: Lab, macaroon: str | None = "from the file") -> AsyncIterator[aiohttp.ClientSession]:
    """A bare client of a node's REST."""
    sent = lab.macaroon.read_bytes().hex() if macaroon == "from the file" else macaroon
    headers = {} if sent is None else {"Grpc-Metadata-Macaroon": sent}
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(f"https://{lab.rest}", connector=connector, headers=headers) as client:
        yield client


async def heard(client: aiohttp.ClientSession, path: str, *, answering: bool = True) -> tuple[list[Any], int | None]:
    """All messages of a WebSocket and its close code; pings among them as bytes, unless they are answered."""
    messages: list[Any] = []
    async with client.ws_connect(f"{path}?method=GET", autoping=answering) as socket:
        while (message := await socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
            text = message.type is aiohttp.WSMsgType.TEXT
            messages.append(json.loads(message.data) if text else bytes(message.data))
        return messages, socket.close_code


def kinds(message: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Of what kind each value is in JSON, of the fields that we read."""
    found: dict[str, Any] = {}
    for field in message.fields:
        value = said[field.name]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found[field.name] = [kinds(field.message_type, value[0])]
        elif isinstance(value, dict) and field.name in ("route", "failure"):
            found[field.name] = kinds(field.message_type, value)
        else:
            found[field.name] = type(value).__name__
    return found


HOP = {"pub_key": "str", "custom_records": "dict", "amp_record": "NoneType"}
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


async def test_a_payment_in_json(world: World) -> None:
    """Which values are strings, which are numbers, what is null; by hash over HTTP and WebSocket, and in the list."""
    alice = world.alice
    sending = await alice.pay(await alice.invoice(2_000, at="carol"), via="bob")
    assert (await sending.ended()).status is Status.SUCCEEDED
    path = f"/v2/router/track/{base64.urlsafe_b64encode(bytes.fromhex(sending.payment_hash)).decode()}"
    async with session(alice) as client:
        async with client.get(path) as answer:
            line = await answer.content.readline()
            assert await answer.content.read() == b"", "it ends with the end of the payment"
        tracked = json.loads(line)["result"]
        assert kinds(rpc.Payment.DESCRIPTOR, tracked) == PAYMENT
        assert {tracked["status"], tracked["failure_reason"]} == {"SUCCEEDED", "FAILURE_REASON_NONE"}
        assert len(tracked["payment_preimage"]) == 64
        assert await heard(client, path) == ([{"result": tracked}], ENDED)
        async with client.get("/v1/payments", params={"max_payments": "1", "reversed": "true"}) as answer:
            page = await answer.json()
        assert page["payments"] == [tracked]
        assert page["last_index_offset"] == tracked["payment_index"]


@pytest.mark.parametrize(
    ("path", "macaroon", "status", "said"),
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
async def test_refusals(world: World, path: str, macaroon: str | None, status: int, said: object) -> None:
    """A single answer is refused by an error, a stream by an error under `error`; the state needs no macaroon."""
    async with session(world.alice, macaroon) as client, client.get(path) as answer:
        assert (answer.status, json.loads(await answer.read())) == (status, said)


@pytest.mark.parametrize(
    ("path", "macaroon", "said"),
    [
        ("/v2/router/payments", None, {"error": NO_MACAROON}),
        (f"/v2/router/track/{UNKNOWN}", "from the file", {"error": NOT_INITIATED}),
        ("/v2/nothing", "from the file", NOT_FOUND),
    ],
)
async def test_refusals_of_a_websocket(world: World, path: str, macaroon: str | None, said: object) -> None:
    """It opens all the same, says why, and ends without a farewell."""
    async with session(world.alice, macaroon) as client:
        assert await heard(client, path) == ([said], ENDED)


async def test_a_quiet_stream_says_nothing(world: World) -> None:
    """Not even headers."""
    async with session(world.alice) as client:
        asking = asyncio.ensure_future(client.get("/v2/router/payments"))
        async with client.get("/v1/getinfo") as answer:
            assert answer.status == 200
        assert not asking.done()
        asking.cancel()
        await asyncio.wait({asking})


async def test_pings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebSocket is pinged, and given up where nobody answers within 5 s."""
    monkeypatch.setattr(gateway, "PING_S", 2.0)
    async with session(world.alice) as client:
        messages, code = await heard(client, "/v2/router/payments", answering=False)
        said = [message for message in messages if message != PING]
        assert (messages[0], code) == (PING, ENDED)
        assert said in ([], [{"error": CANCELED}]), "it may say why"
