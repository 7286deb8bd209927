"""What a receiver's answer means: accepted, worth another try, or an error with advice."""

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from os import strerror
from urllib.parse import urlsplit

import aiohttp

from exporter.config.httpmodel import RemoteWriteConfig
from exporter.redact import REDACTED, redact
from exporter.text import sanitize

QUOTED = 300
"""Characters of a receiver's words that are quoted at most."""

_SUCCESS, _REDIRECT, _SERVER_ERROR = 2, 3, 5
"""First digits of statuses."""
_WINDOW = (
    "It takes samples of the past only within its out-of-order window (Prometheus:"
    " storage.tsdb.out_of_order_time_window): make that longer, or write files (--output=DIR) for promtool"
)
_WHERE = "Is the path right? Prometheus and VictoriaMetrics have /api/v1/write, Mimir has /api/v1/push"
_LOGIN = "The user, the password or the credentials are wrong, or not allowed to write (--http-config=FILE)"
_ADVICE: tuple[tuple[tuple[int, ...], str, str], ...] = (
    ((400,), r"out[ -]of[ -](?:order|bounds)|too[ -]old|duplicate sample", _WINDOW),
    ((404,), r"needs to be enabled", "Start Prometheus with this flag"),
    ((401, 403), r"no org id", "Mimir wants the header X-Scope-OrgID: name it in http_headers of --http-config=FILE"),
    ((401, 403, 407), "", _LOGIN),
    ((400, 404, 405, 501), "", _WHERE),
    (
        (413,),
        "",
        "It, or a proxy before it, must let requests of a MiB through (nginx: client_max_body_size)",
    ),
    ((415,), "", "It must take remote write 1.0 (protobuf prometheus.WriteRequest, compressed by snappy)"),
)
"""Statuses, a pattern of the receiver's words in lower case, and advice; the first that matches applies."""


class RemoteWriteError(Exception):
    """The receiver doesn't take the samples. Its text is one line with advice, without a secret."""


@dataclass
class TryAgain(Exception):
    """The request may succeed later."""

    why: str
    """One line, without the name of the receiver."""
    after_s: float | None = None
    """The receiver wants to be asked no sooner than after this; None: it doesn't say."""


def judge(config: RemoteWriteConfig, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return if the receiver has accepted the request; raises `TryAgain` or `RemoteWriteError`."""
    web_page = headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"
    kind = status // 100
    if kind == _SUCCESS:
        if web_page:
            raise RemoteWriteError(f"{config.shown}: it answers with a web page, as a form to log in does. {_WHERE}.")
        return
    said = "" if web_page else _first_line(config, body)
    answer = f"it answers {status}{_phrase(status)}{f': {said}' if said else ''}"
    again = kind == _SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    if again or status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT):
        raise TryAgain(answer, _retry_after_s(headers))
    if kind == _REDIRECT:
        target = _shown_target(config, headers.get("Location", ""))
        advice = f"It redirects{target}, which is not followed: the password would be sent there. Give the final URL"
    else:
        advice = next(
            (fix for statuses, words, fix in _ADVICE if status in statuses and re.search(words, said.lower())), ""
        )
    raise RemoteWriteError(" ".join(map(sentence, filter(None, (f"{config.shown}: {answer}", advice)))))


def sentence(text: str) -> str:
    """Return a text that may be foreign with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def network_error(config: RemoteWriteConfig, error: Exception) -> TryAgain | RemoteWriteError:
    """Return what a broken request means: with a certificate that isn't trusted another try is in vain."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    tls = next((each for each in (cause, error, error.__cause__) if isinstance(each, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        fix = "Name the authority that signed it (tls_config: ca_file), or the name that it is made for (server_name)"
        text = sentence(sanitize(tls.verify_message or "not trusted"))
        return RemoteWriteError(f"{config.shown}: its certificate is refused: {text} {fix}.")
    if tls is not None and not isinstance(tls, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        fix = "It may want a client certificate (tls_config: cert_file, key_file), or not be an https port"
        return RemoteWriteError(f"{config.shown}: TLS fails: {_tls_reason(tls)}. {fix}.")
    if isinstance(error, TimeoutError):
        return TryAgain("it doesn't answer in time")
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)):
        return TryAgain("it closes the connection without a whole answer")
    if isinstance(error, aiohttp.InvalidURL):
        return RemoteWriteError(f"{config.shown} is not a URL that can be requested.")
    return TryAgain(_clean(config, _reason(cause)))


def _reason(cause: BaseException) -> str:
    """Return the system's words for an error of the network."""
    number = getattr(cause, "errno", None)
    if isinstance(number, int) and number > 0 and not isinstance(cause, ssl.SSLError):
        return strerror(number)
    return str(getattr(cause, "strerror", None) or cause) or "the connection breaks"


def _tls_reason(error: ssl.SSLError) -> str:
    return (error.reason or "no reason given").replace("_", " ").lower()


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _first_line(config: RemoteWriteConfig, body: bytes) -> str:
    return _clean(config, next(iter(body.decode(errors="replace").strip().splitlines()), ""))


def _clean(config: RemoteWriteConfig, text: str) -> str:
    """Return foreign words without our secrets, without what disturbs a terminal, and not too long."""
    for secret in config.secrets:
        text = text.replace(secret, REDACTED)
    text = sanitize(redact(text)).strip()
    return text if len(text) <= QUOTED else f"{text[:QUOTED].rstrip()}..."


def _shown_target(config: RemoteWriteConfig, location: str) -> str:
    """Return where a redirect leads, without user, password and query."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    target = _clean(config, (f"{parts.scheme}://{place}" if parts.scheme and place else place) + parts.path)
    return f" to {target}" if target else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the receiver wants to be left alone; None if it doesn't say, or says nonsense."""
    given = headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:12])
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
