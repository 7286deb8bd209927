"""Keeps what no command needs out of memory."""

import importlib
import os
import sys
from threading import Lock
from types import ModuleType
from typing import Any

LATER = (
    "attr.validators",
    "google.protobuf.internal.python_message",  # protobuf in Python, which a compiled one replaces
    "idna",
    "locale",
    "msgspec.inspect",
    "pkgutil",
    "shutil",
)
"""Modules that libraries import without using anything of them, with all that they import: 2.5 MB, 25 ms of CPU."""
_TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The environment variables by which OpenSSL finds the system's certificates."""
_lock = Lock()


def import_libraries() -> None:
    """Import libraries without what we don't use of them. Call it before anything else imports them."""
    for name in LATER:
        if name not in sys.modules:
            _import_later(name)
    import_structlog()
    _import_aiohttp()


def _import_later(name: str) -> None:
    """Let a module be imported when something of it is used, as `lazy import` does from Python 3.15 on."""
    stand_in = ModuleType(name)

    def attribute_of_the_module(attribute: str) -> Any:
        with _lock:  # only for the removal: an import may wait for another thread's
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    stand_in.__getattr__ = attribute_of_the_module  # type: ignore[method-assign]
    sys.modules[name] = stand_in


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


def _import_aiohttp() -> None:
    """Import aiohttp without the system's certificates.

    aiohttp loads them twice when it is imported, for connections that have no TLS settings of their own: 2 MB, 40 ms of
    CPU. Ours have their own (`lnd.tls`); one that hadn't would trust nobody.
    """
    before = {name: os.environ.get(name) for name in _TRUSTED}
    os.environ.update(dict.fromkeys(_TRUSTED, os.devnull))
    try:
        import aiohttp  # noqa: F401, PLC0415
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
