"""Regular expressions for names of nodes: none is accepted that Prometheus can't read."""

import json
from pathlib import Path

import promql_parser
import pytest

from exporter.rules.regex import wrong_regex
from tests.deploy.test_deploy import run_program

READ = (
    ".*",
    "alice",
    "alice|bob",
    "lnd-2024.+",
    "(?i)Alice",
    "(?:a|b)c?",
    "(a|b)+c{2}d{2,}e{2,3}f*?g+?h{1,2}?",
    r"a\.b\-c\_d\/e\+",
    r"\d+\w*\s?\bx\B",
    "[a-z0-9_.-]+",
    "[^a]",
    "[]a]",
    "[^]a]",
    r"[\d\].-]",
    "[+--]",
    "[a&&b]",
    "a{1000}",
    "(a{20}){50}",
    "node-é🔥",
    "a  b",
    'say "x"',
    "^a$",
    "()",
    "a||b",
    "a]",
)
REFUSED = {
    "(": "missing ), unterminated subpattern at position 0",
    "a)": "unbalanced parenthesis at position 1",
    "[a": "'[a' can't be read",
    "[z-a]": "bad character range z-a at position 1",
    "*a": "'*a' can't be read",
    "a++": "'+' can't be read",
    "a{2}+": "'+' can't be read",
    "a**": "'*' can't be read",
    "a{,3}": "'{,3}' can't be read",
    "a{3,2}": "min repeat greater than max repeat at position 2",
    "a{1001}": "it has more than 1000 repetitions",
    "a{99999}": "'{99999}' can't be read",
    "(a{500}){3}": "it has more than 1000 repetitions",
    "a(?=b)": "'(?=b)' can't be read",
    "(?<=a)b": "'(?<=a)b' can't be read",
    "(?>a)": "'(?>a)' can't be read",
    "(?P<x>a)(?P=x)": "'(?P<x>a)(?P=x)' can't be read",
    r"(a)\1": r"'\\1' can't be read",
    r"a\Z": r"'\\Z' can't be read",
    r"\N{DIGIT ONE}": r"'\\N{DIGIT ONE}' can't be read",
    r"\é": r"'\\é' can't be read",
    "\\": r"'\\' can't be read",
    r"[a\b]": r"'[a\\b]' can't be read",
    "[[:alpha:]]": "'[[:alpha:]]' can't be read",
    "a\nb": "it has characters that can't be shown",
    "a\ud83d": "it has characters that can't be shown",
    "(" * 2000 + ")" * 2000: "maximum recursion depth exceeded",
}


def matcher(regex: str) -> str:
    """Return an expression with this regular expression."""
    return f"lnd_payments_node_up{{node=~{json.dumps(regex, ensure_ascii=False)}}}"


@pytest.mark.parametrize("regex", READ)
def test_regular_expressions_that_are_read(regex: str) -> None:
    """Another parser of PromQL reads them as well."""
    assert wrong_regex(regex) == ""
    promql_parser.parse(matcher(regex))


@pytest.mark.usefixtures("programs")
def test_prometheus_reads_them(tmp_path: Path) -> None:
    """All of them, in one file of rules, which is JSON: that is YAML, too."""
    rules = [{"record": f"regex:{number}", "expr": matcher(regex)} for number, regex in enumerate(READ)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "regex", "rules": rules}]}, ensure_ascii=False))
    assert f"{len(READ)} rules found" in run_program("promtool", "check", "rules", tmp_path / "rules.yml")


@pytest.mark.parametrize("regex", REFUSED, ids=lambda regex: ascii(regex)[:20])
def test_regular_expressions_that_are_refused(regex: str) -> None:
    """With the part that Prometheus can't read, or that only Prometheus can."""
    assert wrong_regex(regex).startswith(REFUSED[regex])
