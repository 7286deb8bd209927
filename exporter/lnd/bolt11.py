"""Checks whether a BOLT 11 payment request pays this very node.

lnd validated the request before it paid it, so nothing else is checked here, and nothing of it is kept.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any

_CHARSET = {char: value for value, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_CHECKSUM, _SIGNATURE, _TIMESTAMP = 6, 104, 7  # in words of 5 bits
_PAYEE = 19  # the tag `n`
_PAYEE_WORDS = 53


def pays(request: str, key: str) -> bool:
    """Return True if the payee of a payment request has this identity key, 66 hex digits; False for any other text.

    The payee is in the field `n`, or else must be recovered from the signature (BOLT 11). To compare it with a known
    key, no recovery is needed: it is enough to verify the signature with that key.
    """
    prefix, _, data = request.strip().lower().rpartition("1")
    try:
        words = [_CHARSET[char] for char in data[:-_CHECKSUM]]
    except KeyError:
        return False
    if not prefix.startswith("ln") or len(words) < _TIMESTAMP + _SIGNATURE:
        return False
    signed, signature = words[:-_SIGNATURE], _bytes(words[-_SIGNATURE:])
    payee = _payee_field(signed[_TIMESTAMP:])
    return payee == key if payee else _is_signed_by(prefix.encode() + _bytes(signed), signature, key)


def _payee_field(fields: list[int]) -> str | None:
    """Return the field `n` in hex, None if it is missing. A field is its type, its length in two words, its words."""
    while len(fields) >= 3:  # noqa: PLR2004 - type and length
        tag, length = fields[0], fields[1] * 32 + fields[2]
        value, fields = fields[3 : 3 + length], fields[3 + length :]
        if tag == _PAYEE and len(value) == _PAYEE_WORDS:
            return _bytes(value)[:33].hex()
    return None


def _is_signed_by(message: bytes, signature: bytes, key: str) -> bool:
    """Return True if the key made the signature: 32 bytes r, 32 bytes s, and a recovery id, which isn't needed."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 8 MB, for a payment without an attempt
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    try:
        _public_key(key).verify(encode_dss_signature(r, s), sha256(message).digest(), ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=256)  # one entry for each node of this process
def _public_key(key: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePublicKey  # noqa: PLC0415

    return EllipticCurvePublicKey.from_encoded_point(SECP256K1(), bytes.fromhex(key))


def _bytes(words: list[int]) -> bytes:
    """Pack words of 5 bits into bytes; the last byte is filled up with zeros."""
    number = 0
    for word in words:
        number = number << 5 | word
    bits = len(words) * 5
    padding = -bits % 8
    return (number << padding).to_bytes((bits + padding) // 8, "big")
