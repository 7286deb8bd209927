"""The commands `dashboards` and `alertmanager-example`: the files are those of the repository."""

import json
from pathlib import Path

import pytest
import yaml

from exporter.__main__ import main
from exporter.assets.carried import DASHBOARDS

ROOT = Path(__file__).parents[2]
THERE = {path.stem: path.read_text() for path in (ROOT / "dashboards").glob("*.json")}
LARGEST_ANNOTATION = 256 << 10
"""Bytes that the annotations of an object may have; `kubectl apply` keeps the whole object in one of them."""
OTHER_PATH = "Name another path, or a directory that this user may write to."


def written(directory: Path, suffix: str) -> dict[str, str]:
    """Return the texts of the files in a directory, which must be all that is there."""
    assert {path.suffix for path in directory.iterdir()} == {suffix}
    return {path.stem: path.read_text() for path in directory.iterdir()}


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines about the only problem; the exit code must be 2, and nothing printed."""
    assert main(["dashboards", *arguments]) == 2
    out, err = capsys.readouterr()
    first, *lines = err.splitlines()
    assert (out, first) == ("", "lnd-payments-exporter: 1 problem with the configuration")
    return [line.strip() for line in lines if line]


def test_dashboards(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All of them, into a new directory; the paths are printed. A second time, over older ones, changes nothing."""
    place = tmp_path / "new"
    for _ in range(2):
        assert main(["dashboards", f"--output={place}"]) == 0
        assert capsys.readouterr() == ("".join(f"{place}/{uid}.json\n" for uid in DASHBOARDS), "")
        assert written(place, ".json") == THERE
        (place / "lnd-payments-fleet.json").write_text('{\n  "uid": "lnd-payments-fleet",\n  "version": 0\n}')


def test_manifests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A ConfigMap for each, with the label by which Grafana's sidecar finds it; each is small enough for kubectl."""
    for _ in range(2):
        assert main(["dashboards", f"--output={tmp_path}", "--format=kubernetes"]) == 0
    capsys.readouterr()
    manifests = {name: yaml.safe_load(text) for name, text in written(tmp_path, ".yml").items()}
    labels = {"app.kubernetes.io/name": "lnd-payments-exporter", "grafana_dashboard": "1"}
    assert manifests == {
        uid: {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": uid, "labels": labels},
            "data": {f"{uid}.json": text},
        }
        for uid, text in THERE.items()
    }
    assert [name for name, each in manifests.items() if len(json.dumps(each)) > LARGEST_ANNOTATION] == []


def test_another_file_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Then nothing is written at all, not even the dashboards that come before it."""
    last = tmp_path / f"{DASHBOARDS[-1]}.json"
    last.write_text('{"uid": "mine"}')
    what = f"{last} exists, and is not an older version of this file: it stays as it is."
    assert mistake(capsys, f"--output={tmp_path}") == ["--output", what, OTHER_PATH]
    assert written(tmp_path, ".json") == {DASHBOARDS[-1]: '{"uid": "mine"}'}


def test_mistakes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """No directory, a file, and one whose parent isn't there."""
    fix = "Write --output=DIR, the directory for the files."
    assert mistake(capsys) == ["--output", "is missing.", fix]
    (tmp_path / "file").touch()
    for name, what in {
        "file": "is a file, not a directory.",
        "no/where": f"can't be created (there is no directory {tmp_path}/no).",
        "file/in": f"can't be created (there is no directory {tmp_path}/file).",
    }.items():
        assert mistake(capsys, f"--output={tmp_path / name}") == ["--output", f"{tmp_path / name} {what}", OTHER_PATH]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_example_of_alertmanager(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the one of the repository, whose routes and inhibitions are tested."""
    assert main(["alertmanager-example"]) == 0
    assert capsys.readouterr() == ((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text(), "")
    assert main(["alertmanager-example", "home"]) == 2
    assert "home\n      is neither a flag nor the value of one.\n" in capsys.readouterr().err
