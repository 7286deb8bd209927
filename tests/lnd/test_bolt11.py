"""Which payment requests pay a node: the examples of BOLT 11, and nonsense."""

import copy
import pickle
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd.bolt11 import PayeeCheck, PayeeSearch, payee_among, pays
from tests.lnd.test_decode import BOLT11_DONATION, BOLT11_PAYEE
from tests.payments.build import payment

# Further examples of BOLT 11, all made by the same key.
COFFEE = (
    "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsy"
    "qcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s"
    "06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh"
)


STRANGER = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


def test_payee_is_the_signer() -> None:
    """In requests without the field `n`."""
    for request in (BOLT11_DONATION, COFFEE, f" {COFFEE.upper()}\n"):
        assert pays(request, BOLT11_PAYEE)
        assert not pays(request, STRANGER)


def test_field_n_names_the_payee() -> None:
    """It has precedence over the signature, which isn't verified then."""
    charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    number = int.from_bytes(bytes.fromhex(BOLT11_PAYEE), "big") << 1
    words = [number >> (5 * place) & 31 for place in reversed(range(53))]
    field = "n" + charset[1] + charset[21] + "".join(charset[word] for word in words)
    head, data = BOLT11_DONATION[:6], BOLT11_DONATION[6:]
    unsigned = data[:-110]
    request = head + unsigned[:6] + field + unsigned[6:] + "q" * 110
    assert pays(request, BOLT11_PAYEE)
    assert not pays(request, STRANGER)
    assert payee_among(request, {BOLT11_PAYEE, STRANGER}) == BOLT11_PAYEE
    assert payee_among(request, {STRANGER}) == ""


def test_payee_is_found_among_some() -> None:
    """By the signature, in requests without the field `n`; one that is altered pays none of them."""
    for request in (BOLT11_DONATION, COFFEE, f" {COFFEE.upper()}\n"):
        assert payee_among(request, [STRANGER, BOLT11_PAYEE]) == BOLT11_PAYEE
        assert payee_among(request, [STRANGER]) == payee_among(request, []) == ""
    for text in ("", "ln1", "1" * 200, BOLT11_DONATION[:50], BOLT11_DONATION[:-20] + "q" + BOLT11_DONATION[-19:]):
        assert payee_among(text, [STRANGER, BOLT11_PAYEE]) == ""


def test_malformed_request_pays_nobody() -> None:
    """Also an offer, and a request that is truncated or altered."""
    for text in ("", "lno1qgsyxjtl6luzd9t3pr62xr7eemp6awnejusgf6gw45q75vcfqqqqqqq", "ln1", "lnbc1", "1" * 200):
        assert not pays(text, BOLT11_PAYEE)
    assert not pays(BOLT11_DONATION.replace("lnbc", "bc", 1), BOLT11_PAYEE)
    assert not pays(BOLT11_DONATION[:50], BOLT11_PAYEE)
    assert not pays(BOLT11_DONATION[:-20] + "q" + BOLT11_DONATION[-19:], BOLT11_PAYEE)


@given(st.text(max_size=300) | st.text(alphabet="qpzry9x8gf2tvdw0s3jn54khce6mua7l", min_size=120, max_size=300))
def test_nonsense_pays_nobody(text: str) -> None:
    """Nothing is raised."""
    assert not pays(text, BOLT11_PAYEE)
    assert not pays("lnbc1" + text, BOLT11_PAYEE)
    assert payee_among("lnbc1" + text, [BOLT11_PAYEE, STRANGER]) == ""


def test_check_is_the_same_question_for_the_same_request_and_key() -> None:
    """Snapshots with it can be compared."""
    check = PayeeCheck(COFFEE, BOLT11_PAYEE)
    assert check()
    assert not PayeeCheck(COFFEE, STRANGER)()
    assert len({check, PayeeCheck(COFFEE, BOLT11_PAYEE)}) == 1
    assert len({check, PayeeCheck(COFFEE, STRANGER), PayeeCheck(BOLT11_DONATION, BOLT11_PAYEE)}) == 3
    assert check != COFFEE
    assert check != PayeeSearch(COFFEE) != PayeeSearch(BOLT11_DONATION)
    assert PayeeSearch(COFFEE) == PayeeSearch(COFFEE)


def test_check_shows_nothing_of_the_request() -> None:
    """Nor does a snapshot that has it, as text of any kind."""
    check = PayeeCheck(COFFEE, BOLT11_PAYEE)
    ended = payment()._replace(pays_self=check, payee_among=PayeeSearch(COFFEE))
    for text in (repr(check), str(check), f"{check}", repr(ended), str(ended), f"{ended}", str(vars(PayeeCheck))):
        assert COFFEE[:20] not in text
        assert BOLT11_PAYEE not in text


@pytest.mark.parametrize("write", [msgspec.json.encode, pickle.dumps, copy.copy])
def test_check_can_not_be_written(write: Callable[[object], object]) -> None:
    """Not even by mistake, as a part of something else."""
    with pytest.raises(TypeError):
        write(PayeeCheck(COFFEE, BOLT11_PAYEE))
    with pytest.raises(TypeError):
        write(PayeeSearch(COFFEE))
