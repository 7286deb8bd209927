"""`make stack`: it starts, Prometheus has the node and the rules, and it stops on Ctrl-C."""

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
async def test_stack_runs_until_ctrl_c(tmp_path: Path) -> None:
    """All programs answer, the alerts are those of the profile, and Ctrl-C ends it with exit code 0."""
    output = tmp_path / "output"
    with output.open("wb") as log:
        command = (sys.executable, "-m", "tests.stack", "home", f"--ports-moved-by={MOVED}")
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)

    async def started() -> bool:
        assert process.returncode is None, output.read_text()
        return "Ctrl-C stops everything." in output.read_text()

    async def scraped() -> bool:
        url = f"http://localhost:{PORTS.prometheus}/api/v1/query?query=lnd_payments_node_up"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:  # it listens before it is ready
                return False
            return bool((await answer.json())["data"]["result"])

    try:
        await until("the stack has started", started)
        await until("Prometheus has scraped", scraped)
        rules = await _get(f"http://localhost:{PORTS.prometheus}/api/v1/rules?type=alert")
        names = {rule["name"] for group in rules["data"]["groups"] for rule in group["rules"]}
        assert {"LndPaymentsExporterTrouble", "LndPaymentsWatchdog"} <= names
        alerts = f"http://localhost:{PORTS.prometheus}/api/v1/alerts"
        assert alerts in output.read_text()
        assert (await _get(alerts))["status"] == "success"
        status = await _get(f"http://localhost:{PORTS.alertmanager}/api/v2/status")
        assert status["cluster"]["status"] == "disabled"
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    assert output.read_text().endswith("Stopping.\n")


def test_port_in_use_is_an_error_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        moved = taken.getsockname()[1] - Ports().exporter
        assert main([f"--ports-moved-by={moved}"]) == 2
        assert f"port {taken.getsockname()[1]}: Address already in use." in capsys.readouterr().err


async def _get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()
