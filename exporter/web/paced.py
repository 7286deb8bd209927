"""Passes an answer on in small pieces, as fast as the client takes them, over TCP, TLS and Unix sockets alike."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

PIECE = 64 * 1024
"""Bytes given to the transport at once. Over TLS asyncio would encrypt and keep a whole page for each client that never
reads it, and not tell: it counts only what is not encrypted yet."""

Buffer = bytes | bytearray | memoryview


class PacedTransport(asyncio.Transport):
    """What a protocol writes to; keeps a view of each answer, not a copy, until the transport below is empty."""

    def __init__(self, below: asyncio.Transport, on_full: Callable[[], None], on_empty: Callable[[], None]) -> None:
        """Write to `below`; call `on_full` when something has to wait, `on_empty` when all is gone."""
        super().__init__()
        self._below = below
        self._on_full = on_full
        self._on_empty = on_empty
        self._pieces: deque[memoryview] = deque()
        self._held = False  # the transport below holds something back
        self._full = False
        self._closing = False
        # It calls `pause` as soon as anything waits, `resume` when nothing does. With 0 asyncio's TLS pauses always.
        below.set_write_buffer_limits(high=1, low=0)

    def pause(self) -> None:
        """Write no more: the transport below holds something back."""
        self._held = True
        self._tell()

    def resume(self) -> None:
        """Go on: the transport below is empty."""
        self._held = False
        self._pump()

    def write(self, data: Buffer) -> None:
        """Write, now or later."""
        if data and not self._closing:
            self._pieces.append(memoryview(data))
            self._pump()

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        """Write all of them at once: aiohttp gives headers and the beginning of a body."""
        self.write(b"".join(list_of_data))

    def _pump(self) -> None:
        while self._pieces and not self._held and not self._below.is_closing():
            first = self._pieces.popleft()
            if len(first) > PIECE:
                self._pieces.appendleft(first[PIECE:])
            self._below.write(first[:PIECE])
        self._tell()

    def _tell(self) -> None:
        full = bool(self._pieces) or self._held
        if full != self._full:
            self._full = full
            (self._on_full if full else self._on_empty)()
        if not full and self._closing and not self._below.is_closing():
            self._below.close()

    def is_closing(self) -> bool:
        """Return whether nothing more can be written."""
        return self._closing or self._below.is_closing()

    def close(self) -> None:
        """Close as soon as all is written."""
        if not self._closing:
            self._closing = True
            # If the client has left, asyncio's TLS (Python 3.12 and newer) may raise at any question but this one.
            if not self._below.is_closing() and self._below.is_reading():
                self._below.pause_reading()  # nobody needs more of it
            self._tell()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._pieces.clear()
        self._below.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport below knows: socket, peername, sslcontext, peercert."""
        return self._below.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """Return whether data is received."""
        return self._below.is_reading()

    def pause_reading(self) -> None:
        """Receive no more data."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Receive data again."""
        if not self._closing:
            self._below.resume_reading()
