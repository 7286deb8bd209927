"""Reading lnd: the same sums over each transport, only as far back as needed, across lost connections, of all nodes."""

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from exporter.app import client_of
from exporter.config import Config, LogConfig, NodeConfig, StorageConfig, WebConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.config.grouping import By, ReportConfig
from exporter.follow import backoff
from exporter.payments.labels import Method
from exporter.payments.payment import NS_PER_S, Moment
from exporter.report.command import report
from exporter.report.document import csv_columns, csv_rows, to_json
from exporter.report.fold import Fold
from exporter.report.node_report import NodeReport, Span
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import METHOD_PATHS
from tests.report.history import (
    DAY_S,
    START_NS,
    LongClock,
    begin,
    listed,
    node_with_history,
    play,
    random_history,
    truth,
)

NOW_NS = START_NS + 121 * DAY_S * NS_PER_S
"""A day after the history has ended."""


@pytest.fixture(autouse=True)
def _as_before(logging_as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the log that the command configures; reconnect without a delay."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)


def now() -> Moment:
    """Return that time, and a monotonic clock that runs."""
    return Moment(NOW_NS, time.monotonic_ns())


def config_of(*nodes: NodeConfig, destinations: dict[str, str] | None = None, **options: object) -> Config:
    """Return the configuration of the command."""
    return Config(
        nodes,
        WebConfig((), "/metrics"),
        LogConfig("info", "json"),
        StorageConfig(None),
        0,
        destinations=destinations or {},
        report=ReportConfig(**options),  # type: ignore[arg-type]
    )


def reach(node: SimulatedNode, transport: str = GRPC, name: str = "alice") -> NodeConfig:
    """Return how to reach a node."""
    address = node.address if transport == GRPC else f"https://{node.rest}"
    return NodeConfig(name, address, node.tls_cert, node.macaroon, transport)


def expected(node: SimulatedNode, by: By = By.MONTH, since_s: int | None = None, name: str = "alice") -> NodeReport:
    """Return the report on all payments in the node's database."""
    fold = Fold(by, since_ns=Span(NOW_NS, since_s).since_ns)
    for payment in listed(node.database, node.world):
        fold.add(payment)
    peers = node.world.peers if by is By.PEER else ()
    return NodeReport(name, fold, {peer.node.pubkey: peer.node.alias for peer in peers})


async def output(capsys: pytest.CaptureFixture[str], config: Config) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    code = await report(config, client_of, now)
    return code, *capsys.readouterr()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_all_payments_over_each_transport(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    """The whole document, by whatever it is grouped; pages are small at first, so there are several."""
    async with node_with_history(tmp_path) as node:
        for by in By:
            config = config_of(reach(node, transport), by=by, json=True)
            assert await output(capsys, config) == (0, to_json([expected(node, by)], by, Span(NOW_NS)) + "\n", "")
        assert node.calls[Method.LIST_PAYMENTS] >= 3 * len(By)
        assert node.calls[Method.TRACK_PAYMENTS] == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_since_reads_only_what_may_have_ended_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    """From the newest back; one that was held for two weeks is found, and old pages aren't read."""
    async with node_with_history(tmp_path, 1500) as node:
        clock = node.clock
        assert isinstance(clock, LongClock)
        held = Scenarios(node.world, "long").held_then_settled(held_s=14 * DAY_S, value_msat=3_000_000)
        play(node.database, clock, [held], every_s=0)
        moment = Moment(clock.now_ns(), 0)
        span = Span(moment.wall_ns, DAY_S)
        config = config_of(reach(node, transport), since_s=DAY_S, json=True)
        code = await report(config, client_of, lambda: Moment(moment.wall_ns, time.monotonic_ns()))
        fold = Fold(By.MONTH, since_ns=span.since_ns)
        for payment in listed(node.database, node.world):
            fold.add(payment)
        assert (fold.total.succeeded, fold.total.failed, fold.in_flight) == (1, 0, 1)
        assert (code, capsys.readouterr().out) == (0, to_json([NodeReport("alice", fold)], By.MONTH, span) + "\n")
        assert 1 <= node.calls[Method.LIST_PAYMENTS] <= 5


async def test_since_finds_what_was_held_for_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For two weeks, in which the node made thousands of other payments; months before that aren't read."""
    async with node_with_history(tmp_path, 3000) as node:
        clock = node.clock
        assert isinstance(clock, LongClock)
        held = Scenarios(node.world, "long").held_then_settled(value_msat=3_000_000)
        begin(node.database, held)
        play(node.database, clock, random_history(node.world, 3000, "others"), every_s=14 * DAY_S / 3000)
        for step in held.steps[2:]:
            clock.skip(step.delay_s)
            node.database.apply(step.mutation)
        wall_ns, config = clock.now_ns(), config_of(reach(node), since_s=60, json=True)
        assert await report(config, client_of, lambda: Moment(wall_ns, time.monotonic_ns())) == 0
        (found,) = json.loads(capsys.readouterr().out)["nodes"]
        assert (found["total"]["succeeded"], found["total"]["volume_msat"]) == (1, 3_000_000)
        assert node.calls[Method.LIST_PAYMENTS] <= 12


async def test_since_before_the_first_payment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it reads all, as without it; and of a node without payments nothing."""
    async with node_with_history(tmp_path) as node:
        year = 365 * DAY_S
        config = config_of(reach(node), since_s=year, json=True)
        document = to_json([expected(node, since_s=year)], By.MONTH, Span(NOW_NS, year))
        assert await output(capsys, config) == (0, document + "\n", "")
        node.renew_database()
        for since_s in (None, year):
            printed = await output(capsys, config_of(reach(node), since_s=since_s))
            assert printed[0] == 0
            assert printed[1].startswith("alice: no payment ended")


@pytest.mark.parametrize("since_s", [None, 365 * DAY_S])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_lost_connection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str, since_s: int | None
) -> None:
    """In the middle of reading it is opened again, which one line tells, and nothing is missing or added twice."""
    async with node_with_history(tmp_path) as node:
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=2, times=3)
        config = config_of(reach(node, transport), since_s=since_s, json=True)
        document = to_json([expected(node, since_s=since_s)], By.MONTH, Span(NOW_NS, since_s))
        code, text, errors = await output(capsys, config)
        assert (code, text, errors.count("\n")) == (0, document + "\n", 1)
        assert errors.startswith("alice: lnd can't be reached: ")
        assert errors.endswith("; trying again for up to 5m\n")


async def test_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A title line, and a row for each group of each node."""
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
    async with node_with_history(tmp_path / "a") as alice, node_with_history(tmp_path / "b", 50, seed="bob") as bob:
        nodes = [reach(alice), reach(bob, name="bob")]
        code, text, errors = await output(capsys, config_of(*nodes, csv=True, by=By.KIND))
        title, *rows = csv.reader(io.StringIO(text))
        assert (code, errors, title) == (0, "", csv_columns(By.KIND))
        assert rows == [*cells(expected(alice, By.KIND)), *cells(expected(bob, By.KIND, name="bob"))]
        assert "\r" not in text


def cells(found: NodeReport) -> Iterator[list[str]]:
    """Yield the cells of each row as a reader gets them."""
    for row in csv_rows(found):
        yield ["" if value is None else str(value) for value in row.values()]


async def test_tables_of_several_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One below the other, then the sum; without one of them, which is named, there is no sum, and the code is 1."""
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
    async with node_with_history(tmp_path / "a") as alice, node_with_history(tmp_path / "b", 50, seed="bob") as bob:
        config = config_of(reach(alice), reach(bob, name="bob"))
        code, text, errors = await output(capsys, config)
        heads = [head[1] for head in re.finditer(r"^(alice|bob|carol|all .*): .* in fees for ", text, re.MULTILINE)]
        assert (code, errors, heads) == (0, "", ["alice", "bob", "all 2 nodes"])
        ended = len(truth(alice.database)) + len(truth(bob.database))
        assert f"\n{ended} payments ended: " in text
        await bob.stop()
        code, text, errors = await output(capsys, config_of(*config.nodes, reach(alice, name="carol")))
        heads = [head[1] for head in re.finditer(r"^(alice|bob|carol|all .*): .* in fees for ", text, re.MULTILINE)]
        assert (code, heads, errors.count("\n")) == (1, ["alice", "carol"], 1)
        assert errors.startswith("bob: lnd can't be reached: is it running")


async def test_permissions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ListChannels peers have no aliases; without ListPayments one line says what is missing."""
    needed = [METHOD_PATHS[call] for call in (Method.GET_INFO, Method.LIST_PAYMENTS)]
    async with node_with_history(tmp_path) as node:
        node.renew_macaroon(needed)
        keys = expected(node, By.PEER)
        document = to_json([NodeReport("alice", keys.fold)], By.PEER, Span(NOW_NS))
        assert await output(capsys, config_of(reach(node), by=By.PEER, json=True)) == (0, document + "\n", "")
        node.renew_macaroon(needed[:1])
        code, text, errors = await output(capsys, config_of(reach(node)))
        assert (code, text, errors.count("\n")) == (1, "", 1)
        assert errors.startswith("alice: ")
        assert "ListPayments" in errors or "macaroon" in errors


async def test_destinations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups of the file; all others together."""
    async with node_with_history(tmp_path) as node:
        shops = {node.world.far[0].pubkey: "shop", node.world.far[1].pubkey: "shop"}
        code, text, errors = await output(
            capsys, config_of(reach(node), by=By.DESTINATION, csv=True, destinations=shops)
        )
        rows = [*csv.DictReader(io.StringIO(text))]
        assert (code, errors, [row["destination"] for row in rows]) == (0, "", ["other", "shop"])
        paid = [int(row["volume_msat"]) for row in rows]
        assert sum(paid) == expected(node).fold.total.volume_msat
        assert paid[1] > 0
