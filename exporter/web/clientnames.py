"""The alternative names of a client's certificate, as `client_allowed_sans` compares them."""

import ipaddress
from functools import lru_cache

from cryptography import x509

from exporter.config.webtls import UNREADABLE

CERTIFICATES = 128
"""How many certificates are remembered."""


@lru_cache(CERTIFICATES)
def names_of(certificate: bytes) -> frozenset[str]:
    """Return the DNS names, mail addresses, IP addresses and URIs that the certificate (DER) is made for."""
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        made_for = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UNREADABLE:
        return frozenset()
    texts = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    names = {name for kind in texts for name in made_for.get_values_for_type(kind)}
    return frozenset(names | {_written(address) for address in made_for.get_values_for_type(x509.IPAddress)})


def _written(address: object) -> str:
    """Return an address as Go writes it."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
