"""Runs `promtool test rules` on rules and on series that are made up, and compares what queries answer."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.network.build import binaries

MINUTE = 60


class Right(NamedTuple):
    """What a query must answer: a value for each set of labels."""

    expr: str
    at_min: int
    answer: Mapping[str, float]


def says(home: Path, rules: Mapping[str, Any], test: Mapping[str, Any], evaluated_s: int) -> str:
    """What it finds wrong with one test, its files in `home`; nothing if all is right. Rules are evaluated in order."""
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{evaluated_s}s",
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [test],
    }
    for name, content in (("rules.yml", rules), ("tests.yml", file)):
        (home / name).write_text(json.dumps(content, ensure_ascii=False))  # JSON is YAML
    command = [str(binaries() / "promtool"), "test", "rules", "tests.yml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


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
