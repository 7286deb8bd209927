"""The pages of documentation can be read and used as they are: tables, links, and the commands that make macaroons."""

import re
from pathlib import Path

import pytest

from exporter.config.macaroons import BAKE, BAKE_FOR_WHY
from exporter.follow import no_route

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [path.relative_to(ROOT).as_posix() for path in PAGES]
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
BAKED = re.compile(r"bakemacaroon(?:[^\n]*\\\n)*[^\n]*")
"""A command of one line or more, each but the last with a backslash at its end."""
LINK = re.compile(r"\]\(([^)\s]+)\)")


def tables(page: str) -> list[list[str]]:
    """Return the rows of each table; a paragraph is a table if its first line begins with a bar."""
    blocks = [block.splitlines() for block in re.split(r"\n\s*\n|<!--.*?-->\n", FENCED.sub("", page))]
    return [rows for rows in blocks if rows and rows[0].startswith("|")]


def cells(row: str) -> int:
    """Return the number of cells; a bar in code, or after a backslash, ends none."""
    return re.sub(r"`[^`]*`|\\\|", "", row).count("|") - 1


def anchors(page: str) -> set[str]:
    """Return the names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", PAGES, ids=IDS)
def test_rows_of_tables_are_whole(path: Path) -> None:
    """Each is one line, with as many cells as the head: a formatter may have joined or wrapped them."""
    for head, *rows in tables(path.read_text()):
        wrong = [row for row in (head, *rows) if not row.endswith("|") or cells(row) != cells(head)]
        assert wrong == []


@pytest.mark.parametrize("path", PAGES, ids=IDS)
def test_links_lead_to_a_file_and_a_heading(path: Path) -> None:
    """Links to this repository; a line break in the text of a link is fine, one in its address isn't."""
    broken = []
    for link in LINK.findall(CODE.sub("", path.read_text())):
        address, _, anchor = link.partition("#")
        if ":" in address:
            continue
        file = path.parent / address if address else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(link)
    assert broken == []


def permissions(text: str) -> set[str]:
    """Return the permissions of each command that makes a macaroon, in their order, with spaces between them."""
    return {" ".join(re.findall(r"uri:/[\w./]+", command)) for command in BAKED.findall(text)} - {""}


def test_macaroons_are_those_that_the_program_asks_for() -> None:
    """Every page with such a command has the same permissions, and every page of an installation has the command."""
    (smallest,), (explaining,), (asking,) = map(permissions, (BAKE, no_route.BAKE, BAKE_FOR_WHY))
    found = {page: baked for page in PAGES if (baked := permissions(page.read_text()))}
    operations, why = (ROOT / "docs" / f"{name}.md" for name in ("operations", "why"))
    others = {*(ROOT / "docs" / "install").iterdir()} - {*found}
    assert found == {page: {smallest} for page in found} | {operations: {smallest, explaining}, why: {asking}}
    assert {page.name for page in others} == {"README.md", "kubernetes.md"}  # which name the page that has it
