"""Prints the notes of a release: its section of CHANGELOG.md, if tag, version and changelog agree.

`python3 -m tests.release v1.2.3` needs nothing installed.
"""

import re
import sys
from datetime import date
from pathlib import Path

from exporter import __version__

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
WRAP = re.compile(r"(?<=\S)\n *+(?!- |#|\n)")
"""A line break within a paragraph or an item of a list."""
LINK = re.compile(r"\[[^]]*\]\((?!https?:)[^)]*\)")
HEADING = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)


class NotReady(Exception):
    """This version can't be released yet; the message says why."""


def notes(tag: str, version: str, changelog: str) -> str:
    """Return the section of the changelog about a version, without its heading and with each paragraph in one line.

    GitHub shows a line break in the text of a release as one.

    Raises `NotReady` if the tag differs from the version, or the section is missing, undated, empty or links to files.
    """
    if tag != f"v{version}":
        raise NotReady(f"the tag is {tag}, but exporter/__init__.py has version {version}, whose tag is v{version}")
    headings = [*HEADING.finditer(changelog)]
    heading = next((heading for heading in headings if heading["version"] == version), None)
    if heading is None:
        raise NotReady(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`")
    try:
        date.fromisoformat(heading["date"] or "")
    except ValueError:
        raise NotReady(f"the heading of {version} in CHANGELOG.md has no date: `## [{version}] - YYYY-MM-DD`") from None
    end = next((later.start() for later in headings if later.start() > heading.start()), len(changelog))
    text = changelog[heading.end() : end].strip()
    if not text:
        raise NotReady(f"the section of {version} in CHANGELOG.md is empty")
    if link := LINK.search(text):
        raise NotReady(f"a link to a file leads nowhere in the text of a release: {link[0]}")
    return f"{WRAP.sub(' ', text)}\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m tests.release TAG")
    try:
        sys.stdout.write(notes(sys.argv[1], __version__, CHANGELOG.read_text()))
    except NotReady as error:
        sys.exit(f"Not ready to release: {error}")
