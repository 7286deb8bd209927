"""Invalid configurations: all problems at once, each with its place and a fix; flags and variables."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, load
from exporter.config.nodes import MISSING, NO_NODE
from exporter.config.problems import Problem
from exporter.config.settings import SETTINGS
from exporter.config.suggestions import SECTIONS
from tests.config.conftest import Home
from tests.config.shortcuts import problems_of

WORDS = "Write --flag=value; --help lists all flags."
SEE_HELP = "--help lists all flags."


def test_no_node_is_given() -> None:
    """The fix shows three ways to begin."""
    assert problems_of() == [NO_NODE]


def test_all_problems_in_one_message(home: Home) -> None:
    """From all sources; this is how it looks."""
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
      Use 0 (none) to 10000; each peer adds up to 19 series.
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
    """Misspelt, or a flag of lnd or lncli; the value is not a second problem."""
    problem = Problem(flag, "Unknown flag.", f"Did you mean {meant}?" if meant else SEE_HELP)
    assert problems_of(f"--lnd.dir=.lnd {flag} {home.lnd}")[0] == problem


@pytest.mark.parametrize("name", ["destinations", "nodes"])
def test_sections_of_the_file(home: Home, name: str) -> None:
    """They are no flags and no variables, and no guess takes their value for that of another setting."""
    variable = f"LND_PAYMENTS_EXPORTER_{name.upper()}"
    assert problems_of(f"--lnd.dir=.lnd --{name}=exchange-a --lnd.{name}=b", **{name.upper(): "c"}) == [
        Problem(f"--{name}", "Unknown flag.", SECTIONS[name]),
        Problem(f"--lnd.{name}", "Unknown flag.", SECTIONS[name]),
        Problem(variable, "Unknown setting.", SECTIONS[name]),
    ]


def test_stray_values_missing_values_and_repeated_flags(home: Home) -> None:
    """Each is a problem of its own."""
    line = "--lnd.dir .lnd readonly.macaroon --lnd.dir=b --log.level --log.format=json --log.format=json"
    assert problems_of(line) == [
        Problem("readonly.macaroon", "is neither a flag nor the value of one.", WORDS),
        Problem("--lnd.dir", "is given twice.", "Give it once. Several nodes go into a file: --config.file"),
        Problem("--log.level", "has no value.", "Write --log.level=LEVEL"),
        Problem("--log.format", "is given twice.", "Give it once."),
    ]


def test_flag_without_dashes() -> None:
    """The word is the name of a flag."""
    stray = "is neither a flag nor the value of one."
    assert problems_of("log.level=debug connect") == [
        Problem("log.level", stray, "Did you mean --log.level?"),
        Problem("connect", stray, "Did you mean --connect?"),
    ]


@pytest.mark.parametrize("word", ["HASH", "NODE", "FILE", "SHELL"])
def test_placeholder_copied_from_a_page(word: str) -> None:
    """The message names the word, as it does any other."""
    assert str(ConfigError(problems_of(f"--log.level=debug {word}"))) == (
        f"1 problem with the configuration\n\n  {word}\n      is neither a flag nor the value of one.\n      {WORDS}\n"
    )


def test_command_after_the_flags() -> None:
    """The command comes first."""
    fix = "A command comes before its flags: lnd-payments-exporter demo --flag=value"
    assert problems_of("--log.level=debug demo") == [Problem("demo", "is neither a flag nor the value of one.", fix)]


@pytest.mark.parametrize("line", ["--older-than -10m", "--older-than=-10m"])
def test_value_that_begins_with_a_dash(line: str) -> None:
    """It belongs to the flag before it, and isn't parsed as a flag."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), {}, "open")
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("--older-than", "'-10m' is not a duration.")


def test_unknown_flag_hides_that_no_node_is_given() -> None:
    """A mistyped flag suppresses the advice on how to begin."""
    assert problems_of("-v") == [Problem("-v", "Unknown flag.", SEE_HELP)]
    assert problems_of("--log.level=debug --frobnicate=yes") == [Problem("--frobnicate", "Unknown flag.", SEE_HELP)]


def test_unknown_variables(home: Home) -> None:
    """A typo in the environment gets the same help as one in a flag."""
    assert problems_of("--lnd.dir=.lnd", LND_MACARON=str(home.macaroon("readonly")), TRACING="on") == [
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
    """A port that a person wrote is a number; that of Kubernetes is a URL, and ignored."""
    [problem, *_] = problems_of("--lnd.dir=.lnd", **{name: text})
    ours = "LND_PAYMENTS_EXPORTER_"
    assert problem == Problem(ours + name, "Unknown setting.", f"Did you mean {ours}{meant}?")


def test_missing_parts_of_a_node(home: Home) -> None:
    """Without lnd's directory it needs three; a network has no effect then."""
    network = "Add lnd's directory, or leave the network out: the macaroon already belongs to one."
    assert problems_of("--lnd.network=mainnet") == [
        *(Problem(SETTINGS[name].flag, *MISSING[name]) for name in ("lnd.address", "lnd.tls-cert", "lnd.macaroon")),
        Problem("--lnd.network", "selects a network in --lnd.dir, which is not given.", network),
    ]


def test_demo_refuses_a_node() -> None:
    """It would be ignored."""
    with pytest.raises(ConfigError) as caught:
        load(["--lnd.dir=.lnd"], {}, "demo")
    fix = "For a real node leave out the word demo."
    assert caught.value.problems == (Problem("--lnd.dir", "is not for the demo, which brings its own node.", fix),)


@given(st.lists(st.text(max_size=30), max_size=6), st.dictionaries(st.sampled_from(list(SETTINGS)), st.text()))
def test_any_arguments_and_variables(argv: list[str], settings: dict[str, str]) -> None:
    """Result in a configuration or in a `ConfigError`, in no other exception."""
    environ = {SETTINGS[name].variable: text for name, text in settings.items()}
    with suppress(ConfigError):
        load(argv, environ)


@given(st.text())
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    """Results in a `ConfigError`, in no other exception."""
    path = Path(tmp_path_factory.getbasetemp()) / "any.yml"
    path.write_text(content, encoding="utf-8", errors="ignore")
    with pytest.raises(ConfigError):
        load(["--config.file", str(path)], {})
