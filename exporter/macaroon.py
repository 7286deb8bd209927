"""Decodes a macaroon from the content of a file: as lnd writes it, or as hex or base64 text."""

import base64
import binascii
import codecs
import re

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
