"""`make stack` starts, shows the node to Prometheus and the rules to whoever looks, and stops on Ctrl-C."""

import asyncio
import signal
import socket
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.stack.__main__ import main
from tests.stack.programs import Ports

MOVED = 11_000
PORTS = Ports().moved(MOVED)


@pytest.mark.usefixtures("programs")
async def test_from_start_to_stop(tmp_path: Path) -> None:
    """All of it answers, the alerts are those of the profile, and Ctrl-C ends it well."""
    said = tmp_path / "said"
    with said.open("wb") as log:
        command = (sys.executable, "-m", "tests.stack", "home", f"--ports-moved-by={MOVED}")
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)

    async def welcomed() -> bool:
        assert process.returncode is None, said.read_text()
        return "Ctrl-C stops everything." in said.read_text()

    async def scraped() -> bool:
        url = f"http://localhost:{PORTS.prometheus}/api/v1/query?query=lnd_payments_node_up"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:  # it listens before it is ready
                return False
            return bool((await answer.json())["data"]["result"])

    try:
        await until("the welcome", welcomed)
        await until("a scrape", scraped)
        rules = await _ask(f"http://localhost:{PORTS.prometheus}/api/v1/rules?type=alert")
        names = {rule["name"] for group in rules["data"]["groups"] for rule in group["rules"]}
        assert {"LndPaymentsOutage", "LndPaymentsWatchdog"} <= names
        ready = await _ask(f"http://localhost:{PORTS.alertmanager}/api/v2/status")
        assert ready["cluster"]["status"] == "disabled"
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    assert said.read_text().endswith("Stopping.\n")


def test_a_port_that_somebody_has(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        moved = taken.getsockname()[1] - Ports().exporter
        assert main([f"--ports-moved-by={moved}"]) == 2
        assert f"port {taken.getsockname()[1]}: Address already in use." in capsys.readouterr().err


async def _ask(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()
