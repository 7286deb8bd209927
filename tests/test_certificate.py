"""Certificates are read as the library `cryptography` reads them."""

import datetime as dt
import ipaddress
import random

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.certificate import Certificate, read_certificates

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
NAMES = [
    x509.DNSName("localhost"),
    x509.DNSName("*.example"),
    x509.DNSName("a" * 250),
    x509.DNSName("a\x1b[31m"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("fe80::1")),
    x509.RFC822Name("a@b.example"),
    x509.UniformResourceIdentifier("spiffe://a"),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])),
]
YEARS = [1950, 1999, 2000, 2049, 2050, 2999]


def made(rng: random.Random) -> bytes:
    """Return a random certificate in PEM."""
    own, other = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name * rng.randint(1, 60))]) for name in "ab")
    begins, ends = sorted(
        dt.datetime(rng.choice(YEARS), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), tzinfo=dt.UTC)
        for _ in range(2)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(issuer := rng.choice([own, other]))
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    extensions: list[x509.ExtensionType] = [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName(rng.choices(NAMES, k=rng.randint(1, 12))),
        x509.KeyUsage(*[True] * 9),
    ]
    for extension in rng.sample(extensions, rng.randint(0, 3)):
        builder = builder.add_extension(extension, critical=rng.random() < 0.5)
    signed = builder.sign(KEY if issuer is own else OTHER, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def as_the_library(pem: bytes) -> Certificate:
    """Return what `cryptography` reads."""
    read = x509.load_pem_x509_certificate(pem)
    names: list[str] = []
    addresses = []
    try:
        alternative = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        names = alternative.get_values_for_type(x509.DNSName)
        addresses = alternative.get_values_for_type(x509.IPAddress)
    assert all(isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address) for address in addresses)
    return Certificate(
        read.not_valid_before_utc,
        read.not_valid_after_utc,
        read.issuer == read.subject,
        names,
        addresses,  # type: ignore[arg-type]
    )


def test_a_certificate_is_read_as_by_the_library() -> None:
    """Dates of two and four digits of the year, every kind of name, extensions in any order and number."""
    rng = random.Random(1)
    pems = [made(rng) for _ in range(100)]
    assert [read_certificates(pem) for pem in pems] == [[as_the_library(pem)] for pem in pems]
    assert len(read_certificates(b"".join(pems) + b"a comment\n")) == len(pems)


def is_refused(pem: bytes) -> bool:
    """Return whether reading it raises ValueError."""
    try:
        read_certificates(pem)
    except ValueError:
        return True
    return False


def test_what_is_damaged_is_refused() -> None:
    """Anything that is cut off, changed in its structure, or no certificate: a ValueError, never anything else."""
    pem = made(random.Random(2))
    lines = pem.splitlines(keepends=True)
    damaged = [
        b"",
        b"x",
        pem[:-30],
        lines[0] + b"!!!!\n" + lines[-1],
        lines[0] + lines[1] + lines[-1],
        b"\xff" + pem[1:],
    ]
    assert [text for text in damaged if not is_refused(text)] == []
    rng, refused = random.Random(3), 0
    for _ in range(300):
        broken = bytearray(pem)
        broken[rng.randrange(30, len(pem) - 30)] = rng.choice(b"ABCDEFabcdef0123456789+/")
        refused += is_refused(bytes(broken))
    assert 0 < refused < 300
