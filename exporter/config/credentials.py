"""Looks at the files that a node needs: a certificate, a macaroon, and where lnd keeps them."""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509

from exporter.config.files import cannot_read, may_not_read, read
from exporter.config.problems import Wrong
from exporter.macaroon import MIN_BYTES, decode

MACAROONS = ("payments.macaroon", "readonly.macaroon")
"""What --lnd.dir looks for, best first. Never admin.macaroon."""

ADMIN = "admin.macaroon"
"""It can spend."""

BAKE = """\
lncli bakemacaroon --save_to payments.macaroon \\
  uri:/routerrpc.Router/TrackPayments uri:/routerrpc.Router/TrackPaymentV2 \\
  uri:/lnrpc.Lightning/ListPayments uri:/lnrpc.Lightning/GetInfo uri:/lnrpc.Lightning/ListChannels
ListChannels is optional: for aliases and balance."""
"""How to get a macaroon that is enough, and can do no more."""

NETWORKS = "data/chain/bitcoin"
"""A folder for each network, with its macaroons."""


def check_directory(directory: Path) -> None:
    """Raises `Wrong` unless this could be lnd's directory."""
    try:
        if not any((directory / part).exists() for part in ("tls.cert", NETWORKS)):
            raise _not_lnds(directory)
    except PermissionError:
        raise may_not_read(directory / "tls.cert") from None
    except OSError as error:
        raise cannot_read(directory, error) from None


def check_certificate(path: Path) -> None:
    """Raises `Wrong` unless this is a certificate in PEM."""
    content = read(path)
    right = "Give lnd's tls.cert, or the word `system` if this system trusts lnd's certificate."
    if not content.strip():
        raise Wrong(f"{path} is empty.", "Copy it again from lnd, or restart lnd: it writes a new one.")
    if decode(content) is not None:
        raise Wrong(f"{path} is a macaroon, not a certificate.", "Are the two exchanged? " + right)
    if b"PRIVATE KEY-----" in content:
        raise Wrong(f"{path} is a private key, not a certificate.", right)
    if content.startswith(b"\x30\x82"):
        fix = f"Convert it: openssl x509 -inform DER -in {path} -out tls.cert"
        raise Wrong(f"{path} is a certificate in DER, PEM is needed.", fix)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        fix = f"It begins with -----BEGIN CERTIFICATE-----. {right}"
        raise Wrong(f"{path} is no certificate in PEM.", fix)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise Wrong(f"{path} is a damaged certificate.", "Copy it again from lnd, as a whole file.") from None


def dates(path: Path) -> str | None:
    """What is wrong with the dates of a certificate, by the clock of this machine; None if nothing is."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError, x509.InvalidVersion):
        return None  # it was right a moment ago, or a mistake that is told elsewhere
    now = dt.datetime.now(dt.UTC)
    if certificate.not_valid_after_utc < now:
        return (
            f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: is the clock right? Then it needs renewal"
        )
    if certificate.not_valid_before_utc > now:
        return f"{path} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on: is the clock right?"
    return None


def check_macaroon(path: Path) -> None:
    """Raises `Wrong` unless this is a macaroon, as lnd writes it or in hex or base64."""
    content = read(path)
    if not content.strip():
        raise Wrong(f"{path} is empty.", f"Copy it again from lnd, or bake one:\n{BAKE}")
    found = decode(content)
    if found is not None and len(found) < MIN_BYTES:
        raise Wrong(f"{path} is cut off: only {len(found)} bytes.", "Copy it again from lnd, as a whole file.")
    if found is None:
        raise _no_macaroon_but(path, content.strip())


def _no_macaroon_but(path: Path, content: bytes) -> Wrong:
    """What people have in place of a macaroon, and how they get one."""
    right = "Give the file that lnd or `lncli bakemacaroon --save_to` wrote, or its hex or base64"
    if content.startswith(b"-----BEGIN"):
        return Wrong(f"{path} is a certificate or key, not a macaroon.", f"Are the two exchanged? {right}.")
    if content.startswith(b"{"):
        fix = f"Write only the value of its `macaroon` into a file:\njq -r .macaroon {path} > {path.stem}.only.macaroon"
        return Wrong(f"{path} is JSON, not a macaroon.", fix)
    if b"macaroon=" in content:
        only = f"sed 's/.*macaroon=//; s/[&;].*//' {path} > {path.stem}.only.macaroon"
        fix = f"Write only what follows macaroon= into a file:\n{only}"
        return Wrong(f"{path} is a link for wallets with a macaroon in it (such as lndconnect), not a macaroon.", fix)
    if decode(content[:-1]) is not None:
        return Wrong(f"{path} is cut off: its last byte is half there.", "Copy it again from lnd, as a whole file.")
    return Wrong(f"{path} is no macaroon.", f"{right}.")


def find_macaroon(directory: Path, network: str) -> Path:
    """The best macaroon in lnd's directory; `network` is empty where there is only one."""
    try:
        found = _macaroons(directory)
    except PermissionError as error:
        raise may_not_read(Path(error.filename)) from None
    usable = {name: macaroon for name, macaroon in found.items() if macaroon is not None}
    networks = ", ".join(found)
    if network:
        if network not in found:
            raise Wrong(f"{directory} has nothing of the network {network}.", f"It has {networks}.")
        usable = {name: macaroon for name, macaroon in usable.items() if name == network}
    if len(usable) > 1:
        several = ", ".join(usable)
        raise Wrong(f"{directory} has several networks: {several}.", f"Choose one: --lnd.network={next(iter(usable))}")
    for macaroon in usable.values():
        return macaroon
    raise _no_macaroon(directory, [network] if network else list(found))


def _no_macaroon(directory: Path, networks: list[str]) -> Wrong:
    """What is missing in the folders of these networks, and where to put it."""
    folders = [directory / NETWORKS / network for network in networks]
    place = " or ".join(map(str, folders))
    what = f"There is no {' and no '.join(MACAROONS)} in {place}."
    if any((folder / ADMIN).is_file() for folder in folders):
        what += f" {ADMIN} is there, but it can spend, so it is not used."
    return Wrong(what, f"Bake one and put it into {place}, or name another by --lnd.macaroon:\n{BAKE}")


def _macaroons(directory: Path) -> dict[str, Path | None]:
    """The networks in lnd's directory and the best macaroon of each."""
    try:
        names = sorted(path for path in (directory / NETWORKS).iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        raise _not_lnds(directory) from None
    if not names:
        raise _not_lnds(directory)
    found: dict[str, Path | None] = {}
    for path in names:
        found[path.name] = next((path / name for name in MACAROONS if (path / name).is_file()), None)
    return found


def _not_lnds(directory: Path) -> Wrong:
    """Why there are no networks in this directory."""
    if not directory.exists():
        return Wrong(f"{directory} does not exist.", "Give lnd's directory; in a container: is the volume mounted?")
    if not directory.is_dir():
        return Wrong(
            f"{directory} is a file.", "Give lnd's directory, or name files by --lnd.tls-cert and --lnd.macaroon."
        )
    if any(directory.glob("*.macaroon")):
        above = [parent for parent in directory.parents if (parent / NETWORKS).is_dir()]
        fix = f"Give {above[0]}." if above else "Give the directory that has `data` in it, or use --lnd.macaroon."
        return Wrong(f"{directory} is where macaroons lie, not lnd's own directory.", fix)
    return Wrong(
        f"{directory} has no {NETWORKS}/NETWORK in it.",
        "Is it lnd's directory (its --lnddir)? If so lnd has no wallet yet: lncli create",
    )
