"""docs/files.md: every file of the exporter with its one sentence, made from the files themselves."""

import ast
import os

from tests.test_house import FILES, ROOT

DOCUMENT = ROOT / "docs" / "files.md"
HEAD = """\
# Files

Every file of `exporter/` with the first sentence of its docstring.
Made by `UPDATE_GOLDEN=1 make test ARGS=tests/test_files.py`.
"""


def listing() -> str:
    """Return the document, a section for each package."""
    sections: dict[str, list[str]] = {}
    for path in FILES.values():
        sentence = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
        folder = f"{path.parent.relative_to(ROOT).as_posix()}/"
        rows = sections.setdefault(folder, [])
        if path.name == "__init__.py":
            rows.insert(0, f"\n## `{folder}`\n\n{sentence}\n\n| file | |\n| --- | --- |")
        else:
            rows.append(f"| `{path.name}` | {sentence} |")
    return HEAD + "".join(f"{row}\n" for rows in sections.values() for row in rows)


def test_the_list_of_files_is_complete() -> None:
    """A new file, or another first sentence, is written with `UPDATE_GOLDEN=1`."""
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENT.write_text(listing())
    assert DOCUMENT.read_text() == listing()
