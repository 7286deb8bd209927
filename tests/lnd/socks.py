"""A SOCKS5 proxy for tests: it forwards every connection to one address, and records the requested ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

NO_USER, PASSWORD, REFUSED = 0, 2, 0xFF
BY_NAME = 3
OK, UNREACHABLE = 0, 4


@dataclass
class Proxy:
    """A running proxy."""

    to: str
    """HOST:PORT to which all connections are forwarded; empty if the proxy can't reach lnd."""
    user: tuple[str, str] | None = None
    """User and password that it accepts; None: it wants none."""
    address: str = ""
    requested: list[str] = field(default_factory=list)
    """HOST:PORT of each connection, as the client sent it."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if await self._authenticate(reader, writer):
                await self._connect(reader, writer)
        self._open.remove(writer)
        writer.close()

    async def _authenticate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handle the first messages (RFC 1928 section 3, RFC 1929); return True if the client may go on."""
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wanted = PASSWORD if self.user else NO_USER
        writer.write(bytes([5, wanted if wanted in offered else REFUSED]))
        if not self.user:
            return wanted in offered
        _, length = await reader.readexactly(2)
        name = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        known = (name.decode(), password.decode()) == self.user
        writer.write(bytes([1, 0 if known else 1]))
        return known

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle the request to connect (RFC 1928 sections 4 to 6), then forward."""
        _, _, _, kind, length = await reader.readexactly(5)
        assert kind == BY_NAME, "the proxy must resolve the name"
        host = (await reader.readexactly(length)).decode()
        self.requested.append(f"{host}:{int.from_bytes(await reader.readexactly(2))}")
        writer.write(bytes([5, OK if self.to else UNREACHABLE, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self.to:
            host, port = self.to.split(":")
            from_lnd, to_lnd = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pipe(reader, to_lnd), pipe(from_lnd, writer))


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy everything from reader to writer, then close the writer."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(to: str, user: tuple[str, str] | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy."""
    proxy = Proxy(to, user)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    try:
        yield proxy
    finally:
        server.close()
