"""Configurations that are wrong: every problem at once, where it is, and what would be right."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from exporter.config import ConfigError, cannot_listen, load
from exporter.config.nodes import MISSING, NO_NODE
from exporter.config.problems import Problem
from exporter.config.settings import SETTINGS
from tests.config.asking import wrong
from tests.config.conftest import Home

WORDS = "Write --flag=value; --help shows all flags."
SEE_HELP = "--help shows all flags."
FROM_MACHINE = "Give HOST:PORT, such as node.example:10009"


def test_nothing_given() -> None:
    """Three ways to begin."""
    assert wrong() == [NO_NODE]


def test_everything_wrong_at_once(home: Home) -> None:
    """Nobody has to start the program five times to find five mistakes; and this is how it looks."""
    home.write("exporter.yml", "lnd:\n  adress: localhost\nweb: {listen_address: nowhere}\n")
    with pytest.raises(ConfigError) as caught:
        load(
            ["--config.file=exporter.yml", "--lnd.macaroon=", "--log-level=info"],
            {"LND_PAYMENTS_EXPORTER_METRICS_MAX_PEERS": "many", "LND_PAYMENTS_EXPORTER_LND_TLS_CERT": "tls.cert"},
        )
    assert (
        str(caught.value)
        == f"""\
6 problems with the configuration

  --lnd.macaroon
      has no value.
      Write --lnd.macaroon=FILE

  --log-level
      is no flag.
      Did you mean --log.level?

  {home.path}/exporter.yml:2 lnd.adress
      is no setting.
      Did you mean `address` in section `lnd`?

  LND_PAYMENTS_EXPORTER_LND_TLS_CERT
      {home.path}/tls.cert does not exist.
      There is {home.path}, but no tls.cert in it. It contains exporter.yml, .lnd.

  {home.path}/exporter.yml:3 web.listen_address
      nowhere has no port.
      Add one, such as nowhere:10019

  LND_PAYMENTS_EXPORTER_METRICS_MAX_PEERS
      'many' is no number of peers.
      Use 0 (none) to 10000; each peer adds about 9 series.
"""
    )


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--lnd.adress", "--lnd.address"),
        ("--lnd.tls_cert", "--lnd.tls-cert"),
        ("-lnd.dir", "--lnd.dir"),
        ("--lnddir", "--lnd.dir"),
        ("--rpcserver", "--lnd.address"),
        ("--lnd.host", "--lnd.address"),
        ("--macaroonpath", "--lnd.macaroon"),
        ("--tlscertpath", "--lnd.tls-cert"),
        ("--listen-address", "--web.listen-address"),
        ("--web.listenaddress", "--web.listen-address"),
        ("--LOG.LEVEL", "--log.level"),
        ("--config", "--config.file"),
        ("--max-peers", "--metrics.max-peers"),
        ("--frobnicate", ""),
    ],
)
def test_unknown_flags(home: Home, flag: str, meant: str) -> None:
    """Misspelt, or in the words of lnd and lncli; its value is no second problem."""
    problem = Problem(flag, "is no flag.", f"Did you mean {meant}?" if meant else SEE_HELP)
    assert wrong(f"--lnd.dir=.lnd {flag} {home.lnd}")[0] == problem


def test_the_command_line_is_no_list_of_words(home: Home) -> None:
    """A value too many, a value too few, a flag too often."""
    assert wrong("--lnd.dir .lnd readonly.macaroon --log.level --log.format=json --log.format=json") == [
        Problem("readonly.macaroon", "is neither a flag nor the value of one.", WORDS),
        Problem("--log.level", "has no value.", "Write --log.level=LEVEL"),
        Problem("--log.format", "is given twice.", "Give it once. Several nodes go into a file: --config.file"),
    ]


def test_unknown_variables(home: Home) -> None:
    """A typo in the environment is told like one on the command line."""
    assert wrong("--lnd.dir=.lnd", LND_MACARON=str(home.macaroon("readonly")), TELEMETRY="on") == [
        Problem(
            "LND_PAYMENTS_EXPORTER_LND_MACARON",
            "is no setting.",
            "Did you mean LND_PAYMENTS_EXPORTER_LND_MACAROON?",
        ),
        Problem("LND_PAYMENTS_EXPORTER_TELEMETRY", "is no setting.", "--help shows all settings."),
    ]


def test_a_node_has_three_parts(home: Home) -> None:
    """What is missing where lnd's directory isn't given; a network alone chooses nothing."""
    network = "Add lnd's directory, or leave the network out: the macaroon already belongs to one."
    assert wrong("--lnd.network=mainnet") == [
        *(Problem(SETTINGS[name].flag, *MISSING[name]) for name in ("lnd.address", "lnd.tls-cert", "lnd.macaroon")),
        Problem("--lnd.network", "chooses a part of --lnd.dir, which is not given.", network),
    ]


@pytest.mark.parametrize(
    ("value", "what", "fix"),
    [
        (
            "https://lnd.local:10009/",
            "https://lnd.local:10009/ has https:// in front.",
            "Leave it out: lnd.local:10009",
        ),
        ("lnd.local:http", "'http' in lnd.local:http is no port.", "A port is a number from 1 to 65535."),
        ("lnd.local:0", "'0' in lnd.local:0 is no port.", "A port is a number from 1 to 65535."),
        ("lnd.local:70000", "'70000' in lnd.local:70000 is no port.", "A port is a number from 1 to 65535."),
        ("lnd.local:", "'' in lnd.local: is no port.", "A port is a number from 1 to 65535."),
        (":10009", ":10009 has no host.", "Give HOST:PORT, such as localhost:10009."),
        ("10.0.0.300", "'10.0.0.300' is no host name or IP address.", f"{FROM_MACHINE}."),
        ("lnd/local", "'lnd/local' is no host name or IP address.", f"{FROM_MACHINE}."),
        ("[::g]:1", "[::g] is no IPv6 address.", "Such as [::1]:10009"),
        ("[::1", "'[::1' is no address.", f"{FROM_MACHINE}; IPv6 in brackets: [::1]:10009"),
    ],
)
def test_wrong_addresses(home: Home, value: str, what: str, fix: str) -> None:
    """What people type for an address."""
    assert wrong(f"--lnd.dir=.lnd --lnd.address={value}") == [Problem("--lnd.address", what, fix)]


@pytest.mark.parametrize(
    ("flag", "what", "fix"),
    [
        (
            "--web.listen-address=10019",
            "10019 is no address.",
            "With a colon in front it is a port on every address: :10019",
        ),
        (
            "--log.level=warn",
            "'warn' is not among its words.",
            "Use one of debug, info, warning, error. Did you mean warning?",
        ),
        ("--log.format=xml", "'xml' is not among its words.", "Use one of auto, console, json."),
        (
            '--lnd.name="alice"',
            "'\"alice\"' can't be the name of a node.",
            "Use 1 to 64 letters, digits and . _ - : @ / without blanks, such as alice or routing-1.",
        ),
        (
            "--metrics.max-peers=-1",
            "'-1' is no number of peers.",
            "Use 0 (none) to 10000; each peer adds about 9 series.",
        ),
        ("--lnd.network=../x", "'../x' is no network.", "Use mainnet, testnet, testnet4, signet, regtest or simnet."),
    ],
)
def test_wrong_values(home: Home, flag: str, what: str, fix: str) -> None:
    """One row a setting."""
    name = flag.partition("=")[0]
    assert wrong(f"--lnd.dir=.lnd {flag}") == [Problem(name, what, fix)]


def test_the_demo_brings_its_own_node() -> None:
    """A node that is given to the demo would be ignored: that is told."""
    with pytest.raises(ConfigError) as caught:
        load(["--lnd.dir=.lnd"], {}, "demo")
    fix = "For a real node leave out the word demo."
    assert caught.value.problems == (Problem("--lnd.dir", "is not for the demo, which brings its own node.", fix),)


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.EADDRINUSE, ":10019 is in use by another program (or another exporter)."),
        (errno.EACCES, ":10019 may not be used by this user: ports below 1024 need a privilege."),
        (errno.EADDRNOTAVAIL, ":10019 is no address of this machine."),
        (errno.EMFILE, ":10019 can't be listened on: Too many open files."),
    ],
)
def test_the_address_can_not_be_had(number: int, what: str) -> None:
    """It turns out only when the program begins to listen."""
    problem = cannot_listen(":10019", OSError(number, os.strerror(number)))
    assert (problem.where, problem.what) == ("--web.listen-address", what)


@for_any(st.lists(st.text(max_size=30), max_size=6), st.dictionaries(st.sampled_from(list(SETTINGS)), st.text()))
def test_no_input_is_a_bug(argv: list[str], settings: dict[str, str]) -> None:
    """Whatever is typed ends in a configuration or in a `ConfigError`."""
    environ = {SETTINGS[name].variable: text for name, text in settings.items()}
    with suppress(ConfigError):
        load(argv, environ)


@for_any(st.text())
def test_no_file_is_a_bug(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    """Whatever the file holds, too."""
    path = Path(tmp_path_factory.getbasetemp()) / "any.yml"
    path.write_text(content, encoding="utf-8", errors="ignore")
    with pytest.raises(ConfigError):
        load(["--config.file", str(path)], {})
