"""Makes the `ssl.SSLContext` of a server out of certificate, key and the other TLS settings."""

import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.config.problems import InvalidValue
from exporter.config.webmodel import ClientCertificates, TlsConfig

CIPHERS = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{ours}"
    for key in ("ECDSA", "RSA")
    for name, ours in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
    }.items()
}
"""Go's secure cipher suites of TLS 1.2, and OpenSSL's names of them."""
CIPHERS_OF_TLS_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""All of them are always offered, here and in Go."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""Go's names, and OpenSSL's."""
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_REASON = re.compile(r"\[[A-Z0-9_]+: (?P<reason>[A-Z0-9_]+)\]")


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return the context for connections. Raises `InvalidValue` if OpenSSL doesn't take the settings."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version, context.maximum_version = tls.minimum, tls.maximum
    if not tls.prefer_own_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.ciphers:
        _set_ciphers(context, tls.ciphers)
    if tls.curve:
        try:
            context.set_ecdh_curve(tls.curve)
        except ValueError:
            raise InvalidValue(f"The OpenSSL of this system lacks the curve {tls.curve}.", "Choose another.") from None
    show_certificate(context, tls.certificate, tls.key)
    if tls.clients:
        _trust(context, tls.clients)
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Let the own side of a connection show a certificate, PEM. Raises `InvalidValue` if OpenSSL doesn't take it."""
    with _as_file(certificate) as certificate_file, _as_file(key) as key_file:
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except ssl.SSLError as error:
            what = f"OpenSSL doesn't take the certificate with its key ({openssl_reason(error)})."
            raise InvalidValue(what, "Make new ones.") from None


def _set_ciphers(context: ssl.SSLContext, ciphers: tuple[str, ...]) -> None:
    try:
        context.set_ciphers(":".join(ciphers))
        have = {cipher["name"] for cipher in context.get_ciphers()}
    except ssl.SSLError:
        have = set()
    if missing := [cipher for cipher in ciphers if cipher not in have]:
        raise InvalidValue(f"The OpenSSL of this system lacks {', '.join(missing)}.", "Leave that out.")


def _trust(context: ssl.SSLContext, clients: ClientCertificates) -> None:
    context.verify_mode = ssl.CERT_REQUIRED if clients.required else ssl.CERT_OPTIONAL
    # As in Go each certificate of the file is trusted, even one that another authority has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if clients.authorities is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        context.load_verify_locations(cadata=clients.authorities.decode("ascii", "replace"))
    except ssl.SSLError as error:
        what = f"OpenSSL doesn't take the certificates ({openssl_reason(error)})."
        raise InvalidValue(what, "Copy them again.") from None


def openssl_reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's word for what is wrong."""
    match = _REASON.search(str(error))
    return (match["reason"] if match else error.reason or "no reason given").replace("_", " ").lower()


def _no_password() -> str:
    """Answer when OpenSSL asks for the password of a key: it would ask on the terminal."""
    return ""


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file in memory: `ssl` takes files only, and a key that isn't on disk must not get there."""
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        with tempfile.NamedTemporaryFile() as file:  # only for this user, and only for a moment
            file.write(content)
            file.flush()
            yield file.name
        return
    number = os.memfd_create("pem")
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{number}"
