"""Where programs of a user keep what they must not forget."""

from collections.abc import Mapping
from pathlib import Path

from exporter.config.problems import Wrong

STATE_FILE = "state.sqlite"


def state_directory(environ: Mapping[str, str]) -> Path:
    """systemd's `StateDirectory=`, else the XDG state directory of the user. Raises `Wrong` if there is no home."""
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    xdg = environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(xdg) if xdg.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        raise Wrong(
            "This user has no home directory to keep the state in.",
            "Name a file: --storage.path=FILE, or keep nothing: --storage.memory",
        ) from None
    return base / "lnd-payments-exporter"
