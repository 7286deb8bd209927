"""Makes the `ssl.SSLContext` of a client out of certificates, key and the other TLS settings."""

import ssl

from exporter.config.httpmodel import ClientTls
from exporter.config.problems import InvalidValue
from exporter.config.servercontext import openssl_reason, show_certificate


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Return the context for connections. Raises `InvalidValue` if OpenSSL doesn't take the settings.

    The system's certificates are loaded here, because those that aiohttp has may be empty (`lean`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version, context.maximum_version = tls.minimum, tls.maximum
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.authorities is None:
        context.load_default_certs()
    else:
        _trust(context, tls.authorities)
    if tls.certificate and tls.key:
        show_certificate(context, tls.certificate, tls.key)
    return context


def _trust(context: ssl.SSLContext, authorities: bytes) -> None:
    # As in Go each certificate of the file is trusted, even one that another authority has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
    except ssl.SSLError as error:
        what = f"OpenSSL doesn't take the certificates ({openssl_reason(error)})."
        raise InvalidValue(what, "Copy them again.") from None
