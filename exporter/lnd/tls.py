"""TLS over REST: which certificates are trusted, and for which name."""

import ssl


class _Context(ssl.SSLContext):
    """A context that verifies the certificate for `server_name` instead of the host that is connected to."""

    server_name: str | None = None
    """None: the host."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as in the class above
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Replace the host name that asyncio gives by `server_name`."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


def client_context(pem: bytes, server_name: str | None) -> ssl.SSLContext:
    """Return a context that trusts these certificates, for `server_name` or else the host.

    Raises ValueError if `pem` holds no valid certificate.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    context.set_alpn_protocols(["http/1.1"])  # so that a port that speaks only gRPC refuses during the handshake
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trust a certificate of `pem` itself, whoever signed it
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except ssl.SSLError as error:
        raise ValueError from error
    return context
