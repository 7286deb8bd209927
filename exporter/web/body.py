"""The body of an answer that many clients share, without a copy for each."""

from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from exporter.web.paced import PIECE

WITH_HEADERS = PIECE - 4096
"""Bytes sent at once with the headers. With the whole body aiohttp would make a copy of a large one for each client."""


class SharedBody(Payload):
    """Bytes that are written as they are; `PacedTransport` keeps a view of them until the client has taken them."""

    _default_content_type = "text/plain"

    def __init__(self, value: bytes, *args: Any, **kwargs: Any) -> None:
        """Take the bytes; they are never changed."""
        super().__init__(value, *args, **kwargs)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return them as text."""
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write them."""
        view = memoryview(self._value)
        await writer.write(view[:WITH_HEADERS])
        if len(view) > WITH_HEADERS:
            await writer.write(view[WITH_HEADERS:])
