"""Breaks long expressions of PromQL into lines, much as Prometheus' own formatter does."""

import re
from collections.abc import Iterator, Sequence

WIDTH = 100
"""Columns. A longer expression is broken at its operators, or else at its parentheses."""
_INDENT = "  "
_BINDING = ("or",), ("and", "unless"), ("==", "!=", "<=", "<", ">=", ">"), ("+", "-"), ("*", "/", "%")
"""Binary operators, the loosest first."""
_STRING = r'"(?:\\.|[^"\\])*"'
_TOKEN = re.compile(
    rf"{_STRING}|(?P<open>[({{[])|(?P<close>[)}}\]])|(?P<comma>,)"
    r"|(?<= )(?P<operator>or|and|unless|[=!<>]=|[-+*/%<>])"
    r"(?: bool)?(?: (?:on|ignoring) \([^)]*\))?(?: group_(?:left|right) \([^)]*\))?(?= )"
)
"""What the layout depends on. Binary operators have a blank on each side; other uses of their characters haven't."""
_BLANKS = re.compile(rf"({_STRING})|(?<=[({{[])\s+|\s+(?=[)}}\]])|(\s+)")


def laid_out(expr: str) -> str:
    """Return the same expression in lines. Only white space differs, and none inside of strings."""
    one_line = _BLANKS.sub(lambda found: found[1] or " " * bool(found[2]), expr.strip())
    return "\n".join(_lines(one_line, ""))


def _lines(text: str, indent: str) -> Iterator[str]:
    tokens = list(_outside(text)) if len(indent) + len(text) > WIDTH else []
    for operators in _BINDING:
        if found := [token for token in tokens if token["operator"] in operators]:
            yield from _broken(text, found, indent)
            return
    ends = [token for token in tokens if token[0] in {"(", ")"}]
    if not ends:
        yield indent + text
        return
    opening, closing = max(zip(ends[::2], ends[1::2], strict=True), key=lambda pair: pair[1].start() - pair[0].end())
    inside = text[opening.end() : closing.start()]
    yield indent + text[: opening.end()]
    yield from _broken(inside, [token for token in _outside(inside) if token["comma"]], indent)
    yield indent + text[closing.start() :]


def _broken(text: str, at: Sequence[re.Match[str]], indent: str) -> Iterator[str]:
    """Yield the lines of the parts, indented; operators have lines of their own, commas end one."""
    begin = 0
    for token in at:
        part = text[begin : token.end() if token["comma"] else token.start()]
        yield from _lines(part.strip(), indent + _INDENT)
        if token["operator"]:
            yield indent + token[0]
        begin = token.end()
    yield from _lines(text[begin:].strip(), indent + _INDENT)


def _outside(text: str) -> Iterator[re.Match[str]]:
    """Yield the tokens that are not inside of brackets, and the outer brackets."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth -= bool(token["close"])
        if depth == 0:
            yield token
        depth += bool(token["open"])
