"""Which history rules and dashboards need, and that the command measures; figures of so short a run mean nothing."""

import subprocess
import sys

import pytest

from exporter.rules.recording import BAD, FINISHED
from tests.rulecost.history import LOOKBACK_S, Series, history, read_by

PAGE = """\
# TYPE lnd_payments_failed_total counter
lnd_payments_failed_total{node="a",reason="no_route"} 5760
# TYPE lnd_payments_node_up gauge
lnd_payments_node_up{node="a"} 1
# TYPE lnd_payments_mode gauge
lnd_payments_mode{node="a",mode="track"} 1
"""
TARGET = {"job": "lnd-payments", "instance": "exporter%d:10019", "node": "node%d"}


@pytest.mark.parametrize(
    ("expr", "back_s"),
    [
        ("up == 1", {"up": 0}),
        ("increase(a[10m]) / b offset 1h", {"a": 600, "b": 3600}),
        ("a and last_over_time(a[6d] offset 1d)", {"a": 7 * 86_400}),
        ("sum without (le) (rate(a{le='1'}[5m])) or -(vector(1))", {"a": 300}),
        ("max_over_time((a + b)[1h:1m] offset 5m)", {"a": 3900, "b": 3900}),
        ("max_over_time(rate(a[5m])[1h:])", {"a": 3900}),
    ],
)
def test_how_far_expressions_read(expr: str, back_s: dict[str, int]) -> None:
    """Windows, offsets and subqueries add up; of several selectors of a metric the longest counts."""
    assert read_by([expr]) == back_s


def test_history_has_what_is_read() -> None:
    """Scraped series with the page's labels, counters that rise as before, recorded series of each level."""
    wanted = {
        "lnd_payments_failed_total": 86_400,
        "lnd_payments_node_up": 0,
        "up": 0,
        "instance_node:lnd_payments_bad_total:sum": 9,
    }
    failed, up, scraped, recorded = history(PAGE, wanted, most_s=7200)
    assert failed == Series(
        {**TARGET, "__name__": "lnd_payments_failed_total", "reason": "no_route"}, 5760, 1.0, 15_000, 7_200_000
    )
    assert (up.Labels["__name__"], up.Value, up.Step, up.BackMs) == ("lnd_payments_node_up", 1, 0, LOOKBACK_S * 1000)
    assert "node" not in scraped.Labels
    assert recorded == Series({**TARGET, "__name__": BAD}, 1, 1.0, 30_000, LOOKBACK_S * 1000)


@pytest.mark.usefixtures("programs")
def test_the_command_measures() -> None:
    """Every group of rules and every dashboard has a line, and rules of a healthy node find something."""
    command = [sys.executable, "-m", "tests.rulecost", "--nodes=2", "--days=0.1", "--slowest=1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    intervals = [f"all groups every {interval}" for interval in ("30s", "1m", "3m")]
    for name in ("lnd_payments_recordings", *intervals, "lnd-payments-overview"):
        assert f"\n{name} " in done.stdout
    assert f"{FINISHED} (2 series)" in done.stdout
