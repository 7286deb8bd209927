"""Decodes a macaroon from the binary, hex or base64 content of a file, and reads what it allows, and for how long."""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

MIN_BYTES = 40
"""Bytes that a macaroon has at least; lnd's have more: the signature alone takes 34."""

_VERSION_2 = b"\x02"
"""First byte of every macaroon that lnd has written since 2018 (https://github.com/go-macaroon/macaroon, `V2`)."""
_VERSION_1 = re.compile(rb"[0-9a-f]{4}location ")

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Encoding by byte order mark, which editors and PowerShell put in front of text."""
_HEX = re.compile("[0-9A-Fa-f]+")
_BASE64 = re.compile("[A-Za-z0-9+/_-]+={0,2}")
"""Either alphabet, the standard one or that for URLs, with or without padding."""
_ID = 2  # a field of version 2
_VERSION_3 = b"\x03"  # of the id: a protobuf message follows
_OPERATION, _ENTITY, _ACTION = 3, 1, 2  # fields of that message
_VARINT_BYTES = 10
"""Bytes of a number in base 128 at most, as in protobuf: it has 64 bits."""


class Contents(NamedTuple):
    """What a macaroon says of itself to everybody. Only lnd can tell whether it is genuine."""

    permissions: frozenset[str]
    """As `lncli bakemacaroon` takes them: `offchain:read`, or for a single call `uri:/lnrpc.Lightning/GetInfo`."""
    conditions: tuple[str, ...]
    """First-party caveats, such as `time-before 2027-01-01T00:00:00Z` or `ipaddr 10.0.0.7`."""


def decode(content: bytes) -> bytes | None:
    """Return the macaroon in binary form, as lnd writes it; None if the content isn't one. It may still be truncated.

    Text may be split into lines of any length, as by `xxd -p` and `base64`, with white space around each.
    """
    bom = next((bom for bom in _BOMS if content.startswith(bom)), b"")
    binary = content.removeprefix(bom).lstrip()  # not at its end, where a signature may have bytes like white space
    if _is_macaroon(binary):
        return binary
    try:
        text = content.removeprefix(bom).decode(_BOMS.get(bom, "utf-8"))
    except UnicodeDecodeError:
        return None
    digits = "".join(line.strip() for line in text.splitlines())
    found = _from_hex(digits) or _from_base64(digits)
    return found if _is_macaroon(found) else None


def _is_macaroon(content: bytes) -> bool:
    return content.startswith(_VERSION_2) or _VERSION_1.match(content) is not None


def _from_hex(digits: str) -> bytes:
    """Decode hex; return no bytes if it isn't hex or has an odd number of digits."""
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) and len(digits) % 2 == 0 else b""


def _from_base64(digits: str) -> bytes:
    """Decode base64, with or without padding; return no bytes if it isn't base64."""
    if not _BASE64.fullmatch(digits):
        return b""
    bare = digits.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""


def read_contents(binary: bytes) -> Contents | None:
    """Return what a macaroon of version 2 says of itself; None if it can't be read.

    Its fields are `(number, length, data)`, in sections that a zero ends: the first has the id, each further one a
    condition (https://github.com/rescrv/libmacaroons/blob/master/doc/format.txt). lnd's id is the message `MacaroonId`
    of https://github.com/go-macaroon-bakery/macaroonpb.
    """
    try:
        (identifier, *conditions) = _ids(binary)
        if not identifier.startswith(_VERSION_3):
            return None
        permissions = frozenset(
            f"{entity.decode()}:{action.decode()}"
            for number, operation in _fields(identifier[1:])
            if number == _OPERATION
            for entity in (value for field, value in _fields(operation) if field == _ENTITY)
            for action in (value for field, value in _fields(operation) if field == _ACTION)
        )
        return Contents(permissions, tuple(condition.decode() for condition in conditions))
    except (ValueError, IndexError):
        return None


def _ids(binary: bytes) -> Iterator[bytes]:
    """Yield the id of a macaroon, then those of its conditions. Raises ValueError or IndexError if it is damaged."""
    if not binary.startswith(_VERSION_2):
        raise ValueError("another version")
    at, found = 1, False
    while binary[at]:  # an empty section is the end; the signature follows
        while binary[at]:
            number, data, at = _field(binary, at)
            if number == _ID:
                yield data
                found = True
        at += 1
    if not found:
        raise ValueError("no id")


def _field(binary: bytes, at: int) -> tuple[int, bytes, int]:
    """Return number and data of a field of a macaroon, and where the next one begins."""
    number, at = _varint(binary, at)
    length, at = _varint(binary, at)
    if at + length > len(binary):
        raise IndexError("truncated")
    return number, binary[at : at + length], at + length


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and data of each field of a protobuf message that has only fields with a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 != 2:  # noqa: PLR2004 - the wire type of fields with a length
            raise ValueError("another type")
        length, at = _varint(message, at)
        if at + length > len(message):
            raise IndexError("truncated")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number in base 128, least significant digits first, and where it ends. Raises ValueError."""
    value = 0
    for digit in range(_VARINT_BYTES):
        byte = data[at + digit]
        value |= (byte & 0x7F) << 7 * digit
        if not byte & 0x80:
            return value, at + digit + 1
    raise ValueError("too large")
