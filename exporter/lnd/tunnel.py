"""A tunnel for gRPC through a SOCKS5 proxy, which gRPC doesn't support: a local socket that forwards to lnd."""

import asyncio
import tempfile
from contextlib import suppress
from urllib.parse import quote

from python_socks.async_.asyncio import Proxy

from exporter.lnd import proxy_errors
from exporter.lnd.client import LndError
from exporter.lnd.network_errors import CONNECT_S
from exporter.lnd.proxy_errors import CONNECTION_ERRORS
from exporter.payments.labels import Interruption, NodeState

_CHUNK = 1 << 16  # bytes


class Tunnel:
    """A Unix socket that only this user can open; its connections are forwarded to one address through the proxy.

    TLS is between gRPC and lnd: it passes through.
    """

    def __init__(self, proxy: str, host: str, port: int) -> None:
        """`proxy` is `socks5://[USER:PASSWORD@]HOST:PORT` and resolves `host`; an IPv6 address has no brackets."""
        self._proxy = proxy
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self.error: LndError | None = None
        """Why the last attempt to connect failed; None if it succeeded."""

    async def open(self) -> str:
        """Create the socket and return its gRPC target; raises `LndError` if it can't be created."""
        try:
            self._directory = tempfile.TemporaryDirectory(prefix="lnd-payments-")
            path = f"{self._directory.name}/lnd"
            self._server = await asyncio.start_unix_server(self._accept, path)
        except OSError as error:
            advice = (
                "connecting through a proxy needs a directory for temporary files "
                f"({error.strerror or error}): set TMPDIR"
            )
            raise LndError(Interruption.OTHER, NodeState.UNREACHABLE, advice) from None
        return f"unix:{quote(path)}"  # gRPC parses it as part of a URL

    async def close(self) -> None:
        """Cut all connections and remove the socket."""
        if self._server is not None:
            self._server.close()
        for connection, writers in self._connections.items():
            connection.cancel()
            for writer in writers:
                writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections)
        if self._directory is not None:
            self._directory.cleanup()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection in a task of our own: before Python 3.12 asyncio's own must not be cancelled."""
        writers = [writer]
        connection = asyncio.create_task(self._forward(reader, writers))
        self._connections[connection] = writers
        connection.add_done_callback(self._connections.pop)

    async def _forward(self, reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]) -> None:
        """Forward one connection until it ends; `writers` holds everything that must be closed then."""
        try:
            proxy = Proxy.from_url(self._proxy, rdns=True)
            socket = await proxy.connect(self._host, self._port, timeout=CONNECT_S)
            self.error = None
            from_lnd, to_lnd = await asyncio.open_connection(sock=socket)
            writers.append(to_lnd)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, to_lnd))
                group.create_task(_copy(from_lnd, writers[0]))
        except CONNECTION_ERRORS as error:
            self.error = proxy_errors.from_exception(error)
        finally:
            for writer in writers:
                writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy everything from reader to writer, then close the writer."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
