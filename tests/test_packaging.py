"""The lock files satisfy pyproject.toml, have hashes, and name no host."""

import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def test_wheel_has_the_marker_of_a_typed_package(tmp_path: Path) -> None:
    """`Typing :: Typed` is among the classifiers, so a type checker must find `py.typed` in the installed package."""
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with ZipFile(wheel) as content:
        assert "exporter/py.typed" in content.namelist()


def test_locks_have_the_same_versions() -> None:
    """The lock files have the same versions."""
    tested = pins("dev")
    for name in ("runtime", "build"):
        assert {package: (version, tested.get(package)) for package, version in pins(name).items()} == {
            package: (version, version) for package, version in pins(name).items()
        }
