"""Keeps what no command needs out of memory."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from threading import Lock
from types import ModuleType
from typing import Any

LATER = (
    "attr.validators",
    "exporter.lnd.details",
    "exporter.lnd.findings",
    "exporter.lnd.rpc.track_pb2",
    "exporter.lnd.rpc.why_pb2",
    "google.protobuf.internal.python_message",  # protobuf in Python, which a compiled one replaces
    "idna",
    "locale",
    "msgspec.inspect",
    "pkgutil",
    "shutil",
)
"""Modules that are imported and used seldom or never, with all that they import: 2.7 MB, 25 ms of CPU.

Libraries import them and use nothing of them; ours are for the commands `track` and `why`, and for an exporter that
explains failures.
"""
_TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The environment variables by which OpenSSL finds the system's certificates."""
_lock = Lock()


def import_libraries() -> None:
    """Import libraries without what we don't use of them. Call it before anything else imports them, or the others."""
    for name in LATER:
        if name not in sys.modules:
            _import_later(name)
    _import_html()
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


class _Entities(Mapping[str, str]):
    """The characters that HTML has names for: `html.entities.html5`, which is imported when it is used."""

    @cached_property
    def _table(self) -> Mapping[str, str]:
        from html.entities import html5  # noqa: PLC0415

        return html5

    def __getitem__(self, name: str) -> str:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def _import_html() -> None:
    """Import `html`, of which only `escape` is used, without the table of all characters: 0.4 MB."""
    if "html" in sys.modules:
        return
    stand_in = ModuleType("html.entities")
    stand_in.html5 = _Entities()  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in
    try:
        import html  # noqa: F401, PLC0415
    finally:
        del sys.modules[stand_in.__name__]


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
