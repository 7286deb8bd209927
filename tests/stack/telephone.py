"""Whom Alertmanager calls: a web server that takes its messages, and the example's routes that lead to it."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiohttp import web

from tests.network.process import free_port

EXAMPLE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
Hear = Callable[[str, str, dict[str, str], dict[str, str]], None]
"""Receiver, `firing` or `resolved`, labels, annotations."""


class Telephone:
    """Every receiver of the example, on this machine."""

    def __init__(self, hear: Hear) -> None:
        """Call `hear` for each alert of each message."""
        self._hear = hear
        self._runner: web.AppRunner | None = None
        self._port = free_port()

    async def __aenter__(self) -> Self:
        """Listen."""
        app = web.Application()
        app.router.add_post("/{receiver}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        assert self._runner is not None
        await self._runner.cleanup()

    def example(self) -> dict[str, Any]:
        """The configuration that is shipped, but for the addresses of the receivers."""
        config: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
        names = [receiver["name"] for receiver in config["receivers"]]
        url = f"http://127.0.0.1:{self._port}"
        config["receivers"] = [
            {"name": name, "webhook_configs": [{"url": f"{url}/{name}", "send_resolved": True}]} for name in names
        ]
        return config

    async def _take(self, request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            self._hear(request.match_info["receiver"], alert["status"], alert["labels"], alert["annotations"])
        return web.Response()
