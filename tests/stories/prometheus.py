"""A real Prometheus that scrapes the exporter every second while stories run, and queries of its data."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from tests.network.build import binaries
from tests.network.process import Program, free_port, until
from tests.stories.page import COUNTERS, PREFIX

LIMIT_S = 1
"""Scrape interval and scrape timeout, in seconds; Prometheus' default timeout is 10."""
CONFIG = {"global": {"scrape_interval": f"{LIMIT_S}s", "scrape_timeout": f"{LIMIT_S}s"}}
LATE = "context deadline exceeded"
"""Part of Prometheus' error for a scrape that timed out."""
JOB = "exporter"
STEP_S = 0.5  # of range queries: half the scrape interval, so that no scrape is skipped

STARTED = "lnd_payments_started_total"
ENDED = (
    "lnd_payments_succeeded_total",
    "lnd_payments_failed_total",
    "lnd_payments_lost_total",
    "lnd_payments_in_flight",
)
ATTEMPTED = "lnd_payments_htlc_attempts_started_total"
RESOLVED = (
    "lnd_payments_htlc_attempts_settled_total",
    "lnd_payments_htlc_attempts_failed_total",
    "lnd_payments_htlc_attempts_unresolved_total",
    "lnd_payments_in_flight_htlcs",
)


def _difference(whole: str, parts: tuple[str, ...]) -> str:
    """Return PromQL for `whole` minus `parts`, by node; 0 if the law holds."""
    return " - ".join(f"sum by (node) ({name})" for name in (whole, *parts))


LAWS = {
    "started = succeeded + failed + lost + in flight": _difference(STARTED, ENDED),
    "attempts started = settled + failed + unresolved + in flight": _difference(ATTEMPTED, RESOLVED),
}


def _is_counter(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(COUNTERS)


class Sample(NamedTuple):
    """One value of one series, and its time in seconds since 1970."""

    labels: dict[str, str]
    time_s: float
    value: float


def _alerting(home: Path, rules: str, alertmanager: str) -> dict[str, Any]:
    if not rules:
        return {}
    (home / "rules.yml").write_text(rules)
    targets = [{"static_configs": [{"targets": [alertmanager] if alertmanager else []}]}]
    return {"rule_files": [str(home / "rules.yml")], "alerting": {"alertmanagers": targets}}


class Prometheus:
    """A Prometheus server in its own folder."""

    def __init__(
        self,
        home: Path,
        target: str,
        *,
        rules: str = "",
        alertmanager: str = "",
        labels: Mapping[str, str] | None = None,
        job: Mapping[str, Any] | None = None,
        discover: bool = False,
        others: Sequence[str] = (),
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write the configuration to scrape `target` (HOST:PORT); build the programs if they aren't yet.

        With `rules` (YAML) alerts are sent to `alertmanager` (HOST:PORT), if there is one. The target gets these
        `labels`; `job` has further settings of its section in `scrape_configs`. With `discover` each node at `target`
        has a target. The job has `others`, too. `more` has further settings of the sections of the file.
        """
        home.mkdir()
        self._tools = binaries()
        self._home = home
        self._address = f"127.0.0.1:{free_port()}"
        targets = {"targets": [target, *others], "labels": dict(labels or {})}
        listed = {"http_sd_configs": [{"url": f"http://{target}/sd", "refresh_interval": f"{LIMIT_S}s"}]}
        scrape = [{**(job or {}), "job_name": JOB, **(listed if discover else {"static_configs": [targets]})}]
        self.config = home / "prometheus.yml"
        config: dict[str, Any] = CONFIG | {"scrape_configs": scrape} | _alerting(home, rules, alertmanager)
        config |= {section: {**config.get(section, {}), **settings} for section, settings in (more or {}).items()}
        self.config.write_text(json.dumps(config))
        flags = [f"--config.file={self.config}", f"--storage.tsdb.path={home / 'data'}"]
        flags += ["--rules.alert.resend-delay=1s"]
        command = [str(self._tools / "prometheus"), *flags, f"--web.listen-address={self._address}"]
        self._program = Program("prometheus", command, home)
        self._session: aiohttp.ClientSession | None = None
        self._since = 0.0

    async def start(self) -> None:
        """Start it; return after the first successful scrape."""
        self._session = aiohttp.ClientSession(f"http://{self._address}")
        self._since = time.time()
        await self._program.start()

        async def scraped() -> bool:
            self._program.check()
            try:
                times = await self.query(f'timestamp(up{{job="{JOB}"}}) and up{{job="{JOB}"}} == 1')
            except (aiohttp.ClientError, json.JSONDecodeError):
                return False
            self._since = max((sample.value for sample in times), default=self._since)
            return bool(times)

        await until("Prometheus has scraped", scraped)

    async def stop(self) -> None:
        """Stop the server."""
        await self._program.stop()
        if self._session is not None:
            await self._session.close()

    async def query(self, promql: str, at_s: float | None = None) -> list[Sample]:
        """Run an instant query, now or at a time; return a vector, or all samples of a range selector."""
        when = {} if at_s is None else {"time": str(at_s)}
        return await self._query("/api/v1/query", query=promql, **when)

    async def over_time(self, promql: str) -> list[Sample]:
        """Run a range query from the first scrape until now, with a step that includes every scrape."""
        span = {"start": str(self._since), "end": str(time.time()), "step": str(STEP_S)}
        return await self._query("/api/v1/query_range", query=promql, **span)

    async def next_scrape(self) -> None:
        """Wait until a scrape that begins after this call has been stored."""
        now = time.time()

        async def scraped() -> bool:
            return any(sample.value > now for sample in await self.query(f'timestamp(up{{job="{JOB}"}})'))

        await until("the next scrape", scraped)

    async def rule_errors(self) -> list[str]:
        """Return the errors of rules, after all have been evaluated on a scrape that begins after this call."""
        await self.next_scrape()
        now = datetime.now(UTC)
        rules: list[dict[str, str]] = []

        async def evaluated() -> bool:
            groups = (await self._get("/api/v1/rules"))["groups"]
            rules[:] = [rule for group in groups for rule in group["rules"]]
            # On a busy machine an evaluation looks at an instant up to an interval before it begins.
            return all(
                datetime.fromisoformat(rule["lastEvaluation"]) > now + timedelta(seconds=2 * group["interval"])
                for group in groups
                for rule in group["rules"]
            )

        await until("all rules are evaluated", evaluated)
        return [rule["lastError"] for rule in rules if rule.get("lastError")]

    async def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return the firing alerts of this name, with their labels and annotations."""
        alerts = (await self._get("/api/v1/alerts"))["alerts"]
        return [one for one in alerts if (one["labels"]["alertname"], one["state"]) == (name, "firing")]

    async def scrape_errors(self) -> list[str]:
        """Return every scrape that failed since the start, one line each.

        Scrapes that timed out are left out: they only mean that the machine is busy.
        """
        up = await self._samples(f'up{{job="{JOB}"}}')
        took = await self._samples(f'scrape_duration_seconds{{job="{JOB}"}}')
        late = {sample.time_s for sample in took if sample.value >= LIMIT_S}
        failed = [sample for sample in up if sample.value != 1 and sample.time_s >= self._since]
        targets = (await self._get("/api/v1/targets"))["activeTargets"]
        last = [f"last error: {target['lastError']}" for target in targets if target["lastError"]]
        lines = [f"scrape failed at {sample.time_s:.0f}" for sample in failed if sample.time_s not in late]
        return lines + [line for line in last if LATE not in line]

    async def broken_laws(self) -> list[str]:
        """Return the scrapes since the start at which a law didn't hold, a line each; a law without data is broken."""
        lines = []
        for law, missing in LAWS.items():
            samples = await self.over_time(missing)
            if not samples:
                lines.append(f"{law}: no data")
            lines += [f"{law}: {s.labels} off by {s.value:g} at {s.time_s:.1f}" for s in samples if s.value != 0]
        return lines

    async def fallen_counters(self) -> list[str]:
        """Return every counter of the exporter that decreased since the start, even by a restart without its state."""
        names = [name for name in await self._get("/api/v1/label/__name__/values") if _is_counter(name)]
        span, now_s = self._span()
        found = await asyncio.gather(*(self.query(f"resets({name}{span}) > 0", now_s) for name in names))
        return [f"{name}{s.labels}" for name, samples in zip(names, found, strict=True) for s in samples]

    async def increase(self, name: str) -> int:
        """Return the increase of a counter since the first scrape, summed over its series.

        PromQL's `increase` extrapolates by up to a scrape interval at the end, which is rounded away.
        """
        span, now_s = self._span()
        (sample,) = await self.query(f"round(sum(increase({name}{span})))", now_s)
        return int(sample.value)

    def _span(self) -> tuple[str, float]:
        """Return a range from the first scrape, included, and its end: a query that is late must not begin later."""
        now_s = time.time()
        return f"[{int((now_s - self._since) * 1000) + 2}ms]", now_s  # Prometheus rounds, and excludes the left end

    async def check_metrics(self, page: str) -> str:
        """Return the output of `promtool check metrics` for a page in text format; empty if it finds nothing."""
        process = await asyncio.create_subprocess_exec(
            str(self._tools / "promtool"),
            "check",
            "metrics",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(page.encode())
        return output.decode() or ("" if process.returncode == 0 else f"exit code {process.returncode}")

    async def _samples(self, selector: str) -> list[Sample]:
        """Return all samples of a selector since the start, as scraped."""
        return await self.query(f"{selector}[{int(time.time() - self._since) + 2}s]")

    async def _query(self, path: str, **query: str) -> list[Sample]:
        result = (await self._get(path, **query))["result"]
        return [
            Sample(series["metric"], float(at), float(value))
            for series in result
            for at, value in series.get("values", [series.get("value")])
        ]

    async def _get(self, path: str, **query: str) -> Any:
        assert self._session is not None, "Prometheus is not started"
        async with self._session.get(path, params=query) as response:
            answer = await response.json(content_type=None)
            assert answer["status"] == "success", answer
            return answer["data"]
