"""Check the macaroon of a node, and find it in lnd's directory."""

from pathlib import Path

from exporter.config.files import cannot_read, may_not_read, read
from exporter.config.problems import InvalidValue
from exporter.macaroon import MIN_BYTES, decode

MACAROONS = ("payments.macaroon", "readonly.macaroon")
"""The names that --lnd.dir looks for, best first. Never admin.macaroon."""

ADMIN = "admin.macaroon"
"""The macaroon that can spend."""

BAKE = """\
lncli bakemacaroon --save_to payments.macaroon \\
  uri:/routerrpc.Router/TrackPayments uri:/routerrpc.Router/TrackPaymentV2 \\
  uri:/lnrpc.Lightning/ListPayments uri:/lnrpc.Lightning/GetInfo \\
  uri:/lnrpc.Lightning/ListChannels
ListChannels is optional: for aliases, balances, offline peers and lost HTLCs."""
"""The command that makes a macaroon with no more permissions than needed."""

BAKE_FOR_WHY = """\
lncli bakemacaroon --save_to why.macaroon \\
  uri:/routerrpc.Router/TrackPaymentV2 uri:/lnrpc.Lightning/GetInfo \\
  uri:/lnrpc.Lightning/ListChannels uri:/lnrpc.Lightning/DecodePayReq \\
  uri:/lnrpc.Lightning/QueryRoutes uri:/lnrpc.Lightning/GetNodeInfo"""
"""The command that makes a macaroon with everything that `why` can ask. The exporter needs the other one."""

NETWORKS = "data/chain/bitcoin"
"""In lnd's directory: has a directory for each network, with its macaroons."""


def check_directory(directory: Path) -> None:
    """Raise `InvalidValue` unless this could be lnd's directory."""
    try:
        if not any((directory / part).exists() for part in ("tls.cert", NETWORKS)):
            raise _not_lnds(directory)
    except PermissionError:
        raise may_not_read(directory / "tls.cert") from None
    except OSError as error:
        raise cannot_read(directory, error) from None


def check_macaroon(path: Path) -> None:
    """Raise `InvalidValue` unless this is a macaroon, as lnd writes it or in hex or base64."""
    content = read(path)
    if not content.strip():
        raise InvalidValue(f"{path} is empty.", f"Copy it again from lnd, or bake one:\n{BAKE}")
    found = decode(content)
    if found is not None and len(found) < MIN_BYTES:
        raise InvalidValue(f"{path} is cut off: only {len(found)} bytes.", "Copy it again from lnd, as a whole file.")
    if found is None:
        raise _not_a_macaroon(path, content.strip())


def _not_a_macaroon(path: Path, content: bytes) -> InvalidValue:
    """Return the error for what is commonly given in place of a macaroon, and how to get one from it."""
    right = "Give the file that lnd or `lncli bakemacaroon --save_to` wrote, or its hex or base64"
    if content.startswith(b"-----BEGIN"):
        return InvalidValue(f"{path} is a certificate or key, not a macaroon.", f"Are the two swapped? {right}.")
    if content.startswith(b"{"):
        fix = f"Write only the value of its `macaroon` into a file:\njq -r .macaroon {path} > {path.stem}.only.macaroon"
        return InvalidValue(f"{path} is JSON, not a macaroon.", fix)
    if b"macaroon=" in content:
        only = f"sed 's/.*macaroon=//; s/[&;].*//' {path} > {path.stem}.only.macaroon"
        fix = f"Write only what follows macaroon= into a file:\n{only}"
        return InvalidValue(
            f"{path} is a link for wallets with a macaroon in it (such as lndconnect), not a macaroon.", fix
        )
    if decode(content[:-1]) is not None:
        return InvalidValue(
            f"{path} is cut off: its last byte is incomplete.", "Copy it again from lnd, as a whole file."
        )
    return InvalidValue(f"{path} is not a macaroon.", f"{right}.")


def find_macaroon(directory: Path, network: str) -> Path:
    """Return the best macaroon in lnd's directory; `network` may be empty if only one has a usable macaroon."""
    try:
        found = _macaroons(directory)
    except PermissionError as error:
        raise may_not_read(Path(error.filename)) from None
    usable = {name: macaroon for name, macaroon in found.items() if macaroon is not None}
    networks = ", ".join(found)
    if network:
        if network not in found:
            raise InvalidValue(f"{directory} has no network {network}.", f"It has {networks}.")
        usable = {name: macaroon for name, macaroon in usable.items() if name == network}
    if len(usable) > 1:
        several = ", ".join(usable)
        raise InvalidValue(
            f"{directory} has several networks: {several}.", f"Choose one: --lnd.network={next(iter(usable))}"
        )
    for macaroon in usable.values():
        return macaroon
    raise _no_macaroon(directory, [network] if network else list(found))


def _no_macaroon(directory: Path, networks: list[str]) -> InvalidValue:
    """Return the error that names the missing macaroons and where to put one."""
    folders = [directory / NETWORKS / network for network in networks]
    place = " or ".join(map(str, folders))
    what = f"There is no {' and no '.join(MACAROONS)} in {place}."
    if any((folder / ADMIN).is_file() for folder in folders):
        what += f" {ADMIN} is there, but it can spend, so it is not used."
    return InvalidValue(what, f"Bake one and put it into {place}, or name another by --lnd.macaroon:\n{BAKE}")


def _macaroons(directory: Path) -> dict[str, Path | None]:
    """Return the networks in lnd's directory, each with its best macaroon."""
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


def _not_lnds(directory: Path) -> InvalidValue:
    """Return the error that explains why this directory has no networks."""
    if not directory.exists():
        return InvalidValue(
            f"{directory} does not exist.", "Give lnd's directory; in a container: is the volume mounted?"
        )
    if not directory.is_dir():
        return InvalidValue(
            f"{directory} is a file.", "Give lnd's directory, or name files by --lnd.tls-cert and --lnd.macaroon."
        )
    if any(directory.glob("*.macaroon")):
        above = [parent for parent in directory.parents if (parent / NETWORKS).is_dir()]
        fix = f"Give {above[0]}." if above else "Give the directory that has `data` in it, or use --lnd.macaroon."
        return InvalidValue(f"{directory} is the directory of the macaroons, not lnd's own directory.", fix)
    return InvalidValue(
        f"{directory} has no {NETWORKS}/NETWORK in it.",
        "Is it lnd's directory (its --lnddir)? If so lnd has no wallet yet: lncli create",
    )
