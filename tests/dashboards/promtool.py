"""Asks `promtool test rules` whether what panels ask has the right answer, over series that are made up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.promtool import says

MINUTE = 60


class Right(NamedTuple):
    """What a query must answer: a value for each set of labels."""

    expr: str
    at_min: int
    answer: Mapping[str, float]


def answers(
    home: Path, series: Mapping[str, str], right: Sequence[Right], rules: Mapping[str, Any] | None = None
) -> str:
    """What is wrong; nothing if all is right. `series` are written as promtool wants them, a sample a minute."""
    test = {
        "interval": f"{MINUTE}s",
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
    return says(home, rules or {"groups": []}, test, MINUTE)


def over(*values: float | None) -> str:
    """A value for each minute, or none."""
    return " ".join("_" if value is None else f"{value:g}" for value in values)
