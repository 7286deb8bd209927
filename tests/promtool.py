"""Runs `promtool test rules` on rules and on series that are made up, and compares what queries answer."""

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
"""Of promtool that are kept: some 130 for each state of the rules, a few kB each."""


class Right(NamedTuple):
    """What a query must answer: a value for each set of labels."""

    expr: str
    at_min: int
    answer: Mapping[str, float]


def says(home: Path, rules: Mapping[str, Any], test: Mapping[str, Any], evaluated_s: int) -> str:
    """What it finds wrong with one test, its files in `home`; nothing if all is right. Rules are evaluated in order.

    The answer depends on nothing but the files and the program, so the same question is asked only once on a machine:
    the answers are kept beside the built programs, the newest `ANSWERS` of them.
    """
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{evaluated_s}s",
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [test],
    }
    command = [str(binaries() / "promtool"), "test", "rules", "tests.yml"]
    asked = hashlib.sha256(repr(command).encode())
    for name, content in (("rules.yml", rules), ("tests.yml", file)):
        text = json.dumps(content, ensure_ascii=False)  # JSON is YAML
        (home / name).write_text(text)
        asked.update(text.encode())
    kept = cache() / "promtool" / asked.hexdigest()
    if kept.exists():
        return kept.read_text()
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    answer = "" if done.returncode == 0 else done.stdout + done.stderr
    _keep(kept, answer)
    return answer


def _keep(path: Path, answer: str) -> None:
    """Write an answer as a whole, for other workers look for it, and remove the oldest ones beyond `ANSWERS`."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=cache(), delete=False) as file:
        file.write(answer)
    Path(file.name).rename(path)
    for old in sorted(path.parent.iterdir(), key=_written_s)[:-ANSWERS]:
        old.unlink(missing_ok=True)


def _written_s(path: Path) -> float:
    """When it was written; 0 if another worker has removed it meanwhile."""
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
    """What is wrong; nothing if all is right. `series` are written as promtool wants them, a sample every minute or so.

    promtool looks back over 10,000 samples at most: a week has more minutes.
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
    """A value for each minute, or none."""
    return " ".join("_" if value is None else f"{value:g}" for value in values)
