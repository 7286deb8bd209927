"""Keys of simulated nodes, on the curve that Lightning uses."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@lru_cache(maxsize=4096)  # more than the nodes of a simulated world
def private_key(key: bytes) -> EllipticCurvePrivateKey:
    """Return the private key of 32 bytes."""
    return derive_private_key(int.from_bytes(key, "big"), SECP256K1())


def public_key(key: bytes) -> str:
    """Return the identity key (66 hex digits) of a private key's 32 bytes."""
    return private_key(key).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()
