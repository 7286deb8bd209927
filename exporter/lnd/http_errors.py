"""Errors in answers over REST: lnd sends them as JSON, proxies and other programs as text or web pages."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import grpc

from exporter.lnd import errors, json_messages
from exporter.lnd.client import LndError

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_QUOTED = 100  # bytes of a foreign answer that are quoted at most


def reject_web_page(response: aiohttp.ClientResponse) -> None:
    """Raise `LndError` for a web page: a proxy in front of lnd shows it, such as a form to log in."""
    if response.content_type == "text/html":
        raise errors.not_lnd("a web page")


def from_response(status: int, body: bytes, path: str) -> LndError:
    """Return the error for an answer to `path` whose status isn't 200."""
    with suppress(json_messages.Malformed):
        if error := from_json(json_messages.parse(body)):
            return error
    if status == HTTPStatus.NOT_FOUND and is_unknown_path(body):
        return unknown_path()
    called = "/".join(path.partition("?")[0].split("/")[:4])  # without the hash of a payment
    text = f"HTTP {status} at {called}"
    if status == HTTPStatus.BAD_REQUEST:
        text += f": {body[:_QUOTED].decode(errors='replace')}"
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return errors.not_lnd(text)
    return errors.from_status(grpc.StatusCode.UNAVAILABLE, text)


def from_json(value: Any) -> LndError | None:
    """Return lnd's error in parsed JSON; None if it isn't an error.

    Before lnd 0.14 the key `error` holds the text as well, and the code of a stream is `grpc_code`.
    """
    error = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(error, str):
        error = value
    if not isinstance(error, dict) or not isinstance(number := error.get("code", error.get("grpc_code")), int):
        return None
    code, text = _CODES.get(number, grpc.StatusCode.UNKNOWN), str(error.get("message", ""))
    # An unknown payment and an unknown path have the same code, but the error of a stream is nested under `error`.
    if code is grpc.StatusCode.NOT_FOUND and error is value:
        return unknown_path()
    return errors.from_status(code, text)


def is_unknown_path(text: bytes | str) -> bool:
    """Return True if this is the answer of lnd before 0.14 to a path that it doesn't have, which isn't JSON."""
    return text.strip() in (b"Not Found", "Not Found")


def unknown_path() -> LndError:
    """Return the error for a path that lnd doesn't have."""
    return errors.from_status(grpc.StatusCode.UNIMPLEMENTED, "no such path")
