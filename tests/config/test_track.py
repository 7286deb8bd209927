"""What the command `track` is told: which payment, which node, and how to show it."""

import base64

import pytest

from exporter.config import ConfigError, TrackConfig, load
from exporter.config.problems import Problem
from tests.config.conftest import Home

HASH = "fbefbe" + "5c" * 29
"""In base64 it begins with what is a plus in one alphabet and a dash in the other."""
STANDARD = base64.b64encode(bytes.fromhex(HASH)).decode()
FOR_URLS = base64.urlsafe_b64encode(bytes.fromhex(HASH)).decode()
SEVERAL = "nodes: [{name: a, dir: .lnd}, {name: b, dir: /nowhere}]\n"


def refused(line: str) -> list[Problem]:
    """What is wrong with a command line."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), {}, "track")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "text", [HASH, HASH.upper(), STANDARD, STANDARD.rstrip("="), FOR_URLS, FOR_URLS.rstrip("="), "--" + "A" * 41]
)
def test_every_spelling_of_a_hash(home: Home, text: str) -> None:
    """Hex as lncli shows it, base64 as REST does; before the flags and behind them, also where it looks like one."""
    meant = base64.urlsafe_b64decode(text + "=").hex() if text.startswith("--") else HASH
    for words in ([text, "--lnd.dir=.lnd"], ["--lnd.dir", ".lnd", "--json", text]):
        assert load(words, {}, "track").track.payment_hash == meant


def test_all_that_can_be_said(home: Home) -> None:
    """In flags; the node is the exporter's own."""
    assert load([HASH, "--lnd.dir=.lnd"], {}, "track").track == TrackConfig(HASH)
    line = f"{HASH} --lnd.dir=.lnd --lnd.name=alice --json --no-inflight --show-secrets"
    config = load(line.split(), {}, "track")
    assert config.track == TrackConfig(HASH, json=True, inflight=False, secrets=True)
    assert [node.name for node in config.nodes] == ["alice"]
    assert config.storage.path is None


def test_where_an_exporter_runs(home: Home) -> None:
    """Its environment is enough."""
    environ = {"LND_PAYMENTS_EXPORTER_LND_DIR": ".lnd", "LND_PAYMENTS_EXPORTER_STORAGE_PATH": "/kept/state"}
    assert len(load([HASH], environ, "track").nodes) == 1


def test_the_name_of_the_node(home: Home) -> None:
    """It stands before what is said of it, if somebody gave it one."""
    prefaces = [
        load([HASH, "--lnd.dir=.lnd", *flags], {}, "track").nodes[0].preface for flags in ((), ("--lnd.name=alice",))
    ]
    assert prefaces == ["", "alice: "]


def test_without_a_node(home: Home) -> None:
    """How this command is given one, not how an exporter is started."""
    (problem,) = refused(HASH)
    assert problem.what == "No node is given."
    first, *lines = problem.fix.splitlines()
    assert "its flags, its environment or its file" in first
    commands = [line.partition(":")[2].strip() for line in lines]
    assert commands[0] == "lnd-payments-exporter track HASH --lnd.dir ~/.lnd"
    assert all(command.startswith("lnd-payments-exporter track HASH --") for command in commands)
    assert "demo" not in problem.fix
    assert refused(f"{HASH} --jsn") == [Problem("--jsn", "Unknown flag.", "Did you mean --json?")]


def test_one_of_several_nodes(home: Home) -> None:
    """The one that is named; the others may be unusable. An only one needs no name."""
    home.write("several.yml", SEVERAL)
    home.write("one.yml", "nodes: [{name: c, dir: .lnd}]\n")
    assert [n.name for n in load([HASH, "--config.file=several.yml", "--lnd.name=a"], {}, "track").nodes] == ["a"]
    assert [n.name for n in load([HASH, "--config.file=one.yml"], {}, "track").nodes] == ["c"]


def test_none_of_several_nodes(home: Home) -> None:
    """What may be named is said."""
    home.write("several.yml", SEVERAL)
    which = "The file lists several nodes: which one is to be asked?"
    assert refused(f"{HASH} --config.file=several.yml") == [Problem("--lnd.name", which, "Add one of a, b.")]
    other = Problem("--lnd.name", "x is not in the list.", "The list has a, b.")
    assert refused(f"{HASH} --config.file=several.yml --lnd.name=x") == [other]


@pytest.mark.parametrize("text", ["xyz", HASH[:-1] + "g", STANDARD[:-4], "+-" + "A" * 41])
def test_no_hash(home: Home, text: str) -> None:
    """What is wrong, and what would be right."""
    fix = "Give 64 hex digits, as lncli shows them (`lncli decodepayreq` for a payment request), or base64."
    assert refused(f"{text} --lnd.dir=.lnd") == [Problem("HASH", f"{text!r} is not a payment hash.", fix)]


@pytest.mark.parametrize(
    ("text", "digits"), [("a", "1 hex digit"), (HASH[1:], "63 hex digits"), ("A" * 43, "43 hex digits")]
)
def test_not_all_of_a_hash(home: Home, text: str, digits: str) -> None:
    """How much of it there is."""
    fix = "Copy it whole, as lncli and `open` show it."
    assert refused(f"{text} --lnd.dir=.lnd") == [Problem("HASH", f"{text!r} has {digits}; a hash has 64.", fix)]


@pytest.mark.parametrize("prefix", ["lnbc2500u1", "lntb1", "LNBCRT10U1", "lightning:lnbc1", "lntbs1"])
def test_a_payment_request_instead_of_a_hash(home: Home, prefix: str) -> None:
    """It is not repeated, however short; where the hash is found is said."""
    for rest in ("pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqf", "p5"):
        with pytest.raises(ConfigError) as caught:
            load([prefix + rest, "--lnd.dir=.lnd"], {}, "track")
        assert str(caught.value) == (
            "This is a payment request, not a payment hash. `lncli decodepayreq` shows its hash.\n"
        )


def test_no_payment_or_two(home: Home) -> None:
    """One at a time."""
    fix = "Write: lnd-payments-exporter track HASH; lnd-payments-exporter open shows those in flight."
    assert refused("--lnd.dir=.lnd") == [Problem("HASH", "The hash of a payment is missing.", fix)]
    two = Problem("HASH", "'cd' is one argument too many.", "One payment at a time: track HASH")
    assert refused(f"{HASH} cd --lnd.dir=.lnd") == [two]


def test_a_hash_where_none_is_wanted(home: Home) -> None:
    """What was probably meant."""
    with pytest.raises(ConfigError) as caught:
        load([HASH], {}, "open")
    (problem,) = caught.value.problems
    assert problem == Problem(
        HASH, "is neither a flag nor the value of one.", f"Did you mean: lnd-payments-exporter track {HASH}"
    )


def test_flags_of_other_commands(home: Home) -> None:
    """What `open` only understands, and what `open` doesn't."""
    (problem,) = refused(f"{HASH} --lnd.dir=.lnd --older-than=1h")
    assert problem.what == "is for the command open."
    with pytest.raises(ConfigError) as caught:
        load(["--show-secrets"], {}, "open")
    fix = "Leave it out, or write: lnd-payments-exporter track HASH --show-secrets"
    assert caught.value.problems == (Problem("--show-secrets", "is for the command track.", fix),)


def test_one_wrong_hash_is_one_line(home: Home) -> None:
    """Who has mistyped nothing else need not be told of the configuration."""
    with pytest.raises(ConfigError) as caught:
        load(["xyz", "--lnd.dir=.lnd"], {}, "track")
    assert str(caught.value) == (
        "'xyz' is not a payment hash. Give 64 hex digits, as lncli shows them (`lncli decodepayreq` for a payment request),"
        " or base64.\n"
    )
