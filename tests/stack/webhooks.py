"""A web server for Alertmanager's notifications, and the example configuration with it as every receiver."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiohttp import web

from tests.network.process import free_port

EXAMPLE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
OnAlert = Callable[[str, str, dict[str, str], dict[str, str]], None]
"""Called with the receiver, `firing` or `resolved`, labels, annotations."""
OnMessage = Callable[[str, str, list[dict[str, str]]], None]
"""Called with the receiver, `firing` or `resolved`, and the labels of each alert of a message."""


class WebhookServer:
    """A web server on this machine that stands for every receiver of the example configuration."""

    def __init__(self, on_alert: OnAlert, on_message: OnMessage = lambda *_: None) -> None:
        """Call `on_message` for each message, and `on_alert` for each alert in it."""
        self._on_alert = on_alert
        self._on_message = on_message
        self._runner: web.AppRunner | None = None
        self._port = free_port()

    async def __aenter__(self) -> Self:
        """Start to listen."""
        app = web.Application()
        app.router.add_post("/{receiver}", self._receive)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        assert self._runner is not None
        await self._runner.cleanup()

    def example(self) -> dict[str, Any]:
        """Return the example configuration of Alertmanager with this server as each of its receivers."""
        config: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
        names = [receiver["name"] for receiver in config["receivers"]]
        url = f"http://127.0.0.1:{self._port}"
        config["receivers"] = [
            {"name": name, "webhook_configs": [{"url": f"{url}/{name}", "send_resolved": True}]} for name in names
        ]
        return config

    async def _receive(self, request: web.Request) -> web.Response:
        message, receiver = await request.json(), request.match_info["receiver"]
        self._on_message(receiver, message["status"], [alert["labels"] for alert in message["alerts"]])
        for alert in message["alerts"]:
            self._on_alert(receiver, alert["status"], alert["labels"], alert["annotations"])
        return web.Response()
