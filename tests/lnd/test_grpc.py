"""The client over gRPC: what it sends, and how it takes answers that no lnd would give."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from exporter.lnd.client import Client, LndError
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator import credentials

MIB = 1024 * 1024
VERSION = b"\xa0\x03\x02\x01"
"""The bytes in front of the version in a certificate (DER)."""


damaged_files = pytest.mark.parametrize(
    ("name", "content", "state", "advice"),
    [
        ("macaroon", None, NodeState.DENIED, "put lnd's file back"),
        ("macaroon", b"", NodeState.DENIED, "copy it from lnd again"),
        ("macaroon", b"no macaroon", NodeState.DENIED, "is not a macaroon"),
        ("macaroon", b"0201036c6e6", NodeState.DENIED, "is not a macaroon"),
        ("tls.cert", None, NodeState.UNREACHABLE, "put lnd's file back"),
        ("tls.cert", b"", NodeState.UNREACHABLE, "copy it from lnd again"),
        ("tls.cert", b"no certificate", NodeState.UNREACHABLE, "copy lnd's tls.cert"),
    ],
)


async def assert_damage_is_reported(
    client: Client, path: Path, content: bytes | None, state: NodeState, advice: str
) -> None:
    """Replace or remove a file: `connect` fails with its path and with advice."""
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LndError) as error:
        await client.connect()
    assert (error.value.state, str(path) in error.value.advice) == (state, True)
    assert advice in error.value.advice


class Server:
    """Answers every call with the same bytes, and records the metadata of each."""

    def __init__(self, answer: bytes | None) -> None:
        """`answer` need not be a valid message; with None calls end with status OK and no message."""
        self.answer = answer
        self.metadata: dict[str, dict[str, object]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return a handler, whatever the method."""
        self.metadata[details.method] = dict(details.invocation_metadata or ())

        async def unary(request: bytes, context: object) -> bytes | None:
            return self.answer

        async def stream(request: bytes, context: object) -> AsyncIterator[bytes]:
            if self.answer is not None:
                yield self.answer

        if self.answer is None or details.method.rpartition("/")[2] in (
            "TrackPayments",
            "TrackPaymentV2",
            "SubscribeState",
        ):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)


@asynccontextmanager
async def connected(tmp_path: Path, answer: bytes | None) -> AsyncIterator[tuple[GrpcClient, Server]]:
    """Connect a client to a server that gives this answer."""
    made = credentials.certificate()
    cert, macaroon = tmp_path / "tls.cert", tmp_path / "macaroon"
    cert.write_bytes(made.certificate)
    macaroon.write_bytes(b"\2\1\3lnd")
    options = (("grpc.max_send_message_length", -1),)
    server, handler = grpc.aio.server(options=options), Server(answer)
    server.add_generic_rpc_handlers((handler,))  # type: ignore[arg-type]  # it has the one method that is needed
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(made.key, made.certificate)]))
    await server.start()
    client = GrpcClient(f"127.0.0.1:{port}", cert, macaroon)
    try:
        assert await client.connect() is not None
        yield client, handler
    finally:
        await client.close()
        await server.stop(None)


async def test_malformed_bytes_are_a_malformed_update_or_an_error(tmp_path: Path) -> None:
    """No answer can end the exporter. Only an update is malformed; for any other call it is an error."""
    async with connected(tmp_path, b"\xff\xff\xff") as (client, _):
        updates = client.updates()
        assert (await anext(updates)).payment_hash == ""
        with pytest.raises(LndError) as lost:
            await anext(updates)
        assert lost.value.cause is Interruption.ENDED
        for call in (client.info(9), client.channels(), client.payments(), client.payment("ab" * 32)):
            with pytest.raises(LndError, match="is the address right"):
                await call
        with pytest.raises(LndError, match="is the address right"):
            await anext(client.states())


async def test_status_ok_without_a_message_is_an_error(tmp_path: Path) -> None:
    """A proxy may answer so."""
    async with connected(tmp_path, None) as (client, _):
        for call in (client.info(9), client.channels(), client.payments()):
            with pytest.raises(LndError, match="is the address right"):
                await call
        with pytest.raises(LndError) as ended:
            await client.payment("ab" * 32)
        assert ended.value.cause is Interruption.ENDED


async def test_page_of_more_than_4_mib(tmp_path: Path) -> None:
    """That is gRPC's default limit; a page of payments may be larger."""
    payment = rpc.Payment(payment_hash="ab" * 32, payment_request="x" * 5 * MIB)
    async with connected(tmp_path, rpc.ListPaymentsResponse(payments=[payment]).SerializeToString()) as (client, _):
        (listed,) = (await client.payments()).payments
        assert listed.payment_hash == "ab" * 32


async def test_macaroon_is_sent_with_every_call_except_for_the_state(tmp_path: Path) -> None:
    """In hex, as lnd wants it."""
    async with connected(tmp_path, b"") as (client, server):
        await client.info(9)
        await client.payments()
        await client.payment("ab" * 32)
        assert await anext(client.states()) is NodeState.NO_WALLET
        assert (await anext(client.updates())).payment_hash == ""
        assert {method: metadata.get("macaroon") for method, metadata in server.metadata.items()} == {
            "/lnrpc.Lightning/GetInfo": "0201036c6e64",
            "/lnrpc.Lightning/ListPayments": "0201036c6e64",
            "/routerrpc.Router/TrackPaymentV2": "0201036c6e64",
            "/routerrpc.Router/TrackPayments": "0201036c6e64",
            "/lnrpc.State/SubscribeState": None,
        }


@damaged_files
async def test_damaged_file_is_reported_with_its_path(
    tmp_path: Path, name: str, content: bytes | None, state: NodeState, advice: str
) -> None:
    """Both files are read again for every connection."""
    async with connected(tmp_path, b"") as (client, _):
        await assert_damage_is_reported(client, tmp_path / name, content, state, advice)


async def test_certificate_of_unknown_version_is_an_error(tmp_path: Path) -> None:
    """OpenSSL reads it: another error than for other damage."""
    async with connected(tmp_path, b"") as (client, _):
        path = tmp_path / "tls.cert"
        der = bytearray(x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER))
        der[der.index(VERSION) + len(VERSION)] = 7
        path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
        with pytest.raises(LndError, match="is not a certificate"):
            await client.connect()
