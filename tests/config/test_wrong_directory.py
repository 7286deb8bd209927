"""Directories that aren't lnd's, or that lack something."""

from collections.abc import Callable

import pytest

from exporter.config.macaroons import BAKE
from exporter.config.problems import Problem
from tests.config.conftest import CERTIFICATE, Home
from tests.config.shortcuts import problems_of

NONE = "There is no payments.macaroon and no readonly.macaroon in"
MAINNET, REGTEST = "{dir}/data/chain/bitcoin/mainnet", "{dir}/data/chain/bitcoin/regtest"


def in_its_parent(home: Home) -> str:
    """Give the directory above lnd's."""
    return str(home.path)


def among_the_macaroons(home: Home) -> str:
    """Give the directory of the macaroons."""
    return str(home.lnd / "data/chain/bitcoin/mainnet")


def a_file_of_it(home: Home) -> str:
    """Give a file in it."""
    return str(home.lnd / "tls.cert")


def without_wallet(home: Home) -> str:
    """Give the directory of an lnd that has been started but has no wallet yet."""
    return str(home.write("new/tls.cert", CERTIFICATE.certificate).parent)


def only_admin(home: Home) -> str:
    """Leave only the macaroon that may spend."""
    (home.lnd / "data/chain/bitcoin/mainnet/readonly.macaroon").unlink()
    return str(home.lnd)


def no_macaroon_anywhere(home: Home) -> str:
    """Have two networks, and no macaroon in either."""
    for path in home.lnd.rglob("*.macaroon"):
        path.unlink()
    (home.lnd / "data/chain/bitcoin/regtest").mkdir()
    return str(home.lnd)


def too_long(home: Home) -> str:
    """Give a name that is longer than any can be."""
    return str(home.path / ("x" * 300))


def two_networks(home: Home) -> str:
    """Have two networks."""
    home.macaroon("readonly", network="testnet")
    return str(home.lnd)


def another_network(home: Home) -> str:
    """Select a network that lnd's directory doesn't have."""
    return f"{home.lnd} --lnd.network=testnet"


@pytest.mark.parametrize(
    ("mistake", "what", "fix"),
    [
        (
            in_its_parent,
            "{dir} has no data/chain/bitcoin/NETWORK in it.",
            "Is it lnd's directory (its --lnddir)? If so lnd has no wallet yet: lncli create",
        ),
        (among_the_macaroons, "{dir} is the directory of the macaroons, not lnd's own directory.", "Give {home}/.lnd."),
        (
            a_file_of_it,
            "{dir} is a file.",
            "Give lnd's directory, or name files by --lnd.tls-cert and --lnd.macaroon.",
        ),
        (
            without_wallet,
            "{dir} has no data/chain/bitcoin/NETWORK in it.",
            "Is it lnd's directory (its --lnddir)? If so lnd has no wallet yet: lncli create",
        ),
        (
            only_admin,
            f"{NONE} {MAINNET}. admin.macaroon is there, but it can spend, so it is not used.",
            f"Bake one and put it into {MAINNET}, or name another by --lnd.macaroon:\n{BAKE}",
        ),
        (
            no_macaroon_anywhere,
            f"{NONE} {MAINNET} or {REGTEST}.",
            f"Bake one and put it into {MAINNET} or {REGTEST}, or name another by --lnd.macaroon:\n{BAKE}",
        ),
        (too_long, "{dir} can't be read: File name too long.", "Give the right path."),
        (two_networks, "{dir} has several networks: mainnet, testnet.", "Choose one: --lnd.network=mainnet"),
        (another_network, "{dir} has no network testnet.", "It has mainnet."),
    ],
)
def test_wrong_directory(home: Home, mistake: Callable[[Home], str], what: str, fix: str) -> None:
    """It is one problem, not one for each file that is missing."""
    text = mistake(home)
    directory = text.partition(" ")[0]
    assert problems_of(f"--lnd.dir={text}") == [
        Problem("--lnd.dir", what.format(dir=directory), fix.format(home=home.path, dir=directory)),
    ]
