"""`POST /-/reload`: read the configuration again, if the lifecycle API is switched on."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from exporter.web import aiohttp_web as web

PATH = "/-/reload"
_DISABLED = "Lifecycle API is not enabled.\n"


class ReloadResult(NamedTuple):
    """What became of a reload."""

    successful: bool
    text: str
    """A few lines for a person: what has changed, or why nothing has."""


ReloadHandler = Callable[[], Awaitable[ReloadResult]]
"""Reloads the configuration, and returns when that is done."""


def add_lifecycle(app: web.Application, reload: ReloadHandler | None) -> None:
    """Add the route, for POST and PUT as Prometheus has it; without `reload` it is forbidden. It reads no body."""

    async def answer(_: web.Request) -> web.Response:
        if reload is None:
            return web.Response(status=403, text=_DISABLED)
        result = await reload()
        return web.Response(status=200 if result.successful else 500, text=result.text)

    app.router.add_post(PATH, answer)
    app.router.add_put(PATH, answer)
