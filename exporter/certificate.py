"""Reads from a TLS certificate its dates and the names that it is made for, without a library of 8 MB for that."""

import datetime as dt
import re
import ssl
from binascii import a2b_base64
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
"""A certificate in text."""
_LINES = re.compile(rb"-----.*?-----")
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")  # the extension 2.5.29.17
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # tags of fields of a certificate
_VERSIONS = [bytes.fromhex(f"02010{number}") for number in range(3)]
_SHORT_YEAR = 0x17  # the tag of a time whose year has two digits, from 1950 on
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87  # tags of alternative names
_IP_BYTES = (4, 16)


class Certificate(NamedTuple):
    """What TLS looks at in a certificate."""

    begins: dt.datetime
    """From then on it is valid."""
    ends: dt.datetime
    self_signed: bool
    """Whether it names itself as its issuer."""
    names: list[str]
    """DNS names, in their order."""
    addresses: list[IPv4Address | IPv6Address]


def read_certificates(pem: bytes) -> list[Certificate]:
    """Return all certificates of a file in PEM. Raises ValueError if one is damaged, or if there is none."""
    found = [block[0] for block in PEM.finditer(pem)]
    if not found:
        raise ValueError("no certificate")
    for block in found:
        check(block)
    return [read_der(a2b_base64(_LINES.sub(b"", block))) for block in found]


def check(pem: bytes) -> None:
    """Raise ValueError unless OpenSSL can read all certificates in this text, of which there must be one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except ssl.SSLError as error:
        raise ValueError("a damaged certificate") from error


def read_der(der: bytes) -> Certificate:
    """Read a certificate in DER that OpenSSL could read: RFC 5280, 4.1. Raises ValueError."""
    ((_, certificate),) = _elements(der)
    (_, signed), *_ = _elements(certificate)
    fields = list(_elements(signed))
    if fields and fields[0][0] == _VERSION and fields.pop(0)[1] not in _VERSIONS:
        raise ValueError("an unknown version")
    _serial, _algorithm, (_, issuer), (_, validity), (_, subject), _key, *optional = fields
    begins, ends = (_time(tag, text.decode("ascii")) for tag, text in _elements(validity))
    names = [name for tag, content in optional if tag == _EXTENSIONS for name in _alternative_names(content)]
    return Certificate(
        begins,
        ends,
        issuer == subject,
        [value.decode("ascii", "replace") for tag, value in names if tag == _DNS_NAME],
        [ip_address(value) for tag, value in names if tag == _IP_ADDRESS and len(value) in _IP_BYTES],
    )


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each element in DER: one byte of tag, the length, and so many bytes."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], int.from_bytes(der[at + 1 : at + 2], "big"), at + 2
        if length & 0x80:  # then it is the number of bytes of the length
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, text: str) -> dt.datetime:
    """Return a time: (YY)YYMMDDHHMMSSZ."""
    if tag == _SHORT_YEAR:
        text = ("19" if text >= "5" else "20") + text
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    return dt.datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=dt.UTC)


def _alternative_names(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the value of each alternative name in the extensions."""
    ((_, extensions),) = _elements(content)
    for _, extension in _elements(extensions):
        (_, kind), *_, (_, value) = _elements(extension)
        if kind == _ALTERNATIVE_NAMES:
            ((_, names),) = _elements(value)
            yield from _elements(names)
