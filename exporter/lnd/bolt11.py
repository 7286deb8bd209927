"""Whom a BOLT 11 payment request pays: all that we ask of one.

lnd has checked the request before it paid it, so nothing is checked again here, and nothing of it is kept.
"""

from hashlib import sha256

import wallycore

_CHARSET = {char: value for value, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_CHECKSUM, _SIGNATURE, _TIMESTAMP = 6, 104, 7  # in words of 5 bits
_PAYEE = 19  # the tag `n`
_PAYEE_WORDS = 53
_COMPRESSED = 27 + 4  # first byte of a recoverable signature by a compressed key, as libwally wants it


def payee(request: str) -> str | None:
    """The identity key of the payee, 66 hex digits; None if this is no BOLT 11 request that names one.

    It is in the field `n` or else recovered from the signature (BOLT 11).
    """
    prefix, _, data = request.strip().lower().rpartition("1")
    try:
        words = [_CHARSET[char] for char in data[:-_CHECKSUM]]
    except KeyError:
        return None
    if not prefix.startswith("ln") or len(words) < _TIMESTAMP + _SIGNATURE:
        return None
    signed, signature = words[:-_SIGNATURE], _bytes(words[-_SIGNATURE:])
    return _named(signed[_TIMESTAMP:]) or _recovered(prefix.encode() + _bytes(signed), signature)


def _named(fields: list[int]) -> str | None:
    """The field `n`: a type, a length in two words, the words."""
    while len(fields) >= 3:  # noqa: PLR2004 - type and length
        tag, length = fields[0], fields[1] * 32 + fields[2]
        value, fields = fields[3 : 3 + length], fields[3 + length :]
        if tag == _PAYEE and len(value) == _PAYEE_WORDS:
            return _bytes(value)[:33].hex()
    return None


def _recovered(message: bytes, signature: bytes) -> str | None:
    """The key that made the signature: 64 bytes and the recovery id."""
    compact, recovery_id = signature[:64], signature[64]
    try:
        key: bytes = wallycore.ec_sig_to_public_key(
            sha256(message).digest(), bytes([_COMPRESSED + recovery_id]) + compact
        )
    except ValueError:
        return None  # not a signature that any key can have made
    return key.hex()


def _bytes(words: list[int]) -> bytes:
    """Words of 5 bits as bytes, the last one filled up with zeros."""
    number = 0
    for word in words:
        number = number << 5 | word
    bits = len(words) * 5
    padding = -bits % 8
    return (number << padding).to_bytes((bits + padding) // 8, "big")
