"""How a remote-write receiver is reached (`--remote-write`, `--http-config`): values that were checked."""

import ssl
from dataclasses import dataclass, field

from exporter.config.addresses import PRIVATE, encrypted, host_and_port


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How this side of a TLS connection behaves."""

    authorities: bytes | None = None
    """PEM; None: those that the system trusts."""
    certificate: bytes | None = field(default=None, repr=False)
    """The own certificate, PEM; None: there is none to show."""
    key: bytes | None = field(default=None, repr=False)
    """PEM; it comes together with the certificate."""
    server_name: str | None = None
    """The name that the server's certificate must be made for; None: the host of the URL."""
    verify: bool = True
    """Whether the server's certificate is verified."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """All of the file of `--http-config`."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with each request, the password among them."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no message may quote: passwords and the like."""
    tls: ClientTls = ClientTls()


@dataclass(frozen=True, slots=True)
class RemoteWriteConfig:
    """The receiver, and what it wants to see."""

    url: str = field(repr=False)
    """Without user and password; its query may hold a token: show `shown` instead."""
    http: HttpConfig = HttpConfig()

    @property
    def shown(self) -> str:
        """The URL as messages show it, without a query."""
        return self.url.partition("?")[0]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may quote; none of them is empty."""
        query = self.url.partition("?")[2]
        return (*self.http.secrets, query) if query else self.http.secrets

    @property
    def warnings(self) -> list[str]:
        """Settings that are valid but probably not what the user meant, one sentence each."""
        readable = not encrypted(self.url) and not PRIVATE.fullmatch(host_and_port(self.url)[0])
        warnings = {
            "without TLS (http://) anybody on the way can read the password": readable and bool(self.secrets),
            "insecure_skip_verify: anybody on the way can answer in the receiver's place": not self.http.tls.verify,
        }
        return [warning for warning, applies in warnings.items() if applies]
