"""Reads macaroon and trusted certificates from their files, again for every connection."""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from exporter.certificate import PEM, check, read_certificates
from exporter.lnd.client import LndError
from exporter.macaroon import decode
from exporter.payments.labels import Interruption, NodeState

LARGEST = 1 << 20
"""Bytes of a file that are accepted at most, as in the configuration: the file may have been replaced since."""
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""Names of certificate files as `openssl rehash` makes them."""


async def read_macaroon(path: Path) -> str:
    """Return the macaroon in hex, as lnd wants it, whatever its form in the file; raises `LndError`."""
    found = decode(await _read(path, Interruption.DENIED, NodeState.DENIED))
    if found is None:
        advice = f"{path} is not a macaroon: copy it from lnd again, as a binary file, or in hex or base64"
        raise LndError(Interruption.DENIED, NodeState.DENIED, advice)
    return found.hex()


async def read_trusted(tls_cert: Path | None) -> tuple[bytes, int | None]:
    """Return the certificates to trust, in PEM: lnd's own, or without a file all that the system trusts.

    The second value is when lnd's own expires, in seconds since 1970, else None. Raises `LndError`.
    """
    return await _read_certificate(tls_cert) if tls_cert else (await asyncio.to_thread(_system_certificates), None)


def _system_certificates() -> bytes:
    """Return the certificates from the places where OpenSSL, and so Python's `ssl`, looks for them.

    These are a file and directories. In a directory only files named by a hash count (`openssl rehash`): others beside
    them aren't meant to be trusted. Raises `LndError` if no certificate is found.
    """
    file, directories = _places()
    found = dict.fromkeys(block for path in _certificate_files(file, directories) for block in _certificates(path))
    if not found:
        advice = (
            f"the system trusts no certificate: there is none in {file} and in {directories}. Install your system's "
            "certificates (ca-certificates), set SSL_CERT_FILE, or give lnd's tls.cert instead of `system`"
        )
        raise LndError(Interruption.CERTIFICATE, NodeState.UNREACHABLE, advice)
    return b"\n".join(found) + b"\n"


def _places() -> tuple[str, str]:
    """Return the file and the directories (joined by `:`): from the environment, else those built into OpenSSL."""
    usual = ssl.get_default_verify_paths()
    return (
        os.environ.get(usual.openssl_cafile_env, usual.openssl_cafile),
        os.environ.get(usual.openssl_capath_env, usual.openssl_capath),
    )


def _certificate_files(file: str, directories: str) -> Iterator[Path]:
    if file:
        yield Path(file)
    for directory in filter(None, directories.split(os.pathsep)):
        with suppress(OSError):
            yield from sorted(path for path in Path(directory).iterdir() if _HASHED.fullmatch(path.name))


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield the certificates in a file, each in PEM. A damaged one is skipped: gRPC would ignore all that follow it."""
    with suppress(OSError):
        for block in PEM.findall(path.read_bytes()):
            with suppress(ValueError):
                check(block)
                yield block


async def _read_certificate(path: Path) -> tuple[bytes, int]:
    pem = await _read(path, Interruption.CERTIFICATE, NodeState.UNREACHABLE)
    try:
        return pem, int(read_certificates(pem)[0].ends.timestamp())
    except ValueError:
        raise not_a_certificate(path) from None


def not_a_certificate(path: Path) -> LndError:
    """Return the error for a file that doesn't hold a certificate."""
    return LndError(
        Interruption.CERTIFICATE, NodeState.UNREACHABLE, f"{path} is not a certificate: copy lnd's tls.cert there"
    )


async def _read(path: Path, cause: Interruption, state: NodeState) -> bytes:
    """Return the content of a file, which may be replaced at any time; raises `LndError` with this cause and state."""
    try:
        content = await asyncio.to_thread(_read_limited, path)
    except OSError as error:
        raise LndError(cause, state, f"{path} can't be read ({error.strerror}): put lnd's file back there") from None
    if not content:
        raise LndError(cause, state, f"{path} is empty: copy it from lnd again")
    if len(content) > LARGEST:
        raise LndError(cause, state, f"{path} is larger than a mebibyte: put lnd's file back there")
    return content


def _read_limited(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)
