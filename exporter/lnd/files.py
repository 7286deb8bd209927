"""The two files that a node is asked with, certificate and macaroon: read again at every connection."""

import asyncio
from pathlib import Path

from cryptography import x509

from exporter.lnd.client import Trouble
from exporter.macaroon import decode
from exporter.payments.labels import Interruption, NodeState


async def macaroon(path: Path) -> str:
    """The macaroon in hex, as lnd wants it, in whatever form it is in the file; raises `Trouble`."""
    found = decode(await _read(path, Interruption.DENIED, NodeState.DENIED))
    if found is None:
        advice = f"{path} is no macaroon: copy it from lnd again, as a binary file, or in hex or base64"
        raise Trouble(Interruption.DENIED, NodeState.DENIED, advice)
    return found.hex()


async def certificate(path: Path) -> tuple[bytes, int]:
    """The certificate in PEM, and the end of its validity in seconds since 1970; raises `Trouble`."""
    pem = await _read(path, Interruption.CERTIFICATE, NodeState.UNREACHABLE)
    try:
        return pem, int(x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp())
    except (ValueError, x509.InvalidVersion):
        raise no_certificate(path) from None


def no_certificate(path: Path) -> Trouble:
    """What is in the file is none."""
    return Trouble(
        Interruption.CERTIFICATE, NodeState.UNREACHABLE, f"{path} is no certificate: copy lnd's tls.cert there"
    )


async def _read(path: Path, cause: Interruption, state: NodeState) -> bytes:
    """The bytes of a file that may be replaced at any time."""
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Trouble(cause, state, f"{path} can't be read ({error.strerror}): put lnd's file back there") from None
    if not content:
        raise Trouble(cause, state, f"{path} is empty: copy it from lnd again")
    return content
