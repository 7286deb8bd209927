"""The home directory of somebody who runs lnd."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.simulator import credentials

MACAROON = b"\x02\x01\x03lnd\x02\x20" + bytes(range(32)) + b"\x00\x00\x06\x20" + bytes(range(100, 132))
"""In lnd's format, with no permissions."""
CERTIFICATE = credentials.certificate()
NOBODY = 65534


class Home:
    """The directory in which the exporter is started; lnd's own is `.lnd` in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lnd = path / ".lnd"
        self.write(".lnd/tls.cert", CERTIFICATE.certificate)
        self.write(".lnd/tls.key", CERTIFICATE.key)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file below the home directory."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def macaroon(self, name: str, network: str = "mainnet") -> Path:
        """Have lnd write a macaroon."""
        return self.write(f".lnd/data/chain/bitcoin/{network}/{name}.macaroon", MACAROON)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home directory of somebody who runs lnd on mainnet, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    home = Home(tmp_path)
    home.macaroon("admin")
    home.macaroon("readonly")
    return home


@contextmanager
def without_root() -> Iterator[None]:
    """Run as an ordinary user, for root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
