"""Chooses the server name for TLS (SNI) where the address has none; lnd may need one to send its new certificate."""

import ipaddress
import re
from contextlib import suppress

from exporter.certificate import PEM, read_certificates

_PREFERRED = "localhost"
_HOST = re.compile(r"(?!.*\.[0-9]+$|[0-9]+$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
"""A name that can be sent as SNI: without `*`, and not one that TLS takes for an IP address or refuses as a name."""


def choose_server_name(pem: bytes, host: str) -> str:
    """Return the name or IP address for which the certificate must be made: `host`, or a name that means the same.

    With `tlsencryptkey` lnd sends a temporary certificate until its wallet is unlocked, and afterwards still to every
    client that sends no server name: Go uses the new certificate only for clients that send one (`getCertificate` in
    crypto/tls), and TLS doesn't send an IP address as a name. So for an IP address another name in lnd's certificate is
    used, usually `localhost`.

    That is as safe only if the owner of the name owns the IP address, too. So `pem` must be a single self-signed
    certificate, which is lnd's own, and it must name the IP address.
    """
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        (block,) = PEM.findall(pem)  # to read all that the system trusts takes 0.15 s
        (only,) = read_certificates(block)
        names = [name for name in only.names if _HOST.fullmatch(name)]
        if names and only.self_signed and address in only.addresses:
            return _PREFERRED if _PREFERRED in names else names[0]
    return host
