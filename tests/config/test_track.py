"""Settings of the command `track`: which payment, which node, and how it is shown."""

import base64

import pytest

from exporter.config import ConfigError, TrackConfig, load
from exporter.config.problems import Problem
from tests.config.conftest import Home

HASH = "fbefbe" + "5c" * 29
"""In base64 it begins with plus signs in one alphabet, with dashes in the other."""
STANDARD = base64.b64encode(bytes.fromhex(HASH)).decode()
FOR_URLS = base64.urlsafe_b64encode(bytes.fromhex(HASH)).decode()
SEVERAL = "nodes: [{name: a, dir: .lnd}, {name: b, dir: /nowhere}]\n"


def problems_of_track(line: str) -> list[Problem]:
    """Return the problems with arguments of `track`."""
    with pytest.raises(ConfigError) as caught:
        load(line.split(), {}, "track")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "text", [HASH, HASH.upper(), STANDARD, STANDARD.rstrip("="), FOR_URLS, FOR_URLS.rstrip("="), "--" + "A" * 41]
)
def test_forms_of_a_hash(home: Home, text: str) -> None:
    """Hex as from lncli, base64 as from REST; before or after the flags, even if it looks like a flag."""
    meant = base64.urlsafe_b64decode(text + "=").hex() if text.startswith("--") else HASH
    for words in ([text, "--lnd.dir=.lnd"], ["--lnd.dir", ".lnd", "--json", text]):
        assert load(words, {}, "track").track.payment_hash == meant


def test_all_flags_of_track(home: Home) -> None:
    """The node is given as to the exporter; no state file is used."""
    assert load([HASH, "--lnd.dir=.lnd"], {}, "track").track == TrackConfig(HASH)
    line = f"{HASH} --lnd.dir=.lnd --lnd.name=alice --json --no-inflight --show-secrets"
    config = load(line.split(), {}, "track")
    assert config.track == TrackConfig(HASH, json=True, inflight=False, secrets=True)
    assert [node.name for node in config.nodes] == ["alice"]
    assert config.storage.path is None


def test_environment_of_the_exporter_is_enough(home: Home) -> None:
    """Only the hash is added."""
    environ = {"LND_PAYMENTS_EXPORTER_LND_DIR": ".lnd", "LND_PAYMENTS_EXPORTER_STORAGE_PATH": "/kept/state"}
    assert len(load([HASH], environ, "track").nodes) == 1


def test_preface_is_the_name_of_the_node(home: Home) -> None:
    """It is empty if the node has the default name."""
    prefaces = [
        load([HASH, "--lnd.dir=.lnd", *flags], {}, "track").nodes[0].preface for flags in ((), ("--lnd.name=alice",))
    ]
    assert prefaces == ["", "alice: "]


def test_no_node_is_given(home: Home) -> None:
    """The fix shows how `track` gets one, not how to start an exporter; a typo in a flag comes first."""
    (problem,) = problems_of_track(HASH)
    assert problem.what == "No node is given."
    first, *lines = problem.fix.splitlines()
    assert "its --lnd flags, its environment or its file" in first
    commands = [line.partition(":")[2].strip() for line in lines]
    assert commands[0] == "lnd-payments-exporter track HASH --lnd.dir ~/.lnd"
    assert all(command.startswith("lnd-payments-exporter track HASH --") for command in commands)
    assert "demo" not in problem.fix
    assert problems_of_track(f"{HASH} --jsn") == [Problem("--jsn", "Unknown flag.", "Did you mean --json?")]


def test_name_selects_one_of_several_nodes(home: Home) -> None:
    """The others may be unusable. A single one needs no name."""
    home.write("several.yml", SEVERAL)
    home.write("one.yml", "nodes: [{name: c, dir: .lnd}]\n")
    assert [n.name for n in load([HASH, "--config.file=several.yml", "--lnd.name=a"], {}, "track").nodes] == ["a"]
    assert [n.name for n in load([HASH, "--config.file=one.yml"], {}, "track").nodes] == ["c"]


def test_several_nodes_need_a_name(home: Home) -> None:
    """The message lists the names."""
    home.write("several.yml", SEVERAL)
    which = "The file lists several nodes: which one is to be asked?"
    assert problems_of_track(f"{HASH} --config.file=several.yml") == [Problem("--lnd.name", which, "Add one of a, b.")]
    other = Problem("--lnd.name", "x is not in the list.", "The list has a, b.")
    assert problems_of_track(f"{HASH} --config.file=several.yml --lnd.name=x") == [other]


@pytest.mark.parametrize("text", ["xyz", HASH[:-1] + "g", STANDARD[:-4], "+-" + "A" * 41])
def test_invalid_hash(home: Home, text: str) -> None:
    """The fix describes both forms."""
    fix = "Give 64 hex digits, as lncli shows them (`lncli decodepayreq` for a payment request), or base64."
    assert problems_of_track(f"{text} --lnd.dir=.lnd") == [Problem("HASH", f"{text!r} is not a payment hash.", fix)]


@pytest.mark.parametrize(
    ("text", "digits"), [("a", "1 hex digit"), (HASH[1:], "63 hex digits"), ("A" * 43, "43 hex digits")]
)
def test_hash_of_wrong_length(home: Home, text: str, digits: str) -> None:
    """The message counts the digits, also if the text could be base64."""
    fix = "Copy it whole, as lncli and `open` show it."
    assert problems_of_track(f"{text} --lnd.dir=.lnd") == [
        Problem("HASH", f"{text!r} has {digits}; a hash has 64.", fix)
    ]


@pytest.mark.parametrize("prefix", ["lnbc2500u1", "lntb1", "LNBCRT10U1", "lightning:lnbc1", "lntbs1"])
def test_payment_request_instead_of_a_hash(home: Home, prefix: str) -> None:
    """It is a secret and not repeated, however short; the message says how to get its hash."""
    for rest in ("pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqf", "p5"):
        with pytest.raises(ConfigError) as caught:
            load([prefix + rest, "--lnd.dir=.lnd"], {}, "track")
        assert str(caught.value) == (
            "This is a payment request, not a payment hash. `lncli decodepayreq` shows its hash.\n"
        )


def test_exactly_one_hash_is_needed(home: Home) -> None:
    """None or two are problems."""
    fix = "Write: lnd-payments-exporter track HASH; `open` lists the payments in flight, `ended` those that ended."
    assert problems_of_track("--lnd.dir=.lnd") == [Problem("HASH", "The hash of a payment is missing.", fix)]
    two = Problem("HASH", "'cd' is one argument too many.", "One payment at a time: one HASH.")
    assert problems_of_track(f"{HASH} cd --lnd.dir=.lnd") == [two]


def test_hash_with_another_command(home: Home) -> None:
    """The fix is the command `track`."""
    with pytest.raises(ConfigError) as caught:
        load([HASH], {}, "open")
    (problem,) = caught.value.problems
    assert problem == Problem(
        HASH, "is neither a flag nor the value of one.", f"Did you mean: lnd-payments-exporter track {HASH}"
    )


def test_flags_of_other_commands(home: Home) -> None:
    """One of `open` for `track`, and one of `track` for `open`."""
    (problem,) = problems_of_track(f"{HASH} --lnd.dir=.lnd --older-than=1h")
    assert problem.what == "is for the command open."
    with pytest.raises(ConfigError) as caught:
        load(["--show-secrets"], {}, "open")
    fix = "Leave it out, or write: lnd-payments-exporter track HASH --show-secrets"
    assert caught.value.problems == (Problem("--show-secrets", "is for the command track.", fix),)


def test_only_the_hash_is_wrong(home: Home) -> None:
    """The message is one line, without a heading about the configuration."""
    with pytest.raises(ConfigError) as caught:
        load(["xyz", "--lnd.dir=.lnd"], {}, "track")
    assert str(caught.value) == (
        "'xyz' is not a payment hash."
        " Give 64 hex digits, as lncli shows them (`lncli decodepayreq` for a payment request), or base64.\n"
    )
