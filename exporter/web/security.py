"""Who gets an answer: client certificates, rate limit, passwords, and headers, as the web file says."""

import ssl
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import hdrs

from exporter.config.webmodel import WebFile
from exporter.web import aiohttp_web as web
from exporter.web.passwords import Passwords, Verdict
from exporter.web.ratelimit import TokenBucket

if TYPE_CHECKING:
    from exporter.web.watchedfile import WatchedFile

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEALTH = ("/-/healthy", "/-/ready")
"""The pages that `--web.health-without-password` frees."""


class WebSecurity:
    """The web file in force. Each connection and each request looks whether it has changed."""

    def __init__(
        self,
        path: Path | None,
        *,
        health_without_password: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file; without one everybody gets everything. Raises `ConfigError` if it can't be used."""
        self._watched = _watched(path, clock) if path else None
        self._free = HEALTH if health_without_password else ()
        self._clock = clock
        self._passwords = Passwords()
        self._bucket: TokenBucket | None = None
        self._apply(self._watched.file if self._watched else WebFile())

    def tls(self) -> ssl.SSLContext | None:
        """Return the context for the next connection, with the newest certificate; None without TLS. Never raises."""
        self._current()
        return self._watched.context if self._watched else None

    def held_back(self) -> bool:
        """Return whether older content is in force, because what is in the file now can't be used without a restart."""
        self._current()
        return self._watched is not None and self._watched.held_back

    def protect(self, app: web.Application) -> None:
        """Let nothing out of the application past this object; its own middlewares come before."""
        app.middlewares.append(self.middleware)
        app.on_response_prepare.append(self.add_headers)
        app.on_shutdown.append(self._stop)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or refuse it. As in other exporters the rate limit comes before the password."""
        file = self._current()
        if not _has_allowed_name(file, request):
            refusal = _refusal(HTTPStatus.FORBIDDEN)
            refusal.force_close()
            return refusal
        if self._bucket is not None and not self._bucket.take():
            return _refusal(HTTPStatus.TOO_MANY_REQUESTS)
        if file.users and request.path not in self._free:
            verdict = await self._passwords.check(file.users, request.headers.get(hdrs.AUTHORIZATION))
            if verdict is Verdict.BUSY:
                return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, {hdrs.RETRY_AFTER: "1"})
            if verdict is Verdict.WRONG:
                return _refusal(HTTPStatus.UNAUTHORIZED, {hdrs.WWW_AUTHENTICATE: "Basic"})
        return await handler(request)

    async def add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Add the headers of the file to a response, also to refusals and errors; they replace the page's own."""
        if self._watched:
            response.headers.update(self._watched.file.headers)

    def _current(self) -> WebFile:
        if self._watched is None:
            return WebFile()
        if self._watched.refresh():
            self._apply(self._watched.file)
        return self._watched.file

    def _apply(self, file: WebFile) -> None:
        self._passwords.keep_only(file.users)
        if file.rate_limit is None:
            self._bucket = None
        elif self._bucket is None or self._bucket.limit != file.rate_limit:
            self._bucket = TokenBucket(file.rate_limit, self._clock)

    async def _stop(self, _: web.Application) -> None:
        self._passwords.close()


def _watched(path: Path, clock: Callable[[], float]) -> "WatchedFile":
    from exporter.web.watchedfile import WatchedFile  # noqa: PLC0415 - yaml and cryptography take 9 MB

    return WatchedFile(path, clock)


def _has_allowed_name(file: WebFile, request: web.Request) -> bool:
    """Return whether the client's certificate has one of the allowed names, if there are any."""
    clients = file.tls.clients if file.tls else None
    if clients is None or clients.allowed_names is None:
        return True
    from exporter.web.clientnames import names_of  # noqa: PLC0415 - cryptography

    connection = request.transport.get_extra_info("ssl_object") if request.transport else None
    certificate = connection.getpeercert(binary_form=True) if connection else None
    return certificate is not None and not clients.allowed_names.isdisjoint(names_of(certificate))


def _refusal(status: HTTPStatus, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{status.value}: {status.phrase}", headers=headers)
