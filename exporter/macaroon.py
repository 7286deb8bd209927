"""The forms in which a macaroon is kept in a file: as lnd writes it, or as hex or base64 text."""

import base64
import binascii
import codecs
import re

SHORTEST = 40
"""Bytes; lnd's are longer: a signature alone takes 34."""

_VERSION_2 = b"\x02"
"""First byte of all that lnd has written since 2018 (https://github.com/go-macaroon/macaroon, `V2`)."""
_VERSION_1 = re.compile(rb"[0-9a-f]{4}location ")

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""What editors and PowerShell put in front of text."""
_HEX = re.compile("[0-9A-Fa-f]+")
_BASE64 = re.compile("[A-Za-z0-9+/_-]+={0,2}")
"""Of both alphabets."""


def decode(content: bytes) -> bytes | None:
    """The macaroon, as lnd writes it, out of the bytes of a file; None if it is none. It may still be cut off.

    Text may be in lines of any length, as `xxd -p` and `base64` write them, with blanks around each.
    """
    bom = next((bom for bom in _BOMS if content.startswith(bom)), b"")
    binary = content.removeprefix(bom).lstrip()  # no more: a signature may end like a line
    if _is_macaroon(binary):
        return binary
    try:
        text = content.removeprefix(bom).decode(_BOMS.get(bom, "utf-8"))
    except UnicodeDecodeError:
        return None
    packed = "".join(line.strip() for line in text.splitlines())
    found = _from_hex(packed) or _from_base64(packed)
    return found if _is_macaroon(found) else None


def _is_macaroon(content: bytes) -> bool:
    return content.startswith(_VERSION_2) or _VERSION_1.match(content) is not None


def _from_hex(packed: str) -> bytes:
    """Nothing if it is no hex, or has half a byte at its end."""
    return bytes.fromhex(packed) if _HEX.fullmatch(packed) and len(packed) % 2 == 0 else b""


def _from_base64(packed: str) -> bytes:
    """Nothing if it is no base64; with or without the padding that its length asks for."""
    if not _BASE64.fullmatch(packed):
        return b""
    bare = packed.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""
