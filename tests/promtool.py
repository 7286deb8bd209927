"""Runs `promtool test rules` on made-up series, to test rules and queries."""

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
"""Number of cached answers of promtool: some 130 for each version of the rules, a few kB each."""


class Right(NamedTuple):
    """The expected answer of a query at a time: a value for each set of labels."""

    expr: str
    at_min: int
    answer: Mapping[str, float]


def says(home: Path, rules: Mapping[str, Any], test: Mapping[str, Any], evaluated_s: int) -> str:
    """Run one promtool test with its files in `home`; return promtool's error, empty if the test passes.

    Groups of rules are evaluated in order. The answer depends only on the files and the program, so it is cached
    beside the built programs: the newest `ANSWERS` of them.
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
    _cache(cached, answer)
    return answer


def _cache(path: Path, answer: str) -> None:
    """Write an answer atomically, because other workers read it, and remove the oldest ones beyond `ANSWERS`."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=cache(), delete=False) as file:
        file.write(answer)
    Path(file.name).rename(path)
    for old in sorted(path.parent.iterdir(), key=_written_s)[:-ANSWERS]:
        old.unlink(missing_ok=True)


def _written_s(path: Path) -> float:
    """Return the modification time; 0 if another worker has removed the file meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def answers(
    home: Path,
    series: Mapping[str, str],
    right: Sequence[Right],
    rules: Mapping[str, Any] | None = None,
    every_min: int = 1,
) -> str:
    """Test queries on `series` in promtool's notation, a sample every `every_min` minutes; return promtool's error.

    It is empty if all answers are right. promtool looks back over 10,000 samples at most; a week has 10,080 minutes.
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
            for expr, at_min, answer in right
        ],
    }
    return says(home, rules or {"groups": []}, test, step_s)


def over(*values: float | None) -> str:
    """Return a series in promtool's notation: a value for each minute, None for a missing sample."""
    return " ".join("_" if value is None else f"{value:g}" for value in values)
