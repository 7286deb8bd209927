"""A way for gRPC through a SOCKS5 proxy, which gRPC can't take by itself: a socket of our own that leads there."""

import asyncio
import tempfile
from contextlib import suppress
from urllib.parse import quote

from python_socks.async_.asyncio import Proxy

from exporter.lnd.client import LndError
from exporter.lnd.line import CONNECT_S, WEATHER, broken
from exporter.payments.labels import Interruption, NodeState

_CHUNK = 1 << 16  # bytes


class Tunnel:
    """Connections to a Unix socket that only this user can reach go on to one address through the proxy.

    TLS passes through.
    """

    def __init__(self, proxy: str, host: str, port: int) -> None:
        """`proxy` is `socks5://[USER:PASSWORD@]HOST:PORT`, and looks up `host`; an IPv6 address has no brackets."""
        self._proxy = proxy
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self.trouble: LndError | None = None
        """Why the last connection didn't get through; None if it did."""

    async def open(self) -> str:
        """Open the socket; its name, as gRPC wants it. Raises `LndError` where none can be made."""
        try:
            self._directory = tempfile.TemporaryDirectory(prefix="lnd-payments-")
            path = f"{self._directory.name}/lnd"
            self._server = await asyncio.start_unix_server(self._connected, path)
        except OSError as error:
            advice = (
                f"the way to the proxy needs a directory for temporary files ({error.strerror or error}): set TMPDIR"
            )
            raise LndError(Interruption.OTHER, NodeState.UNREACHABLE, advice) from None
        return f"unix:{quote(path)}"  # gRPC reads it as part of a URL

    async def close(self) -> None:
        """Cut all connections."""
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

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead it on in a task of our own: before Python 3.12 asyncio's may not be cancelled."""
        writers = [writer]
        connection = asyncio.create_task(self._lead(reader, writers))
        self._connections[connection] = writers
        connection.add_done_callback(self._connections.pop)

    async def _lead(self, reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]) -> None:
        """One connection, to its end; whatever must be closed is in `writers`."""
        try:
            proxy = Proxy.from_url(self._proxy, rdns=True)
            socket = await proxy.connect(self._host, self._port, timeout=CONNECT_S)
            self.trouble = None
            there, forth = await asyncio.open_connection(sock=socket)
            writers.append(forth)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, forth))
                group.create_task(_pass(there, writers[0]))
        except WEATHER as error:
            self.trouble = broken(error)
        finally:
            for writer in writers:
                writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes here goes there, the end, too."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
