"""Whose certificate is trusted over REST, and for which name."""

import ssl


class _Context(ssl.SSLContext):
    """Asks for a certificate of another name than that of the host, whoever opens the connection."""

    server_name: str | None = None
    """None: the host's."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as in the class above
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Do what asyncio asks for, with the name that is wanted."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


def context(pem: bytes, server_name: str | None) -> ssl.SSLContext:
    """Trust these certificates, made for `server_name` or else for the host; ValueError for what is no certificate."""
    made = _Context(ssl.PROTOCOL_TLS_CLIENT)
    made.server_name = server_name
    made.set_alpn_protocols(["http/1.1"])  # so that a port that speaks gRPC only says so
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the very certificate is trusted, whoever signed it
    try:
        made.load_verify_locations(cadata=pem.decode("ascii"))
    except ssl.SSLError as error:
        raise ValueError from error
    return made
