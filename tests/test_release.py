"""A release: its notes come from the changelog, its files can be built again, and one version is everywhere."""

import os
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from exporter import __version__
from tests.release import NotReady, notes

ROOT = Path(__file__).parents[1]
CHANGELOG = """\
# Changelog

## [Unreleased]

- not yet

## [1.1.0] - 2026-11-30

Two lines
of text.

### Added

- a thing with
  `two` lines
- another
  - and a part of it

### Changed

- nothing

## [1.0.1] - 2026-02-30

- no such day

## [1.0.0]

- no date

## [0.9.0] - 2025-01-01

## [0.8.0] - 2024-01-01

See [the metrics](docs/metrics.md) of [Prometheus](https://prometheus.io).
"""


def test_notes_are_the_section_of_the_version() -> None:
    """Without its heading, and without what is older or newer."""
    assert (
        notes("v1.1.0", "1.1.0", CHANGELOG)
        == """\
Two lines of text.

### Added

- a thing with `two` lines
- another
  - and a part of it

### Changed

- nothing
"""
    )


@pytest.mark.parametrize(
    ("tag", "version", "why"),
    [
        ("v1.1.0", "1.0.0", "the tag is v1.1.0, but exporter/__init__.py has version 1.0.0, whose tag is v1.0.0"),
        ("1.1.0", "1.1.0", "the tag is 1.1.0, but exporter/__init__.py has version 1.1.0, whose tag is v1.1.0"),
        ("v2.0.0", "2.0.0", "CHANGELOG.md has no section `## [2.0.0] - YYYY-MM-DD`"),
        ("v1.0.1", "1.0.1", "the heading of 1.0.1 in CHANGELOG.md has no date: `## [1.0.1] - YYYY-MM-DD`"),
        ("v1.0.0", "1.0.0", "the heading of 1.0.0 in CHANGELOG.md has no date: `## [1.0.0] - YYYY-MM-DD`"),
        ("v0.8.0", "0.8.0", "a link to a file leads nowhere in the text of a release: [the metrics](docs/metrics.md)"),
        ("v0.9.0", "0.9.0", "the section of 0.9.0 in CHANGELOG.md is empty"),
    ],
)
def test_what_is_not_ready_is_not_released(tag: str, version: str, why: str) -> None:
    """The workflow stops before anything is built."""
    with pytest.raises(NotReady) as error:
        notes(tag, version, CHANGELOG)
    assert str(error.value) == why


MENTION = re.compile(
    r"(?:lnd-payments-exporter(?::|==|@v)|lnd_payments_exporter-|[?]ref=v|\bnewTag: *[\"']?|/version: *[\"']?)"
    r"(\d+\.\d+\.\d+)"
)
"""A version of the exporter: in the name of an image, package or file, in a kustomization, a label or an address."""


def test_every_mention_is_of_this_version() -> None:
    """`exporter/__init__.py` has the version; tags of images and the like follow it in the commit of the release."""
    names = ["lnd-payments-exporter:9.8.7", "lnd-payments-exporter==9.8.7", "lnd_payments_exporter-9.8.7.tar.gz"]
    spellings = [*names, "newTag: 9.8.7", '/version: "9.8.7"', "//deploy/kubernetes/base?ref=v9.8.7"]
    assert [MENTION.findall(spelling) for spelling in spellings] == [["9.8.7"]] * len(spellings)
    texts = [path for folder in ("docs", "deploy") for path in (ROOT / folder).rglob("*") if path.suffix != ".png"]
    wrong = {
        path.relative_to(ROOT).as_posix(): found
        for path in (*texts, ROOT / "Dockerfile", *ROOT.glob("*.md"))
        if path.is_file() and (found := {*MENTION.findall(path.read_text())} - {__version__})
    }
    wrong.pop("CHANGELOG.md", None)  # names older ones
    assert wrong == {}


def test_page_on_pypi_links_to_the_files_of_its_version(tmp_path: Path) -> None:
    """It is README.md, whose links and pictures are files of the repository."""
    with ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))) as wheel:
        page = wheel.read(f"lnd_payments_exporter-{__version__}.dist-info/METADATA").decode()
    links, readme = (re.findall(r"\]\(([^)\s]+)\)", text) for text in (page, (ROOT / "README.md").read_text()))
    files = f"https://github.com/lnd-payments-exporter/lnd-payments-exporter/blob/v{__version__}/"
    pictures = f"https://raw.githubusercontent.com/lnd-payments-exporter/lnd-payments-exporter/v{__version__}/"
    assert links == [
        link if ":" in link or link.startswith("#") else (pictures if link.endswith(".png") else files) + link
        for link in readme
    ]


def test_two_builds_are_the_same_bit_by_bit(tmp_path: Path) -> None:
    """Neither the times nor the modes of the files, nor the place, are in sdist and wheel."""
    built: list[dict[str, bytes]] = []
    for place, mode, time in (("here", 0o644, 1_000_000_000), ("there", 0o600, 1_700_000_000)):
        source = tmp_path / place
        for part in ("dashboards", "deploy", "exporter"):
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
            shutil.copy(ROOT / file, source / file)
        for path in source.rglob("*.*"):
            if path.is_file():
                path.chmod(mode)
            os.utime(path, (time, time))
        target = tmp_path / f"from-{place}"
        files = [*SdistBuilder(str(source)).build(directory=str(target), versions=["standard"])]
        files += WheelBuilder(str(source)).build(directory=str(target), versions=["standard"])
        built.append({Path(file).name: Path(file).read_bytes() for file in files})
    assert [*built[0]] == [f"lnd_payments_exporter-{__version__}{end}" for end in (".tar.gz", "-py3-none-any.whl")]
    assert built[0] == built[1]
