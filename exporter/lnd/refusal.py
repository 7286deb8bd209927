"""Errors that are answered over REST: by lnd in JSON, by proxies and other programs as text or pages."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import grpc

from exporter.lnd import gateway, trouble
from exporter.lnd.client import LndError

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_QUOTED = 100  # bytes of a page that may say what is wrong


def not_a_page(answer: aiohttp.ClientResponse) -> None:
    """Raise `LndError` for a web page: what stands before lnd asks a person something."""
    if answer.content_type == "text/html":
        raise trouble.foreign("a web page")


def refused(status: int, body: bytes, path: str) -> LndError:
    """What an HTTP error makes of a node: lnd explains it in JSON, proxies and other programs in text."""
    with suppress(gateway.Malformed):
        if error := error_in(gateway.parse(body)):
            return error
    if status == HTTPStatus.NOT_FOUND and is_nowhere(body):
        return nowhere()
    called = "/".join(path.partition("?")[0].split("/")[:4])  # without the hash of a payment
    said = f"HTTP {status} at {called}"
    if status == HTTPStatus.BAD_REQUEST:
        said += f": {body[:_QUOTED].decode(errors='replace')}"
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return trouble.foreign(said)
    return trouble.translate(grpc.StatusCode.UNAVAILABLE, said)


def error_in(said: Any) -> LndError | None:
    """What an error of lnd's in JSON makes of a node; None if this is no error.

    Before lnd 0.14 the text stands under `error`, too, and the code of a stream is `grpc_code`.
    """
    error = said.get("error", said) if isinstance(said, dict) else None
    if isinstance(error, str):
        error = said
    if not isinstance(error, dict) or not isinstance(number := error.get("code", error.get("grpc_code")), int):
        return None
    code, text = _CODES.get(number, grpc.StatusCode.UNKNOWN), str(error.get("message", ""))
    if code is grpc.StatusCode.NOT_FOUND and error is said:  # lnd's calls put it under `error`: it has no such path
        return nowhere()
    return trouble.translate(code, text)


def is_nowhere(text: bytes | str) -> bool:
    """True if this is what lnd before 0.14 says of a path that it doesn't have: no JSON."""
    return text.strip() in (b"Not Found", "Not Found")


def nowhere() -> LndError:
    """A path that lnd doesn't have."""
    return trouble.translate(grpc.StatusCode.UNIMPLEMENTED, "no such path")
