"""`make rules-cost`: what all rules, and each dashboard, cost a real Prometheus with weeks of history.

Each expression is evaluated by itself, at the end of the history. What it costs is CPU time of Prometheus; where
nothing else runs, it takes about as long.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from exporter.rules.generate import groups
from exporter.rules.rule import as_yaml
from exporter.rules.values import SHOWN, read
from tests.bench.fleet import fleet
from tests.bench.processes import cpu_s
from tests.dashboards.panels import FILES, dashboard, panels, with_variables
from tests.network.build import binaries, block_writer
from tests.network.process import free_port
from tests.rulecost.history import SCRAPED_MS, Series, history, read_by

DAY_S = 86_400
SCRAPED_S = SCRAPED_MS // 1000
POINTS = 500
"""Points of a panel, on a screen of usual width."""


def main() -> None:
    """Write the history, start Prometheus, ask, and print the times."""
    parser = argparse.ArgumentParser(prog="make rules-cost", description=__doc__)
    parser.add_argument("--nodes", type=int, default=24)
    parser.add_argument("--days", type=float, default=15)
    parser.add_argument("--only", choices=("rules", "dashboards"))
    parser.add_argument("--slowest", type=int, default=8, help="how many of the slowest expressions to print")
    given = parser.parse_args()
    if given.nodes < 1 or given.days <= 0:
        parser.error("--nodes: 1 or more; --days: above 0")
    rules = as_yaml(groups(read()[SHOWN]), read()[SHOWN])["groups"]
    expressions = [rule["expr"] for group in rules for rule in group["rules"]] if given.only != "dashboards" else []
    boards = {uid: list(_asked(uid)) for uid in FILES} if given.only != "rules" else {}
    expressions += [expr for board in boards.values() for expr, *_ in board]
    back_s = read_by(expressions)
    for board in boards.values():
        for asked in board:
            for name, seconds in read_by([asked.expr]).items():
                back_s[name] = max(back_s[name], seconds + asked.span_s)
    page = asyncio.run(_page())
    series = history(page, back_s, int(given.days * DAY_S))
    with tempfile.TemporaryDirectory(prefix="rules-cost-") as home:
        end_s = int(time.time()) // 60 * 60
        _write(Path(home), series, given.nodes, end_s)
        with _Prometheus(Path(home)) as prometheus:
            _measure(prometheus, rules if given.only != "dashboards" else [], boards, end_s, given.slowest)


async def _page() -> str:
    """Return the page of a node that has had payments of every kind."""
    async with fleet(1, payments=2000) as one:
        url = f"http://{one.address.host}:{one.address.port}/metrics"
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            text: bytes = answer.read()
    return text.decode()


class _Asked(NamedTuple):
    """A query of a panel, as Grafana asks it."""

    expr: str
    span_s: int
    """The time that it shows; 0 for the present."""
    step_s: int
    title: str


def _asked(uid: str) -> Iterator[_Asked]:
    """Yield the queries of a dashboard over its default time range."""
    since = dashboard(uid)["time"]["from"].removeprefix("now-")
    span_s = _seconds(since)
    for panel in panels(uid):
        step_s = max(SCRAPED_S, span_s // POINTS, _seconds(panel.get("interval", "0s")))
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", f"{max(60, step_s + SCRAPED_S)}s")
            expr = expr.replace("$__interval", f"{step_s}s")
            yield _Asked(with_variables(expr, since), 0 if target.get("instant") else span_s, step_s, panel["title"])


def _seconds(span: str) -> int:
    return int(span[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": DAY_S}[span[-1]]


def _write(home: Path, series: list[Series], nodes: int, end_s: int) -> None:
    each = [one._asdict() for one in series]
    samples = sum(one.BackMs / one.EveryMs for one in series) * nodes
    print(f"{len(series):,} series of each of {nodes} nodes, {samples / 1e6:,.0f} million samples", flush=True)
    asked = {"Folder": str(home), "EndMs": end_s * 1000, "Nodes": nodes, "Series": each}
    writer = subprocess.Popen([str(block_writer())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(json.dumps(asked))
    writer.stdin.close()
    for line in writer.stdout:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rto write: {int(line) / 86_400_000:.0f} days \x1b[K")
    if writer.wait():
        sys.exit("the history could not be written")


class _Prometheus:
    """A server with the history in a folder; it scrapes nothing and evaluates nothing by itself."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = free_port()

    def __enter__(self) -> Self:
        config = self._home / "prometheus.yml"
        config.write_text("{}")
        self._process = subprocess.Popen(
            [
                str(binaries() / "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._home}",
                "--storage.tsdb.retention.time=60d",
                "--query.max-samples=500000000",
                "--query.timeout=10m",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                self._get("/-/ready")
            except OSError:
                assert self._process.poll() is None
                time.sleep(0.2)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def seconds(self, expr: str, end_s: int, span_s: int = 0, step_s: int = 0) -> tuple[float, int]:
        """Return the CPU seconds that an expression takes, and how many series are its result."""
        if span_s:
            path = "query_range"
            query = {"query": expr, "start": end_s - span_s, "end": end_s, "step": step_s}
        else:
            path, query = "query", {"query": expr, "time": end_s}
        before = cpu_s(self._process.pid)
        answer = self._get(f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
        return cpu_s(self._process.pid) - before, len(json.loads(answer)["data"]["result"])

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=900) as answer:
            text: bytes = answer.read()
        return text


def _measure(
    prometheus: _Prometheus, rules: list[Any], boards: dict[str, list[_Asked]], end_s: int, slowest: int
) -> None:
    each: dict[str, float] = defaultdict(float)
    of_interval: dict[str, float] = defaultdict(float)
    for group in rules:
        total_s, recorded = 0.0, 0
        for rule in group["rules"]:
            took_s, number = prometheus.seconds(rule["expr"], end_s)
            recorded += number if "record" in rule else 0
            each[f"{rule.get('record') or rule['alert']} ({number} series)"] += took_s
            total_s += took_s
        of_interval[group["interval"]] += total_s
        print(f"{group['name']:40} {total_s:8.3f} s{f', records {recorded} series' * bool(recorded)}", flush=True)
    for interval, total_s in of_interval.items():
        print(f"{f'all groups every {interval}':40} {total_s:8.3f} s")
    for uid, board in boards.items():
        total_s = 0.0
        for expr, span_s, step_s, title in board:
            took_s, number = prometheus.seconds(expr, end_s, span_s, step_s)
            each[f"{uid}: {title}: {expr[:60]!r} ({number} series)"] += took_s
            total_s += took_s
        print(f"{uid:40} {total_s:8.3f} s, {len(board)} queries", flush=True)
    for name, took_s in sorted(each.items(), key=lambda item: -item[1])[:slowest]:
        print(f"  {took_s:8.3f} s  {name}")


if __name__ == "__main__":
    main()
