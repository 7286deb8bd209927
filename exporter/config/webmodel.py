"""The content of the web file (`--web.config.file`) as the program uses it: values that were checked."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config.bcrypthash import BcryptHash


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Which client certificates are asked for."""

    required: bool
    """Whether a client without one is refused."""
    authorities: bytes | None
    """PEM; None: those that the system trusts."""
    allowed_names: frozenset[str] | None = None
    """A certificate must have one of these as an alternative name; None: any may come."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How connections are encrypted."""

    certificate: bytes = field(repr=False)
    """PEM, with the intermediate ones."""
    key: bytes = field(repr=False)
    """PEM."""
    clients: ClientCertificates | None = None
    """None: clients aren't asked for a certificate."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """OpenSSL's names, for TLS 1.2; empty: the usual ones."""
    curve: str | None = None
    """OpenSSL's name of the only curve; None: the usual ones."""
    prefer_own_ciphers: bool = True


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket."""

    interval_s: float
    """A token comes back after this time."""
    burst: int
    """How many tokens there are at most."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """All of the file."""

    tls: TlsConfig | None = None
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[bytes, BcryptHash] = field(default_factory=dict, repr=False)
    """By name, UTF-8. Empty: no password is needed."""
    rate_limit: RateLimit | None = None
    files: tuple[Path, ...] = ()
    """The file, and those that it names."""

    @property
    def summary(self) -> str:
        """Describe for people how the pages are protected."""
        parts = [_tls_summary(self.tls)]
        parts.append(f"{len(self.users)} user{'s' * (len(self.users) != 1)}" if self.users else "no password")
        if self.headers:
            parts.append(f"headers {', '.join(name for name, _ in self.headers)}")
        if self.rate_limit:
            parts.append(f"a request each {self.rate_limit.interval_s:g} s, {self.rate_limit.burst} at once")
        return ", ".join(parts)

    def weaker_than(self, other: "WebFile") -> str:
        """Return the protection that the other file has and this one lacks; empty if there is none."""
        ours, theirs = _clients(self), _clients(other)
        lacks = {
            "TLS": other.tls is not None and self.tls is None,
            "passwords": bool(other.users) and not self.users,
            "client certificates": theirs is not None and theirs.required and not (ours and ours.required),
            "client_allowed_sans": bool(theirs and theirs.allowed_names) and not (ours and ours.allowed_names),
        }
        return " and ".join(name for name, lacking in lacks.items() if lacking)


def _clients(file: WebFile) -> ClientCertificates | None:
    return file.tls.clients if file.tls else None


def _tls_summary(tls: TlsConfig | None) -> str:
    if tls is None:
        return "no TLS"
    if tls.clients is None:
        return "TLS, no client certificates"
    need = "required" if tls.clients.required else "verified if given"
    count = len(tls.clients.allowed_names or ())
    names = f" ({count} allowed name{'s' * (count != 1)})" if count else ""
    source = "" if tls.clients.authorities else " of any authority that this system trusts"
    return f"TLS, client certificates{source} {need}{names}"
