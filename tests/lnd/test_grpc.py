"""Asking over gRPC: what goes over the wire, and answers that no lnd would give."""

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
"""What stands before the version in a certificate (DER)."""


went_bad = pytest.mark.parametrize(
    ("name", "content", "state", "cure"),
    [
        ("macaroon", None, NodeState.DENIED, "put lnd's file back"),
        ("macaroon", b"", NodeState.DENIED, "copy it from lnd again"),
        ("macaroon", b"no macaroon", NodeState.DENIED, "is no macaroon"),
        ("macaroon", b"0201036c6e6", NodeState.DENIED, "is no macaroon"),
        ("tls.cert", None, NodeState.UNREACHABLE, "put lnd's file back"),
        ("tls.cert", b"", NodeState.UNREACHABLE, "copy it from lnd again"),
        ("tls.cert", b"no certificate", NodeState.UNREACHABLE, "copy lnd's tls.cert"),
    ],
)


async def refuses(client: Client, path: Path, content: bytes | None, state: NodeState, cure: str) -> None:
    """A file goes bad, or vanishes: no connection is made, and it is said why."""
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LndError) as trouble:
        await client.connect()
    assert (trouble.value.state, str(path) in trouble.value.advice) == (state, True)
    assert cure in trouble.value.advice


class Server:
    """Answers every call with the same bytes, and remembers the metadata of each."""

    def __init__(self, answer: bytes | None) -> None:
        """Bytes that may be a message or not; None answers nothing at all, with status OK."""
        self.answer = answer
        self.metadata: dict[str, dict[str, object]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Whatever is called."""
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
async def asking(tmp_path: Path, answer: bytes | None) -> AsyncIterator[tuple[GrpcClient, Server]]:
    """A client that is connected to such a server."""
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


async def test_bytes_that_are_no_message(tmp_path: Path) -> None:
    """Nothing that answers can end the exporter: an update is malformed, any other answer is trouble."""
    async with asking(tmp_path, b"\xff\xff\xff") as (client, _):
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


async def test_no_message_at_all(tmp_path: Path) -> None:
    """Status OK without an answer, as a proxy may give it, is trouble, too."""
    async with asking(tmp_path, None) as (client, _):
        for call in (client.info(9), client.channels(), client.payments()):
            with pytest.raises(LndError, match="is the address right"):
                await call
        with pytest.raises(LndError) as ended:
            await client.payment("ab" * 32)
        assert ended.value.cause is Interruption.ENDED


async def test_a_page_larger_than_grpc_likes(tmp_path: Path) -> None:
    """gRPC's own limit is 4 MiB; a page of payments may have more."""
    payment = rpc.Payment(payment_hash="ab" * 32, payment_request="x" * 5 * MIB)
    async with asking(tmp_path, rpc.ListPaymentsResponse(payments=[payment]).SerializeToString()) as (client, _):
        (listed,) = (await client.payments()).payments
        assert listed.payment_hash == "ab" * 32


async def test_the_macaroon_goes_with_every_call_but_one(tmp_path: Path) -> None:
    """As lnd wants it, in hex; the state is asked without."""
    async with asking(tmp_path, b"") as (client, server):
        await client.info(9)
        await client.payments()
        await client.payment("ab" * 32)
        assert await anext(client.states()) is NodeState.NO_WALLET
        assert (await anext(client.updates())).payment_hash == ""
        assert {method: asked.get("macaroon") for method, asked in server.metadata.items()} == {
            "/lnrpc.Lightning/GetInfo": "0201036c6e64",
            "/lnrpc.Lightning/ListPayments": "0201036c6e64",
            "/routerrpc.Router/TrackPaymentV2": "0201036c6e64",
            "/routerrpc.Router/TrackPayments": "0201036c6e64",
            "/lnrpc.State/SubscribeState": None,
        }


@went_bad
async def test_files_that_went_bad(
    tmp_path: Path, name: str, content: bytes | None, state: NodeState, cure: str
) -> None:
    """Both files are read at every connection; what is wrong with one is named with its path."""
    async with asking(tmp_path, b"") as (client, _):
        await refuses(client, tmp_path / name, content, state, cure)


async def test_a_certificate_of_no_known_version(tmp_path: Path) -> None:
    """A damaged file is trouble, however it is damaged."""
    async with asking(tmp_path, b"") as (client, _):
        path = tmp_path / "tls.cert"
        der = bytearray(x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER))
        der[der.index(VERSION) + len(VERSION)] = 7
        path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
        with pytest.raises(LndError, match="is no certificate"):
            await client.connect()
