"""Runs `promtool test rules` with rules and generated series, and compares the results of queries."""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.network.build import binaries, cache

MINUTE = 60
ANSWERS = 1000
"""Cached answers of promtool: some 130 for each version of the rules, a few kB each."""


class Expected(NamedTuple):
    """The expected result of a query: a value for each set of labels."""

    expr: str
    at_min: int
    answer: Mapping[str, float]


def promtool_errors(home: Path, rules: Mapping[str, Any], test: Mapping[str, Any], evaluated_s: int) -> str:
    """Return promtool's errors on one test, "" if it passes; its files are in `home`. Rules are evaluated in order.

    The answer depends only on the files and the program, so each test runs only once on a machine: the newest
    `ANSWERS` answers are cached beside the built programs.
    """
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{evaluated_s}s",
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [test],
    }
    command = [str(binaries() / "promtool"), "test", "rules", "tests.yml"]
    digest = hashlib.sha256(repr(command).encode())
    for name, content in (("rules.yml", rules), ("tests.yml", file)):
        text = json.dumps(content, ensure_ascii=False)  # JSON is YAML
        (home / name).write_text(text)
        digest.update(text.encode())
    cached = cache() / "promtool" / digest.hexdigest()
    if cached.exists():
        return cached.read_text()
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    answer = "" if done.returncode == 0 else done.stdout + done.stderr
    _store(cached, answer)
    return answer


def _store(path: Path, answer: str) -> None:
    """Write an answer atomically, because other workers may read it, and remove the oldest ones beyond `ANSWERS`."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=cache(), delete=False) as file:
        file.write(answer)
    Path(file.name).rename(path)
    for old in sorted(path.parent.iterdir(), key=_written_s)[:-ANSWERS]:
        old.unlink(missing_ok=True)


def _written_s(path: Path) -> float:
    """Return when the file was written; 0 if another worker has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def query_errors(
    home: Path,
    series: Mapping[str, str],
    expected: Sequence[Expected],
    rules: Mapping[str, Any] | None = None,
    every_min: int = 1,
) -> str:
    """Return promtool's errors on queries, "" if all are right. `series` are in promtool's notation, one sample a step.

    promtool looks back over at most 10,000 samples, and a week has more minutes: hence `every_min`.
    """
    step_s = every_min * MINUTE
    test = {
        "interval": f"{step_s}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{at_min * MINUTE}s",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in answer.items()],
            }
            for expr, at_min, answer in expected
        ],
    }
    return promtool_errors(home, rules or {"groups": []}, test, step_s)


def over(*values: float | None) -> str:
    """Return values in promtool's notation, one for each minute; None is a missing sample."""
    return " ".join("_" if value is None else f"{value:g}" for value in values)
