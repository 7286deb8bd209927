"""Check lnd's TLS certificate: that it is one, its dates, and the names it is made for."""

import datetime as dt
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from exporter.certificate import Certificate, check, read_certificates
from exporter.config.files import read
from exporter.config.problems import InvalidValue
from exporter.config.values import UNPRINTABLE
from exporter.macaroon import decode

SHOWN = 6
"""How many names of a certificate a warning lists."""


def check_certificate(path: Path) -> None:
    """Raise `InvalidValue` unless this is a PEM certificate."""
    content = read(path)
    right = "Give lnd's tls.cert, or the word `system` if this system trusts lnd's certificate."
    if not content.strip():
        raise InvalidValue(f"{path} is empty.", "Copy it again from lnd, or restart lnd: it writes a new one.")
    if decode(content) is not None:
        raise InvalidValue(f"{path} is a macaroon, not a certificate.", "Are the two swapped? " + right)
    if b"PRIVATE KEY-----" in content:
        raise InvalidValue(f"{path} is a private key, not a certificate.", right)
    if content.startswith(b"\x30\x82"):
        fix = f"Convert it: openssl x509 -inform DER -in {path} -out tls.cert"
        raise InvalidValue(f"{path} is a DER certificate; PEM is needed.", fix)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        fix = f"It begins with -----BEGIN CERTIFICATE-----. {right}"
        raise InvalidValue(f"{path} is not a PEM certificate.", fix)
    try:
        check(content)
    except ValueError:
        raise InvalidValue(f"{path} is a damaged certificate.", "Copy it again from lnd, as a whole file.") from None


def certificate_warnings(path: Path, name: str) -> Iterator[str]:
    """Return the reasons for which TLS will reject this certificate of lnd if it must be made for `name`."""
    try:
        certificates = read_certificates(path.read_bytes())
    except (OSError, ValueError):
        return  # it was valid a moment ago, or it is a mistake that `check_certificate` reports
    first, now = certificates[0], dt.datetime.now(dt.UTC)
    if first.ends < now:
        yield f"{path} expired on {first.ends:%Y-%m-%d}: is the clock right? Then it needs renewal"
    elif first.begins > now:
        yield f"{path} is valid from {first.begins:%Y-%m-%d %H:%M} UTC on: is the clock right?"
    if len(certificates) == 1 and first.self_signed:  # else a CA's: lnd or a proxy sends another one
        names = _names(first)
        if names and not any(_matches(name, pattern) for pattern in names):
            yield _other_name(path, name, names)


def _names(certificate: Certificate) -> list[str]:
    """Return the DNS names and IP addresses that a certificate is made for; empty without any DNS name.

    Without a DNS name TLS libraries may look at the common name instead.
    """
    return [*certificate.names, *map(str, certificate.addresses)] if certificate.names else []


def _matches(name: str, pattern: str) -> bool:
    """Return whether a TLS client that wants `name` accepts a certificate for `pattern`, if in doubt yes."""
    name, pattern = name.partition("%")[0].lower().rstrip("."), pattern.lower().rstrip(".")
    return pattern == name or (pattern.startswith("*.") and pattern[2:] == name.partition(".")[2])


def _other_name(path: Path, name: str, names: list[str]) -> str:
    shown = [name for name in names if not UNPRINTABLE.search(name)]
    listed = ", ".join(shown[:SHOWN]) + ", ..." * (len(shown) > SHOWN)
    try:
        option = f"tlsextraip={ip_address(name)}"
    except ValueError:
        option = f"tlsextradomain={name}"
    return (
        f"{path} is made for {listed}, not for {name}, so TLS will reject it: choose one of its names by"
        f" --lnd.tls-server-name, or add {option} to lnd.conf, delete tls.cert and tls.key, restart lnd and copy the"
        " new tls.cert here"
    )
