"""The name by which lnd is asked for its certificate (SNI), where the address has none."""

import ipaddress
import re
from contextlib import suppress

from cryptography import x509

_PREFERRED = "localhost"
_HOST = re.compile(r"(?!.*\.[0-9]+$|[0-9]+$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
"""What can be asked for: no `*`, and nothing that TLS would take for an IP address or refuse as a name."""
_UNREADABLE = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)


def asked_name(pem: bytes, host: str) -> str:
    """Return the name or IP address for which the certificate must be made: `host`, or a name that means the same.

    With `tlsencryptkey` lnd shows a temporary certificate until its wallet is unlocked, and afterwards still to all who
    ask for no name: Go takes the new certificate only for clients that send one (`getCertificate` in crypto/tls). TLS
    sends no IP address as a name. So lnd is asked for another name in its certificate, usually `localhost`.

    That is as good only if whoever has the name has the IP address, too: `pem` must be one certificate that signed
    itself, so lnd's own, and name the IP address.
    """
    with suppress(*_UNREADABLE):
        address = ipaddress.ip_address(host)
        (only,) = x509.load_pem_x509_certificates(pem)
        made_for = only.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [name for name in made_for.get_values_for_type(x509.DNSName) if _HOST.fullmatch(name)]
        if names and only.issuer == only.subject and address in made_for.get_values_for_type(x509.IPAddress):
            return _PREFERRED if _PREFERRED in names else names[0]
    return host
