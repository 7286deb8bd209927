"""Sends samples to a remote-write receiver (protocol 1.0), one request after the other, until it has accepted all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import aiohttp

from exporter.backfill.remote_answer import RemoteWriteError, TryAgain, judge, network_error, sentence
from exporter.backfill.remote_request import Series, requests
from exporter.backfill.remote_session import NETWORK_ERRORS, open_session, options, read_some
from exporter.config.httpmodel import RemoteWriteConfig
from exporter.follow.backoff import Backoff
from exporter.text import format_duration

__all__ = ["RemoteWriteError", "RemoteWriter", "Series"]

PATIENCE_S = 300.0
"""How long a request is tried again, seconds."""
TIMEOUT_S = 60.0
"""How long one try may take, seconds: the connection, the request and the answer."""
LONGEST_DELAY_S = 30.0
"""The longest delay between two tries if the receiver asks for none, seconds."""
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_READ = 4096
"""Bytes of an answer that are read: its first line is quoted."""


class RemoteWriter:
    """Writes series to one receiver, inside an `async with`, or until `close`.

    A try whose answer got lost is repeated, so the receiver may get the same samples twice, which
    changes no increase.
    """

    def __init__(
        self,
        config: RemoteWriteConfig,
        *,
        note: Callable[[str], None] = lambda _: None,
        patience_s: float = PATIENCE_S,
        timeout_s: float = TIMEOUT_S,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`note` gets a line when a request has to be tried again, once until it is accepted; `pause` waits."""
        self.samples = 0
        """Samples that were accepted."""
        self._config = config
        self._note = note
        self._patience_s, self._timeout_s = patience_s, timeout_s
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Prepare, if it isn't yet; nothing is sent. Raises `InvalidValue` if OpenSSL doesn't take the TLS settings."""
        if self._session is None:
            self._session = open_session(self._config, self._timeout_s)

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def write(self, series: Sequence[Series]) -> None:
        """Return when the receiver has accepted all of these samples.

        Raises `RemoteWriteError` with one line: it may then have accepted a part of them, the first ones.
        """
        await self.open()
        for body, samples in requests(series):
            await self._deliver(body)
            self.samples += samples

    async def _deliver(self, body: bytes) -> None:
        """Send one request, and send it again while that may help."""
        clock = asyncio.get_running_loop().time
        backoff, spent_s = Backoff(max_s=LONGEST_DELAY_S), 0.0
        while True:
            begun_s = clock()
            try:
                return await self._send(body)
            except TryAgain as error:
                delay_s = max(backoff.delay_s(0, 0), error.after_s or 0)
                spent_s += clock() - begun_s + delay_s
                if spent_s > self._patience_s:
                    raise RemoteWriteError(self._gave_up(error)) from None
                if backoff.failures == 1:
                    limit = format_duration(round(self._patience_s))
                    self._note(f"{self._config.shown}: {error.why}; trying again for up to {limit}")
            await self._pause(delay_s)

    async def _send(self, body: bytes) -> None:
        """Send one request once; raises `TryAgain` or `RemoteWriteError`."""
        assert self._session is not None, "not open"
        try:
            async with self._session.post(
                self._config.url, data=body, headers=_HEADERS, **options(self._config)
            ) as response:
                said = await read_some(response, _READ)
        except NETWORK_ERRORS as error:
            raise network_error(self._config, error) from None
        judge(self._config, response.status, response.headers, said)

    def _gave_up(self, error: TryAgain) -> str:
        wants = f" and wants to be left alone for {format_duration(round(error.after_s))}" if error.after_s else ""
        return (
            f"{self._config.shown}: {sentence(error.why + wants)} It was tried for up to"
            f" {format_duration(round(self._patience_s))}: see whether it runs, and isn't overloaded."
        )
