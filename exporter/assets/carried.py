"""Reads the files that the package carries: the dashboards, and the example for Alertmanager."""

from pathlib import Path

DASHBOARDS = tuple(f"lnd-payments-{name}" for name in ("overview", "failures", "flight", "node", "fleet"))
"""The uids of the dashboards, which name their files; the order of the README."""
ALERTMANAGER = "deploy/alertmanager/alertmanager.yml"

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = Path(__file__).parent / "files"
"""Where a wheel puts them: `force-include` in pyproject.toml. A clone has them where they are made."""


def dashboard(uid: str) -> str:
    """Return the JSON of a dashboard."""
    return carried(f"dashboards/{uid}.json")


def carried(path: str) -> str:
    """Return the content of a file, by its path in the repository."""
    installed = _INSTALLED / path
    return (installed if installed.exists() else _PACKAGE.parent / path).read_text(encoding="utf-8")
