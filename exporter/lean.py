"""Keeps what no command needs out of memory."""

import sys


def import_structlog() -> None:
    """Import structlog without rich, for a command that shows nothing by rich itself before.

    If rich is installed, structlog imports it with pygments, for tracebacks that we never show (`log._renderer`): 3 MB,
    80 modules, 60 ms of CPU. None in `sys.modules` is Python's own way to make an import fail. rich itself can be
    imported afterwards.
    """
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]
