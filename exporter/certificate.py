"""Reads the names that a TLS certificate is made for."""

import ipaddress

from cryptography import x509

UNREADABLE = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for a certificate that it can't read."""


def alternative_names(
    certificate: x509.Certificate,
) -> tuple[list[str], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Return the DNS names and the IP addresses of the certificate. Raises one of `UNREADABLE`, also if it has none."""
    made_for = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = made_for.get_values_for_type(x509.IPAddress)
    return made_for.get_values_for_type(x509.DNSName), [
        a for a in addresses if isinstance(a, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ]
