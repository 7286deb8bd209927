"""Verifies ECDSA signatures on secp256k1, and finds who made them: with libsecp256k1 (`coincurve`) or with OpenSSL."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import lru_cache

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Number of points of the curve: r and s of a signature are from 1 to one less."""
_FIELD = 2**256 - 2**32 - 977
"""Coordinates of points are modulo this (SEC 2, 2.4.1)."""

Verify = Callable[[bytes, bytes], bool]
"""Takes a signature in DER, whose s is at most half of `ORDER`, and a digest of 32 bytes."""


def is_signed_by(digest: bytes, r: int, s: int, key: str) -> bool:
    """Return True if the key, 66 hex digits, made the signature of a digest; takes some 50 us, with OpenSSL 400."""
    if not _in_range(r, s):
        return False
    # Whoever has (r, s) can make (r, ORDER - s), so both are valid. libsecp256k1 refuses the higher s.
    return verifier(key)(_der(r, min(s, ORDER - s)), digest)


def signer_among(digest: bytes, r: int, s: int, keys: Collection[str]) -> str:
    """Return the key that made the signature of a digest, if it is among these keys, else an empty string.

    Takes some 100 us however many there are, with OpenSSL some 2000.
    """
    return next((key for key in recovered(digest, r, s) if key in keys), "") if _in_range(r, s) else ""


def recovered(digest: bytes, r: int, s: int) -> Iterator[str]:
    """Yield the two keys that may have made a signature, whose r and s are in range.

    A signature also fits a third and a fourth, but only if its r is below 2^129: nobody finds such a one.
    """
    try:
        import coincurve  # noqa: PLC0415 - most nodes never recover a key
    except ImportError:  # no wheel for this platform (pyproject.toml)
        yield from recovered_by_openssl(digest, r, s)
        return
    numbers = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    for recovery_id in (b"\0", b"\1"):
        with suppress(ValueError):  # no key made this
            key = coincurve.PublicKey.from_signature_and_message(numbers + recovery_id, digest, hasher=None)
            yield key.format().hex()


def recovered_by_openssl(digest: bytes, r: int, s: int) -> Iterator[str]:
    """Do the same as `recovered` with OpenSSL, which multiplies points: a key is (s R - digest G) / r.

    r is the x of R, which two points have, one with the other y; G is the generator (SEC 1, 4.1.6).
    """
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415 - 8 MB, see `openssl`
        ECDH,
        SECP256K1,
        EllipticCurvePublicKey,
        derive_private_key,
    )

    curve, inverse = SECP256K1(), pow(r, -1, ORDER)
    try:
        point = EllipticCurvePublicKey.from_encoded_point(curve, b"\2" + r.to_bytes(32, "big"))
    except ValueError:  # no point has this x: no key made this
        return
    # Only the x of the product is returned. Its y is one of two, and the other one is that of the other R.
    x = int.from_bytes(derive_private_key(s * inverse % ORDER, curve).exchange(ECDH(), point), "big")
    y = pow(x**3 + 7, (_FIELD + 1) // 4, _FIELD)
    factor = -int.from_bytes(digest, "big") * inverse % ORDER
    other = derive_private_key(factor, curve).public_key().public_numbers() if factor else None
    for product in ((x, y), (x, _FIELD - y)):
        if key := _sum((other.x, other.y), product) if other else product:
            yield f"{2 + key[1] % 2:02x}{key[0]:064x}"


def _sum(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int] | None:
    """Return the sum of two points of the curve; None if it is the point at infinity."""
    (x1, y1), (x2, y2) = one, two
    if x1 == x2 and y1 != y2:
        return None
    rise, run = (3 * x1**2, 2 * y1) if one == two else (y2 - y1, x2 - x1)
    slope = rise * pow(run, -1, _FIELD)
    x = (slope**2 - x1 - x2) % _FIELD
    return x, (slope * (x1 - x) - y1) % _FIELD


def _in_range(r: int, s: int) -> bool:
    return 0 < r < ORDER and 0 < s < ORDER


def _der(r: int, s: int) -> bytes:
    """Return a signature in DER: a sequence of two integers, each of at most 33 bytes."""
    numbers = (number.to_bytes(number.bit_length() // 8 + 1, "big") for number in (r, s))
    content = b"".join(bytes((0x02, len(number))) + number for number in numbers)
    return bytes((0x30, len(content))) + content


@lru_cache(maxsize=1024)  # one entry for each node of this process
def verifier(key: str) -> Verify:
    """Return the fastest function here that verifies signatures of a key."""
    try:
        try:
            return libsecp256k1(key)
        except ImportError:  # no wheel for this platform (pyproject.toml)
            return openssl(key)
    except ValueError:  # no point of the curve: nobody can sign with that
        return lambda _signature, _digest: False


def libsecp256k1(key: str) -> Verify:
    """Return a function that verifies with libsecp256k1; raises ImportError where that isn't installed."""
    import coincurve  # noqa: PLC0415 - most nodes never verify a signature

    public = coincurve.PublicKey(bytes.fromhex(key))
    return lambda signature, digest: public.verify(signature, digest, hasher=None)


def openssl(key: str) -> Verify:
    """Return a function that verifies with OpenSSL: eight times slower, but on every platform."""
    # 8 MB, which nobody needs who has libsecp256k1.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    public, algorithm = (
        EllipticCurvePublicKey.from_encoded_point(SECP256K1(), bytes.fromhex(key)),
        ECDSA(Prehashed(SHA256())),
    )

    def verify(signature: bytes, digest: bytes) -> bool:
        try:
            public.verify(signature, digest, algorithm)
        except InvalidSignature:
            return False
        return True

    return verify
