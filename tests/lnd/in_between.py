"""A server in lnd's place: it has any certificate, and answers by itself as a reverse proxy does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLObject
from typing import Any

from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.lnd.client import DetailedClient
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.simulator.credentials import Certificate
from exporter.simulator.rest_server import server_tls_context

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
ACK, END_STREAM, END_HEADERS = 1, 1, 4


@dataclass
class Between:
    """A server that gives every request the same answer."""

    status: int = 200
    page: bytes = b""
    cut: bool = False
    """Reset the stream (HTTP/2) instead of ending it."""
    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    """All bytes that clients sent."""
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections.append(writer)
        session: Any = writer.get_extra_info("ssl_object")
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            if isinstance(session, SSLObject) and session.selected_alpn_protocol() == "h2":
                await self._http2(reader, writer)
            else:
                self.received += await reader.readuntil(b"\r\n\r\n")
                head = b"HTTP/1.1 %d Of The Proxy\r\nContent-Type: text/html\r\n" % self.status
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(self.page) + self.page)
        writer.close()

    async def _http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PREFACE))
        writer.write(frame(SETTINGS))
        while True:
            header = await reader.readexactly(9)
            body = await reader.readexactly(int.from_bytes(header[:3], "big"))
            self.received += header + body
            kind, flags, stream = header[3], header[4], int.from_bytes(header[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                writer.write(frame(SETTINGS, ACK))
            elif kind == HEADERS:
                ends = not self.page and not self.cut
                # HPACK, RFC 7541: `:status` (8) and `content-type` (31), each with a value of its own.
                block = b"\x08\x03%d\x0f\x10\x09text/html" % self.status
                writer.write(frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block))
                if self.page:
                    writer.write(frame(DATA, END_STREAM, stream, self.page))
                elif self.cut:
                    writer.write(frame(RST_STREAM, 0, stream, (2).to_bytes(4, "big")))


def frame(kind: int, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    """Return a frame of HTTP/2 (RFC 9113)."""
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


@asynccontextmanager
async def between(server: Between, certificate: Certificate) -> AsyncIterator[Between]:
    """Run the server with this certificate."""
    context = server_tls_context(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as running:
        server.port = running.sockets[0].getsockname()[1]
        yield server
        for connection in server.connections:  # gRPC may keep one open; Python 3.12 and newer wait for the end of each
            connection.transport.abort()


def client(transport: str, port: int, home: Path, trusted: bytes, host: str = "127.0.0.1") -> DetailedClient:
    """Return a client that trusts this certificate."""
    (home / "tls.cert").write_bytes(trusted)
    (home / "macaroon").write_bytes(b"\2\1\3lnd")
    files = home / "tls.cert", home / "macaroon"
    if transport == GRPC:
        return GrpcClient(f"{host}:{port}", *files)
    return RestClient(f"https://{host}:{port}", *files, websocket=transport == WEBSOCKET)
