"""Every form in which a file may hold a macaroon gives the same bytes; any other content gives None."""

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
    """Split text into lines of `width` characters; the last one ends with a newline, too."""
    return b"".join(text[at : at + width] + end for at in range(0, len(text), width))


def as_hex(raw: bytes) -> bytes:
    """Return hex digits."""
    return raw.hex().encode()


def unpadded(raw: bytes) -> bytes:
    """Return base64 as in an lndconnect link."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


FORMS: dict[str, Form] = {
    "as lnd writes it": bytes,
    "hex": as_hex,
    "hex in capitals": lambda raw: as_hex(raw).upper(),
    "xxd -p": lambda raw: in_lines(as_hex(raw), 60),
    "xxd -p on Windows": lambda raw: in_lines(as_hex(raw), 60, b"\r\n"),
    "hex, indented": lambda raw: in_lines(as_hex(raw), 32, b"  \n\t"),
    "base64": base64.b64encode,
    "base64 -w 76": lambda raw: in_lines(base64.b64encode(raw), 76),
    "base64 for URLs": base64.urlsafe_b64encode,
    "base64 for URLs, unpadded": unpadded,
    "base64, unpadded, in lines": lambda raw: in_lines(base64.b64encode(raw).rstrip(b"="), 64),
    "a BOM": lambda raw: codecs.BOM_UTF8 + as_hex(raw),
    "white space around": lambda raw: b"\n \t" + as_hex(raw) + b" \r\n\n",
    "white space around base64": lambda raw: b"  " + unpadded(raw) + b"\n",
    "PowerShell": lambda raw: codecs.BOM_UTF16_LE + in_lines(as_hex(raw), 60, b"\r\n").decode().encode("utf-16-le"),
    "big-endian UTF-16": lambda raw: codecs.BOM_UTF16_BE + base64.b64encode(raw).decode().encode("utf-16-be"),
    "white space before": lambda raw: codecs.BOM_UTF8 + b" \n" + raw,
}
V1 = b"0021location lnd\n0014identifier 0123\n002fsignature " + bytes(range(32)) + b"\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(rest=st.binary(min_size=34, max_size=200))
def test_every_form_gives_the_macaroon(form: Form, rest: bytes) -> None:
    """Also if the macaroon begins or ends with bytes that look like white space or hex digits."""
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
        as_hex(MACAROON)[:-1],  # half a byte
        as_hex(MACAROON)[1:],
        b"0x" + as_hex(MACAROON),
        b'"' + as_hex(MACAROON) + b'"',
        base64.b64encode(MACAROON)[:-3],
        base64.b64encode(MACAROON) + b"!",
        base64.b64encode(as_hex(MACAROON)),
        as_hex(MACAROON) + "é".encode("latin-1"),
        b"lndconnect://a:10009?macaroon=" + unpadded(MACAROON),
        codecs.BOM_UTF16_LE + b"\x00\xd8",
    ],
)
def test_other_text_is_not_a_macaroon(content: bytes) -> None:
    """Nor is a form of which a part is missing or wrong."""
    assert decode(content) is None


@given(content=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_content_is_decoded_or_none(content: bytes) -> None:
    """Nothing is raised, and only a macaroon is returned."""
    found = decode(content)
    assert found is None or found.startswith(b"\x02") or b"location " in found
