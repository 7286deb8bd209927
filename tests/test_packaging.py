"""The lock files satisfy pyproject.toml, have hashes, and name no host; the wheel has all that the program needs."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
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


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build(WheelBuilder, ROOT, tmp_path_factory.mktemp("wheel"))


def build(builder: type[WheelBuilder] | type[SdistBuilder], root: Path, to: Path) -> Path:
    """Return the archive that is built from the files of a directory."""
    return Path(next(builder(str(root)).build(directory=str(to), versions=["standard"])))


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel, without the metadata."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_wheel_has_the_marker_of_a_typed_package(wheel: Path) -> None:
    """`Typing :: Typed` is among the classifiers, so a type checker must find `py.typed` in the installed package."""
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
    assert "exporter/py.typed" in contents(wheel)


def test_wheel_installs_the_units_of_systemd(wheel: Path) -> None:
    """Into `share` of the virtual environment, from where docs/install/debian.md copies them."""
    place = ".data/data/share/lnd-payments-exporter/systemd/"
    found = {name.partition(place)[2] for name in contents(wheel) if place in name}
    assert found == {path.name for path in (ROOT / "deploy" / "systemd").iterdir()}


def test_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """So whoever builds from it gets the files that are carried in the package, too."""
    with tarfile.open(build(SdistBuilder, ROOT, tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert contents(build(WheelBuilder, unpacked, tmp_path)) == contents(wheel)


def test_installed_program_has_all_it_needs(wheel: Path, tmp_path: Path) -> None:
    """Without the repository it makes the same rules, dashboards and example; only the wheel is on the path."""
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "exporter", *arguments]
        environ = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environ)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    for profile in ("home", "service", "routing"):
        expected = (ROOT / "deploy" / "prometheus" / f"{profile}.rules.yml").read_text()
        assert run("rules", f"--profile={profile}") == expected
    run("dashboards", "--output=dashboards")
    expected_files = {path.name: path.read_text() for path in (ROOT / "dashboards").glob("*.json")}
    assert {path.name: path.read_text() for path in (tmp_path / "dashboards").iterdir()} == expected_files
    assert run("alertmanager-example") == (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    assert run("rules", "--show-values") == (ROOT / "exporter" / "rules" / "values.yml").read_text()


def test_image_is_built_of_all_that_the_wheel_carries() -> None:
    """Docker gets the folders of these files, and copies them. The compose user's secrets are not among them."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    carried = {Path(source).parts[0] for source in [*wheel.get("force-include", {}), *wheel.get("shared-data", {})]}
    given = (ROOT / ".dockerignore").read_text().splitlines()
    copied = (ROOT / "Dockerfile").read_text().splitlines()
    for folder in [*wheel["packages"], *carried]:
        assert {f"!{folder}", f"!{folder}/*.json"} & set(given)
        assert f"COPY {folder} {folder}" in copied
    assert given.index("deploy/compose") > given.index("!deploy")  # the last line that matches decides


def test_locks_have_the_same_versions() -> None:
    """The lock files have the same versions."""
    tested = pins("dev")
    for name in ("runtime", "build"):
        assert {package: (version, tested.get(package)) for package, version in pins(name).items()} == {
            package: (version, version) for package, version in pins(name).items()
        }
