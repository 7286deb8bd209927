"""Does a BOLT 11 payment request pay this very node: all that we ask of one.

lnd has checked the request before it paid it, so nothing else is checked again, and nothing of it is kept.
"""

from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_CHARSET = {char: value for value, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_CHECKSUM, _SIGNATURE, _TIMESTAMP = 6, 104, 7  # in words of 5 bits
_PAYEE = 19  # the tag `n`
_PAYEE_WORDS = 53


def pays(request: str, key: str) -> bool:
    """True if the payee of a payment request has this identity key, 66 hex digits; False for whatever is no request.

    The payee is named in the field `n` or else by the signature alone (BOLT 11). To tell whether it is one's own it
    need not be recovered: it is enough to verify the signature with one's own key.
    """
    prefix, _, data = request.strip().lower().rpartition("1")
    try:
        words = [_CHARSET[char] for char in data[:-_CHECKSUM]]
    except KeyError:
        return False
    if not prefix.startswith("ln") or len(words) < _TIMESTAMP + _SIGNATURE:
        return False
    signed, signature = words[:-_SIGNATURE], _bytes(words[-_SIGNATURE:])
    named = _named(signed[_TIMESTAMP:])
    return named == key if named else _verified(prefix.encode() + _bytes(signed), signature, key)


def _named(fields: list[int]) -> str | None:
    """The field `n`: a type, a length in two words, the words."""
    while len(fields) >= 3:  # noqa: PLR2004 - type and length
        tag, length = fields[0], fields[1] * 32 + fields[2]
        value, fields = fields[3 : 3 + length], fields[3 + length :]
        if tag == _PAYEE and len(value) == _PAYEE_WORDS:
            return _bytes(value)[:33].hex()
    return None


def _verified(message: bytes, signature: bytes, key: str) -> bool:
    """True if the key made the signature: 32 bytes r, 32 bytes s, and a recovery id, which isn't needed."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    try:
        _public(key).verify(encode_dss_signature(r, s), sha256(message).digest(), ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=256)  # the nodes of one process
def _public(key: str) -> EllipticCurvePublicKey:
    return EllipticCurvePublicKey.from_encoded_point(SECP256K1(), bytes.fromhex(key))


def _bytes(words: list[int]) -> bytes:
    """Words of 5 bits as bytes, the last one filled up with zeros."""
    number = 0
    for word in words:
        number = number << 5 | word
    bits = len(words) * 5
    padding = -bits % 8
    return (number << padding).to_bytes((bits + padding) // 8, "big")
