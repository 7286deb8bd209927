"""Configurations that are wrong: every problem at once, where it is, and what would be right."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from exporter.config import ConfigError, load
from exporter.config.nodes import MISSING, NO_NODE
from exporter.config.problems import Problem
from exporter.config.settings import SETTINGS
from tests.config.asking import wrong
from tests.config.conftest import Home

WORDS = "Write --flag=value; --help lists all flags."
SEE_HELP = "--help lists all flags."


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
      Unknown flag.
      Did you mean --log.level?

  {home.path}/exporter.yml:2 lnd.adress
      Unknown setting.
      Did you mean `address` in section `lnd`?

  LND_PAYMENTS_EXPORTER_LND_TLS_CERT
      {home.path}/tls.cert does not exist.
      There is {home.path}, but no tls.cert in it. It contains exporter.yml, .lnd.

  {home.path}/exporter.yml:3 web.listen_address
      nowhere has no port.
      Add one, such as nowhere:10019

  LND_PAYMENTS_EXPORTER_METRICS_MAX_PEERS
      'many' is not a number of peers.
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
    problem = Problem(flag, "Unknown flag.", f"Did you mean {meant}?" if meant else SEE_HELP)
    assert wrong(f"--lnd.dir=.lnd {flag} {home.lnd}")[0] == problem


def test_the_command_line_is_no_list_of_words(home: Home) -> None:
    """A value too many, a value too few, a flag too often."""
    assert wrong("--lnd.dir .lnd readonly.macaroon --log.level --log.format=json --log.format=json") == [
        Problem("readonly.macaroon", "is neither a flag nor the value of one.", WORDS),
        Problem("--log.level", "has no value.", "Write --log.level=LEVEL"),
        Problem("--log.format", "is given twice.", "Give it once. Several nodes go into a file: --config.file"),
    ]


def test_a_flag_that_is_not_understood() -> None:
    """Who mistypes a flag is not told how to begin."""
    assert wrong("-v") == [Problem("-v", "Unknown flag.", SEE_HELP)]
    assert wrong("--log.level=debug --frobnicate=yes") == [Problem("--frobnicate", "Unknown flag.", SEE_HELP)]


def test_unknown_variables(home: Home) -> None:
    """A typo in the environment is told like one on the command line."""
    assert wrong("--lnd.dir=.lnd", LND_MACARON=str(home.macaroon("readonly")), TRACING="on") == [
        Problem(
            "LND_PAYMENTS_EXPORTER_LND_MACARON",
            "Unknown setting.",
            "Did you mean LND_PAYMENTS_EXPORTER_LND_MACAROON?",
        ),
        Problem("LND_PAYMENTS_EXPORTER_TRACING", "Unknown setting.", "--help lists all settings."),
    ]


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("PORT", "9000", "WEB_LISTEN_ADDRESS"),
        ("WEB_PORT", "9000", "WEB_LISTEN_ADDRESS"),
        ("LND_PORT", "10009", "LND_ADDRESS"),
        ("LND_HOST", "alice", "LND_ADDRESS"),
        ("METRICS_MAX_PEER", "7", "METRICS_MAX_PEERS"),
    ],
)
def test_typo_that_looks_like_a_variable_of_kubernetes(home: Home, name: str, text: str, meant: str) -> None:
    """A port that a person wrote is a number; Kubernetes' is a URL, and is left alone."""
    [problem, *_] = wrong("--lnd.dir=.lnd", **{name: text})
    ours = "LND_PAYMENTS_EXPORTER_"
    assert problem == Problem(ours + name, "Unknown setting.", f"Did you mean {ours}{meant}?")


def test_a_node_has_three_parts(home: Home) -> None:
    """What is missing where lnd's directory isn't given; a network alone chooses nothing."""
    network = "Add lnd's directory, or leave the network out: the macaroon already belongs to one."
    assert wrong("--lnd.network=mainnet") == [
        *(Problem(SETTINGS[name].flag, *MISSING[name]) for name in ("lnd.address", "lnd.tls-cert", "lnd.macaroon")),
        Problem("--lnd.network", "selects a network in --lnd.dir, which is not given.", network),
    ]


def test_the_demo_brings_its_own_node() -> None:
    """A node that is given to the demo would be ignored: that is told."""
    with pytest.raises(ConfigError) as caught:
        load(["--lnd.dir=.lnd"], {}, "demo")
    fix = "For a real node leave out the word demo."
    assert caught.value.problems == (Problem("--lnd.dir", "is not for the demo, which brings its own node.", fix),)


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
