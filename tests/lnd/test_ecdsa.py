"""Signatures on secp256k1: libsecp256k1 and OpenSSL must say the same of every signature, good or not."""

import platform
import secrets
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.lnd import ecdsa
from exporter.lnd.ecdsa import ORDER, is_signed_by, recovered, recovered_by_openssl, signer_among
from tests.lnd.test_bolt11 import STRANGER
from tests.lnd.test_decode import BOLT11_PAYEE

scalars = st.integers(1, ORDER - 1)
odd = st.sampled_from([0, 1, ORDER // 2, ORDER // 2 + 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1]) | st.integers(
    0, 2**256
)


_WHEEL = (
    sys.platform in ("linux", "darwin")
    and platform.machine() in ("x86_64", "aarch64", "arm64")
    and sys.version_info < (3, 14)
)
"""As the dependency's markers in pyproject.toml."""
LIBRARIES = (ecdsa.libsecp256k1, ecdsa.openssl) if _WHEEL else (ecdsa.openssl,)


def public(key: EllipticCurvePrivateKey) -> str:
    """Return the public key in hex."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()


def sign(key: EllipticCurvePrivateKey, digest: bytes) -> tuple[int, int]:
    """Return r and s."""
    return decode_dss_signature(key.sign(digest, ECDSA(Prehashed(SHA256()))))


def both(digest: bytes, r: int, s: int, key: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Verify with each library; they must agree."""
    answers = set()
    for library in LIBRARIES:
        with monkeypatch.context() as patch:
            patch.setattr(ecdsa, "verifier", library)
            answers.add(is_signed_by(digest, r, s, key))
    (answer,) = answers
    return answer


def strangers(key: EllipticCurvePrivateKey) -> list[str]:
    """Return other keys; not the negative of this one, which a signature of the digest zero is also valid for."""
    return [other for other in (STRANGER, BOLT11_PAYEE) if other[2:] != public(key)[2:]]


@pytest.fixture(scope="module")
def patches() -> pytest.MonkeyPatch:
    """Return what replaces the library, for all examples of a test."""
    return pytest.MonkeyPatch()


@given(scalars, st.binary(min_size=32, max_size=32))
@example(ORDER - 1, bytes(32))
@settings(max_examples=30)
def test_own_signature_is_valid_with_low_and_high_s(patches: pytest.MonkeyPatch, secret: int, digest: bytes) -> None:
    """And not for another digest, another key, or with r and s exchanged."""
    key = derive_private_key(secret, SECP256K1())
    r, s = sign(key, digest)
    assert both(digest, r, s, public(key), patches)
    assert both(digest, r, ORDER - s, public(key), patches)
    assert not both(digest[1:] + bytes([digest[0] ^ 1]), r, s, public(key), patches)
    assert not both(digest, r, s, strangers(key)[0], patches)
    assert not both(digest, s, r, public(key), patches)
    assert not both(digest, ORDER - r, s, public(key), patches)


@given(scalars, st.binary(min_size=32, max_size=32))
@example(ORDER - 1, bytes(32))
@settings(max_examples=30)
def test_signer_is_found_among_some(patches: pytest.MonkeyPatch, secret: int, digest: bytes) -> None:
    """Whichever library finds it, and with low and high s."""
    key = derive_private_key(secret, SECP256K1())
    r, s = sign(key, digest)
    others = strangers(key)
    assert public(key) in recovered(digest, r, s)
    for wheel in (True, False):
        with patches.context() as patch:
            if not wheel:
                patch.setitem(sys.modules, "coincurve", None)
                ecdsa.verifier.cache_clear()
            for either in (s, ORDER - s):
                assert signer_among(digest, r, either, [*others, public(key)]) == public(key)
                assert signer_among(digest, r, either, others) == ""


@given(odd, odd)
@example(0, 0)
@example(ORDER, 1)
@settings(max_examples=30)
def test_garbage_has_no_signer(patches: pytest.MonkeyPatch, r: int, s: int) -> None:
    """Also with r or s of 0, or too large, or r no point; none of it raises."""
    assert signer_among(bytes(range(32)), r, s, [BOLT11_PAYEE, STRANGER]) == ""
    with patches.context() as patch:
        patch.setitem(sys.modules, "coincurve", None)
        assert signer_among(bytes(range(32)), r, s, [BOLT11_PAYEE, STRANGER]) == ""


@given(st.binary(min_size=32, max_size=32), scalars, scalars)
@example(bytes(32), 1, 5)
@example(ORDER.to_bytes(32, "big"), 1, 5)
@settings(max_examples=50)
def test_both_libraries_recover_the_same_keys(digest: bytes, r: int, s: int) -> None:
    """Of any numbers in range; half of the r are no point's."""
    assert {*recovered_by_openssl(digest, r, s)} == {*recovered(digest, r, s)}


@given(scalars, scalars)
@settings(max_examples=20)
def test_both_libraries_recover_the_key_of_a_special_signature(nonce: int, s: int) -> None:
    """Its two products are one point, so one key is twice that, and the other one none."""
    r = derive_private_key(nonce, SECP256K1()).public_key().public_numbers().x
    digest = (-s * nonce % ORDER).to_bytes(32, "big")
    found = {*recovered_by_openssl(digest, r, s)}
    assert found == {*recovered(digest, r, s)}
    assert found == {public(derive_private_key(2 * s * nonce * pow(r, -1, ORDER) % ORDER, SECP256K1()))}


def test_without_a_wheel_many_keys_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recovery, and not a verification for each: 0.2 s for 500 of them, while nothing else runs."""
    monkeypatch.setitem(sys.modules, "coincurve", None)
    monkeypatch.setattr(ecdsa, "is_signed_by", None)
    key, digest = derive_private_key(7, SECP256K1()), bytes(range(32))
    others = [f"02{number:064x}" for number in range(500)]
    assert signer_among(digest, *sign(key, digest), [*others, public(key)]) == public(key)


@given(odd, odd)
@example(0, 0)
@example(ORDER, 1)
@settings(max_examples=30)
def test_garbage_is_no_signature(patches: pytest.MonkeyPatch, r: int, s: int) -> None:
    """Also with r or s of 0, or too large, and none of it raises."""
    assert not both(bytes(range(32)), r, s, BOLT11_PAYEE, patches)


@given(odd)
@settings(max_examples=30)
def test_one_wrong_half_is_no_signature(patches: pytest.MonkeyPatch, other: int) -> None:
    """The right r with another s, and the other way round."""
    digest, key = bytes(range(32)), derive_private_key(7, SECP256K1())
    r, s = sign(key, digest)
    assert both(digest, r, other, public(key), patches) is (other in (s, ORDER - s))
    assert both(digest, other, s, public(key), patches) is (other == r)


def test_adding_the_order_makes_no_second_signature(patches: pytest.MonkeyPatch) -> None:
    """It would be valid if a library reduced it first."""
    key, digest = derive_private_key(7, SECP256K1()), bytes(32)
    r, s = sign(key, digest)
    assert not both(digest, r, s + ORDER, public(key), patches)
    assert not both(digest, r + ORDER, s, public(key), patches)


@pytest.mark.parametrize("make", LIBRARIES)
def test_key_that_is_no_point_is_an_error(make: Callable[[str], object]) -> None:
    """lnd sent no such key."""
    with pytest.raises(ValueError):  # noqa: PT011 - each library has a text of its own
        make("02" + "ff" * 32)


def test_libsecp256k1_is_used_where_there_is_a_wheel() -> None:
    """And installed nowhere else."""
    assert (find_spec("coincurve") is not None) == _WHEEL


def test_without_a_wheel_openssl_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Raspberry Pi with a 32-bit system."""
    key, digest = derive_private_key(secrets.randbelow(ORDER - 1) + 1, SECP256K1()), bytes(32)
    monkeypatch.setitem(sys.modules, "coincurve", None)  # so that its import fails
    with pytest.raises(ImportError):
        ecdsa.libsecp256k1(public(key))
    ecdsa.verifier.cache_clear()
    r, s = sign(key, digest)
    assert is_signed_by(digest, r, ORDER - s, public(key))
    ecdsa.verifier.cache_clear()


@pytest.mark.parametrize("key", ["00" * 33, "02" + "ff" * 32, "05" + "11" * 32])
def test_a_key_that_is_no_point_of_the_curve_made_no_signature(key: str) -> None:
    """No lnd has such a key; it must not end the process."""
    assert not is_signed_by(bytes(32), 1, 1, key)
