"""Logging: structlog and the standard library's loggers share one handler, which removes secrets."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.redact import REDACTED, SECRET_KEY, redact

MAX_DEPTH = 6
"""Structures nested deeper than this are logged as text."""


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all log records of this process to one stream, by default stderr.

    `level` is the name of a level in any case. `log_format` is `console`, `json`, or `auto`: `console` if the stream is
    a terminal, else `json`.
    """
    handler = logging.StreamHandler(stream) if stream else _ToStderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_COMMON,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_event,
                _order_keys,
                *_renderer(log_format, terminal=handler.stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    logging.getLogger("grpc").setLevel(logging.INFO)  # at debug it logs the event loop of each call
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_COMMON,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def set_level(level: str) -> None:
    """Log records of this level and above from now on, after `configure`."""
    logging.getLogger().setLevel(level.upper())


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`: progress bars replace it, to print log lines above them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stderr
        super().emit(record)


_COMMON: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _renderer(log_format: str, *, terminal: bool) -> list[Processor]:
    """Return the last processor, which makes a line for people or of JSON."""
    if log_format == "console" or (log_format == "auto" and terminal):
        plain = structlog.dev.plain_traceback  # the pretty one shows local variables, secrets included
        return [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain, sort_keys=False)]
    return [structlog.processors.JSONRenderer(ensure_ascii=False)]


FIRST_KEYS = ("timestamp", "level", "event", "node")
LAST_KEYS = ("advice",)


def _order_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the most important keys first and advice, which may be long, last; in JSON too."""
    middle = [key for key in event if key not in FIRST_KEYS + LAST_KEYS]
    return {key: event[key] for key in (*FIRST_KEYS, *middle, *LAST_KEYS) if key in event}


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove secrets from the event: its text, its traceback, and its values, by their key and by their form."""
    return {redact(str(key)): _redact_value(str(key), value, MAX_DEPTH) for key, value in event.items()}


def _redact_value(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return REDACTED if SECRET_KEY.search(key) and value is not None else value
    if SECRET_KEY.search(key) or isinstance(value, bytes | bytearray | memoryview):
        return REDACTED  # raw bytes may be a secret in any encoding, and no event needs them
    if isinstance(value, str):
        return redact(value)
    if depth and isinstance(value, Mapping):
        return {redact(str(name)): _redact_value(str(name), inner, depth - 1) for name, inner in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(key, inner, depth - 1) for inner in value]
    return redact(repr(value))
