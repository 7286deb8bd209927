"""The files that a node is asked with, macaroon and certificate or the system's: read again at every connection."""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cryptography import x509

from exporter.lnd.client import LndError
from exporter.macaroon import decode
from exporter.payments.labels import Interruption, NodeState

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
LARGEST = 1 << 20
"""Bytes of a file, as the configuration has it: any other file may have taken its place since."""
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


async def macaroon(path: Path) -> str:
    """The macaroon in hex, as lnd wants it, in whatever form it is in the file; raises `LndError`."""
    found = decode(await _read(path, Interruption.DENIED, NodeState.DENIED))
    if found is None:
        advice = f"{path} is no macaroon: copy it from lnd again, as a binary file, or in hex or base64"
        raise LndError(Interruption.DENIED, NodeState.DENIED, advice)
    return found.hex()


async def trusted(tls_cert: Path | None) -> tuple[bytes, int | None]:
    """Return what TLS is to trust in PEM: lnd's certificate, or without one all that the system trusts.

    Of lnd's certificate also the end of its validity in seconds since 1970. Raises `LndError`.
    """
    return await _certificate(tls_cert) if tls_cert else (await asyncio.to_thread(_system), None)


def _system() -> bytes:
    """Return the certificates in the places where Python's `ssl`, so OpenSSL, looks for them.

    These are a file and directories, where only files named by a hash count (`openssl rehash`): others may lie beside
    them that nobody is to trust. Raises `LndError` if there is none.
    """
    file, directories = _places()
    found = dict.fromkeys(block for path in _files(file, directories) for block in _certificates(path))
    if not found:
        advice = (
            f"the system trusts no certificate: there is none in {file} and in {directories}. Install those of your "
            "system (ca-certificates), set SSL_CERT_FILE, or give lnd's tls.cert instead of `system`"
        )
        raise LndError(Interruption.CERTIFICATE, NodeState.UNREACHABLE, advice)
    return b"\n".join(found) + b"\n"


def _places() -> tuple[str, str]:
    """Return the file and the directories (`:` in between); variables replace what was set when OpenSSL was built."""
    usual = ssl.get_default_verify_paths()
    return (
        os.environ.get(usual.openssl_cafile_env, usual.openssl_cafile),
        os.environ.get(usual.openssl_capath_env, usual.openssl_capath),
    )


def _files(file: str, directories: str) -> Iterator[Path]:
    if file:
        yield Path(file)
    for directory in filter(None, directories.split(os.pathsep)):
        with suppress(OSError):
            yield from sorted(path for path in Path(directory).iterdir() if _HASHED.fullmatch(path.name))


def _certificates(path: Path) -> Iterator[bytes]:
    """The certificates in a file, each in PEM. A damaged one is left out: gRPC would not read on behind it."""
    with suppress(OSError):
        for block in _PEM.findall(path.read_bytes()):
            with suppress(ssl.SSLError, ValueError):
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block.decode("ascii"))
                yield block


async def _certificate(path: Path) -> tuple[bytes, int]:
    pem = await _read(path, Interruption.CERTIFICATE, NodeState.UNREACHABLE)
    try:
        return pem, int(x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp())
    except (ValueError, x509.InvalidVersion):
        raise no_certificate(path) from None


def no_certificate(path: Path) -> LndError:
    """What is in the file is none."""
    return LndError(
        Interruption.CERTIFICATE, NodeState.UNREACHABLE, f"{path} is no certificate: copy lnd's tls.cert there"
    )


async def _read(path: Path, cause: Interruption, state: NodeState) -> bytes:
    """The bytes of a file that may be replaced at any time."""
    try:
        content = await asyncio.to_thread(_begin, path)
    except OSError as error:
        raise LndError(cause, state, f"{path} can't be read ({error.strerror}): put lnd's file back there") from None
    if not content:
        raise LndError(cause, state, f"{path} is empty: copy it from lnd again")
    if len(content) > LARGEST:
        raise LndError(cause, state, f"{path} is larger than a mebibyte: put lnd's file back there")
    return content


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)
