"""BOLT 11 payment requests with a valid signature, so that the payee can be verified."""

import base64
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from exporter.simulator.key import private_key

_CHARSET = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_BECH32 = bytes.maketrans(_BASE32, _CHARSET)  # the library's base32, in the alphabet of bech32
_TO_BASE32 = bytes.maketrans(_CHARSET, _BASE32)
_TO_VALUES = bytes.maketrans(_CHARSET, bytes(range(32)))

_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_TOP = tuple(
    # For each value of the checksum's five highest bits: the bits to XOR with the rest.
    (top & 1 and _GENERATOR[0])
    ^ (top >> 1 & 1 and _GENERATOR[1])
    ^ (top >> 2 & 1 and _GENERATOR[2])
    ^ (top >> 3 & 1 and _GENERATOR[3])
    ^ (top >> 4 & 1 and _GENERATOR[4])
    for top in range(32)
)

HRP = {"mainnet": "lnbc", "testnet": "lntb", "signet": "lntbs", "regtest": "lnbcrt", "simnet": "lnsb"}
_UNITS_MSAT = (("m", 100_000_000), ("u", 100_000), ("n", 100))
_EXPIRY_S = 3600  # of an invoice that doesn't say (BOLT 11)
_CHECKSUM, _SIGNATURE = 6, 104  # letters
_FEATURES = 1 << 9 | 1 << 14 | 1 << 17  # var_onion_optin, payment_secret, basic_mpp
_ECDSA = ECDSA(Prehashed(SHA256()), deterministic_signing=True)  # so the same seed makes the same requests


def _letters(data: bytes) -> bytes:
    """Encode bytes in groups of five bits, the last one padded with zeros."""
    return base64.b32encode(data).rstrip(b"=").translate(_TO_BECH32)


def _whole_bytes(letters: bytes) -> bytes:
    """Return the bits of letters as bytes, padded with zeros: over these goes the signature."""
    bits = letters.translate(_TO_BASE32) + b"A" * (-len(letters) % 8)
    return base64.b32decode(bits)[: -(-len(letters) * 5 // 8)]


def _number(value: int, groups: int) -> bytes:
    return bytes(_CHARSET[value >> 5 * place & 31] for place in reversed(range(groups)))


def _field(tag: str, letters: bytes) -> bytes:
    return tag.encode() + _number(len(letters), 2) + letters


def _checksum(hrp: str, data: bytes) -> bytes:
    values = bytes(ord(c) >> 5 for c in hrp) + b"\0" + bytes(ord(c) & 31 for c in hrp) + data.translate(_TO_VALUES)
    check = 1
    for value in values + bytes(6):
        check = (check & 0x1FFFFFF) << 5 ^ value ^ _TOP[check >> 25]
    return _number(check ^ 1, 6)


def _amount(msat: int) -> str:
    for letter, unit in _UNITS_MSAT:
        if msat % unit == 0:
            return f"{msat // unit}{letter}"
    return f"{msat * 10}p"


def _signature(key: bytes, signed: bytes) -> bytes:
    """Return r, s and 0 for the recovery id, which is not needed to verify with a known key."""
    r, s = decode_dss_signature(private_key(key).sign(hashlib.sha256(signed).digest(), _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\0"


def encode(*, key: bytes, network: str, payment_hash: bytes, amount_msat: int, created_s: int, memo: str = "") -> str:
    """Return a payment request, signed with the payee's private `key`."""
    hrp = HRP[network] + _amount(amount_msat)
    data = (
        _number(created_s, 7)
        + _field("p", _letters(payment_hash))
        + _field("s", _letters(hashlib.sha256(b"payment secret" + payment_hash).digest()))
        + _field("d", _letters(memo.encode()))
        + _field("9", _number(_FEATURES, 4))
    )
    data += _letters(_signature(key, hrp.encode() + _whole_bytes(data)))
    return f"{hrp}1{data.decode()}{_checksum(hrp, data).decode()}"


class Decoded(NamedTuple):
    """The parts of a payment request that are asked for."""

    created_s: int
    expiry_s: int
    features: tuple[int, ...]
    """Numbers of the bits that are set."""
    digest: bytes
    signature: bytes
    """Of the digest, by the payee."""

    def is_signed_by(self, key: bytes) -> bool:
        """Return True if the node with this private key is the payee."""
        try:
            private_key(key).public_key().verify(self.signature, self.digest, _ECDSA)
        except InvalidSignature:
            return False
        return True


def decode(request: str) -> Decoded:
    """Return the parts of a payment request that `encode` has made."""
    hrp, _, rest = request.rpartition("1")
    data = rest[:-_CHECKSUM].encode()
    signed, signature = data[:-_SIGNATURE], _whole_bytes(data[-_SIGNATURE:])
    fields, place = dict[str, bytes](), 7
    while place < len(signed):
        length = _value(signed[place + 1 : place + 3])
        fields[chr(signed[place])] = signed[place + 3 : place + 3 + length]
        place += 3 + length
    features = _value(fields.get("9", b""))
    r, s = (int.from_bytes(signature[start : start + 32], "big") for start in (0, 32))
    return Decoded(
        created_s=_value(signed[:7]),
        expiry_s=_value(fields["x"]) if "x" in fields else _EXPIRY_S,
        features=tuple(bit for bit in range(features.bit_length()) if features >> bit & 1),
        digest=hashlib.sha256(hrp.encode() + _whole_bytes(signed)).digest(),
        signature=encode_dss_signature(r, s),
    )


def _value(letters: bytes) -> int:
    """Return the number that letters stand for."""
    value = 0
    for digit in letters.translate(_TO_VALUES):
        value = value << 5 | digit
    return value
