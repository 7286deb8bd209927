"""Checks whether a BOLT 11 payment request pays this very node, or which of some nodes it pays.

lnd validated the request before it paid it, so nothing else is checked here.
"""

import re
from collections.abc import Collection
from hashlib import sha256
from typing import NamedTuple, NoReturn

from exporter.lnd.ecdsa import is_signed_by, signer_among

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # digits of 5 bits, here called words
_WORDS = re.compile(f"[{_CHARSET}]*")
_TO_BASE_32 = str.maketrans(_CHARSET, "0123456789abcdefghijklmnopqrstuv")  # what `int` reads
_CHECKSUM, _SIGNATURE, _TIMESTAMP = 6, 104, 7  # in words
_PAYEE_WORDS = 53


class _Question:
    """A question about a payment request. Answering takes 0.1 ms or more, so it is put off until it is asked.

    It holds the request, which is a secret, so it shows nothing of it: neither as text nor as JSON nor as a pickle.
    """

    __slots__ = ("_key", "_request")

    def __init__(self, request: str, key: str = "") -> None:
        """`key` is the identity key of the node that the question is about, 66 hex digits."""
        self._request = request
        self._key = key

    def __eq__(self, other: object) -> bool:
        """Return True for the same question."""
        return type(other) is type(self) and (self._request, self._key) == (other._request, other._key)

    def __hash__(self) -> int:
        """Return the hash of the question."""
        return hash((self._request, self._key))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("it holds a secret")


class PayeeCheck(_Question):
    """The question whether a payment request pays a node."""

    __slots__ = ()

    def __call__(self) -> bool:
        """Return True if the payee of the request is the node."""
        return pays(self._request, self._key)


class PayeeSearch(_Question):
    """The question which of some nodes a payment request pays."""

    __slots__ = ()

    def __call__(self, keys: Collection[str]) -> str:
        """Return the key of the payee, if it is among these keys, else an empty string."""
        return payee_among(self._request, keys)


def pays(request: str, key: str) -> bool:
    """Return True if the payee of a payment request has this identity key, 66 hex digits; False for any other text.

    The payee is in the field `n`, or else must be recovered from the signature (BOLT 11). To compare it with a known
    key, no recovery is needed: it is enough to verify the signature with that key.
    """
    if (parts := _parts(request)) is None:
        return False
    return parts.payee == key if parts.payee else is_signed_by(parts.digest, parts.r, parts.s, key)


def payee_among(request: str, keys: Collection[str]) -> str:
    """Return the payee of a payment request, if it is among these identity keys; else, or of any other text, nothing.

    A request over blinded paths is signed by a key that is no node's.
    """
    if (parts := _parts(request)) is None:
        return ""
    if parts.payee:
        return parts.payee if parts.payee in keys else ""
    return signer_among(parts.digest, parts.r, parts.s, keys)


class _Parts(NamedTuple):
    """What names the payee of a payment request."""

    payee: str
    """The field `n`, hex; empty if it is missing."""
    digest: bytes
    """What is signed."""
    r: int
    s: int


def _parts(request: str) -> _Parts | None:
    """Return the parts of a payment request; None for any other text."""
    prefix, _, data = request.strip().lower().rpartition("1")
    words = data[:-_CHECKSUM]
    if not prefix.startswith("ln") or len(words) < _TIMESTAMP + _SIGNATURE or not _WORDS.fullmatch(words):
        return None
    signed, signature = words[:-_SIGNATURE], _bytes(words[-_SIGNATURE:])
    # The signature is 32 bytes r, 32 bytes s, and a recovery id, which isn't needed.
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return _Parts(_payee_field(signed) or "", sha256(prefix.encode() + _bytes(signed)).digest(), r, s)


def _payee_field(words: str) -> str | None:
    """Return the field `n` in hex, None if it is missing. A field is its type, its length in two words, its words."""
    start = _TIMESTAMP + 3
    while start <= len(words):
        end = start + int(words[start - 2 : start].translate(_TO_BASE_32), 32)
        if words[start - 3] == "n" and end - start == _PAYEE_WORDS and end <= len(words):
            return _bytes(words[start:end])[:33].hex()
        start = end + 3
    return None


def _bytes(words: str) -> bytes:
    """Pack words of 5 bits into bytes; the last byte is filled up with zeros."""
    bits = len(words) * 5
    padding = -bits % 8
    return (int(words.translate(_TO_BASE_32) or "0", 32) << padding).to_bytes((bits + padding) // 8, "big")
