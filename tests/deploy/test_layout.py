"""Expressions in lines: they mean the same, and they are short where they can be broken."""

import promql_parser
import pytest

from exporter.rules.generate import groups
from exporter.rules.layout import WIDTH, laid_out
from exporter.rules.values import Success, read
from tests.incidents.named import EVERYTHING

NODES = 'a  b|c{2} or "d"|e,f'
"""A pattern with all that has a meaning outside of strings."""


@pytest.mark.parametrize("success", Success)
def test_rules_mean_the_same_in_lines(success: Success) -> None:
    """Every rule of every profile. A line is too long only if it is a single selector."""
    for values in read(more=EVERYTHING | {"nodes": NODES, "success": success.value}).values():
        for expr in (rule.expr for group in groups(values) for rule in group.rules):
            lines = laid_out(expr)
            assert promql_parser.parse(lines).prettify() == promql_parser.parse(expr).prettify()
            assert "".join(lines.split()) == "".join(expr.split())
            too_long = [line.strip().partition("{") for line in lines.splitlines() if len(line) > WIDTH]
            assert [head for head, brace, _ in too_long if not brace or " " in head] == []


A, B, C = (f"sum without (le) (increase(lnd_payments_{name}_total[1h]))" for name in ("first", "second", "third"))


@pytest.mark.parametrize(
    ("expr", "lines"),
    [
        ("  a\n    +   b  ", ["a + b"]),
        ("( a +\n b )[ 5m ]", ["(a + b)[5m]"]),
        ('x{node="a  b"}  > 1', ['x{node="a  b"} > 1']),
        (f"{A} or {B} or {C}", [f"  {A}", "or", f"  {B}", "or", f"  {C}"]),
        (
            f"{A} / {B} > 0.5 and on (job) {C}",
            [f"      {A}", "    /", f"      {B}", "  >", "    0.5", "and on (job)", f"  {C}"],
        ),
        (
            f"x * on (job, node) group_left (a, b) ({A} - {B})",
            ["  x", "* on (job, node) group_left (a, b)", "  (", f"      {A}", "    -", f"      {B}", "  )"],
        ),
        (f"clamp_min({A} - {B}, 0)", ["clamp_min(", f"    {A}", "  -", f"    {B},", "  0", ")"]),
    ],
)
def test_layout(expr: str, lines: list[str]) -> None:
    """An operator has a line of its own; what it joins is indented."""
    assert laid_out(expr).splitlines() == lines
