"""The forms in which a macaroon may be in its file: all of them give the same bytes, and nothing else gives any."""

import base64
import codecs
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.macaroon import decode
from tests.config.conftest import MACAROON

Form = Callable[[bytes], bytes]


def in_lines(text: bytes, width: int, end: bytes = b"\n") -> bytes:
    """Text in lines of so many letters; the last one ends, too."""
    return b"".join(text[at : at + width] + end for at in range(0, len(text), width))


def digits(raw: bytes) -> bytes:
    """Hex."""
    return raw.hex().encode()


def unpadded(raw: bytes) -> bytes:
    """Base64 as in an lndconnect link."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


FORMS: dict[str, Form] = {
    "as lnd writes it": bytes,
    "hex": digits,
    "hex in capitals": lambda raw: digits(raw).upper(),
    "xxd -p": lambda raw: in_lines(digits(raw), 60),
    "xxd -p on Windows": lambda raw: in_lines(digits(raw), 60, b"\r\n"),
    "hex, indented": lambda raw: in_lines(digits(raw), 32, b"  \n\t"),
    "base64": base64.b64encode,
    "base64 -w 76": lambda raw: in_lines(base64.b64encode(raw), 76),
    "base64 for URLs": base64.urlsafe_b64encode,
    "base64 for URLs, unpadded": unpadded,
    "base64, unpadded, in lines": lambda raw: in_lines(base64.b64encode(raw).rstrip(b"="), 64),
    "a BOM": lambda raw: codecs.BOM_UTF8 + digits(raw),
    "blanks around": lambda raw: b"\n \t" + digits(raw) + b" \r\n\n",
    "blanks around base64": lambda raw: b"  " + unpadded(raw) + b"\n",
    "PowerShell": lambda raw: codecs.BOM_UTF16_LE + in_lines(digits(raw), 60, b"\r\n").decode().encode("utf-16-le"),
    "the other UTF-16": lambda raw: codecs.BOM_UTF16_BE + base64.b64encode(raw).decode().encode("utf-16-be"),
    "blanks before it": lambda raw: codecs.BOM_UTF8 + b" \n" + raw,
}
V1 = b"0021location lnd\n0014identifier 0123\n002fsignature " + bytes(range(32)) + b"\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(rest=st.binary(min_size=34, max_size=200))
def test_every_form(form: Form, rest: bytes) -> None:
    """Also where the macaroon begins or ends like blanks, or like hex digits."""
    for raw in (MACAROON, b"\x02\x01\x03lnd" + rest, V1 + rest):
        assert decode(form(raw)) == raw


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        codecs.BOM_UTF8,
        b"hello",
        b"ab" * 32,  # a hash
        digits(MACAROON)[:-1],  # half a byte
        digits(MACAROON)[1:],
        b"0x" + digits(MACAROON),
        b'"' + digits(MACAROON) + b'"',
        base64.b64encode(MACAROON)[:-3],
        base64.b64encode(MACAROON) + b"!",
        base64.b64encode(digits(MACAROON)),
        digits(MACAROON) + "é".encode("latin-1"),
        b"lndconnect://a:10009?macaroon=" + unpadded(MACAROON),
        codecs.BOM_UTF16_LE + b"\x00\xd8",
    ],
)
def test_no_macaroon(content: bytes) -> None:
    """Text that is none of it, or not wholly."""
    assert decode(content) is None


@given(content=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_file_is_a_bug(content: bytes) -> None:
    """Whatever is in it."""
    found = decode(content)
    assert found is None or found.startswith(b"\x02") or b"location " in found
