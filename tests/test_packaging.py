"""The lock files satisfy pyproject.toml, have hashes, and name no host; the wheel has all that it promises."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from exporter import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = {
    "runtime": PROJECT["project"]["dependencies"],
    "dev": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]],
    "build": [*PROJECT["build-system"]["requires"], *PROJECT["dependency-groups"]["build"]],
    "sbom": PROJECT["dependency-groups"]["sbom"],
}
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)", re.MULTILINE)


def lock(name: str) -> str:
    """Return the text of a lock file."""
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def pins(name: str) -> dict[str, str]:
    """Return every package of a lock file with its version."""
    return {pin["name"]: pin["version"] for pin in PIN.finditer(lock(name))}


@pytest.mark.parametrize("name", WANTED)
def test_lock_satisfies_pyproject(name: str) -> None:
    """After a change of pyproject.toml run `make lock`."""
    pinned = pins(name)
    wanted = [Requirement(text) for text in WANTED[name]]
    assert [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ] == []


@pytest.mark.parametrize("name", WANTED)
def test_lock_has_hashes_and_names_no_host(name: str) -> None:
    """So it works with every package index that has the same files."""
    assert "://" not in lock(name)
    assert not re.search(r"^--", lock(name), re.MULTILINE)
    packages = re.split(r"\n(?=[a-z])", lock(name))[1:]
    assert [package.partition("==")[0] for package in packages if "--hash=sha256:" not in package] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """Return the content of the wheel."""
    folder = str(tmp_path_factory.mktemp("wheel"))
    with ZipFile(next(WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"]))) as content:
        yield content


def test_wheel_has_the_marker_of_a_typed_package(wheel: ZipFile) -> None:
    """`Typing :: Typed` is among the classifiers, so a type checker must find `py.typed` in the installed package."""
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
    assert "exporter/py.typed" in wheel.namelist()


def test_page_on_pypi_links_to_the_files_of_its_version(wheel: ZipFile) -> None:
    """It is README.md, whose links and pictures are files of the repository."""
    page = wheel.read(f"lnd_payments_exporter-{__version__}.dist-info/METADATA").decode()
    links, readme = (re.findall(r"\]\(([^)\s]+)\)", text) for text in (page, (ROOT / "README.md").read_text()))
    files = f"https://github.com/lnd-payments-exporter/lnd-payments-exporter/blob/v{__version__}/"
    pictures = f"https://raw.githubusercontent.com/lnd-payments-exporter/lnd-payments-exporter/v{__version__}/"
    assert links == [
        link if ":" in link or link.startswith("#") else (pictures if link.endswith(".png") else files) + link
        for link in readme
    ]


def test_locks_have_the_same_versions() -> None:
    """The lock files have the same versions."""
    tested = pins("dev")
    for name in ("runtime", "build"):
        assert {package: (version, tested.get(package)) for package, version in pins(name).items()} == {
            package: (version, version) for package, version in pins(name).items()
        }
