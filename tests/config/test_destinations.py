"""`destinations:` in the YAML file: groups of recipients, and every mistake with its line."""

from textwrap import dedent

import pytest

from exporter.config import load
from exporter.config.destinations import _FIX_KEY, _FIX_NAME, MAX_GROUPS, MAX_KEYS
from exporter.config.problems import Problem
from exporter.summary import summarise
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

A, B, C = "02" + "aa" * 32, "03" + "bb" * 32, "02" + "cc" * 32
FILE = "--lnd.dir=.lnd --config.file=exporter.yml"
EXAMPLE = "destinations:\n  exchange-a: [02ab..., 03cd...]"


def test_groups(home: Home) -> None:
    """A list of keys or a single one, in lower or upper case; the names are kept as they are."""
    home.write(
        "exporter.yml",
        dedent(f"""\
            destinations:
              exchange-a: [{A}, {B.upper()}]
              Swap_1.5:
                {C}
        """),
    )
    config = config_of(FILE)
    assert config.destinations == {A: "exchange-a", B: "exchange-a", C: "Swap_1.5"}
    assert "  destinations exchange-a (2 keys), Swap_1.5 (1 key)" in [*summarise(config, [])]


def test_a_key_of_digits_is_text(home: Home) -> None:
    """YAML would take it for a number."""
    home.write("exporter.yml", f"destinations: {{digits: [{'02' + '1' * 64}, {'03' + '0' * 64}]}}\n")
    assert [*config_of(FILE).destinations] == ["02" + "1" * 64, "03" + "0" * 64]


@pytest.mark.parametrize("content", ["", "destinations:\n", "destinations: {}\n"])
def test_none(home: Home, content: str) -> None:
    """Nothing is counted by destination, and `check` doesn't speak of it."""
    home.write("exporter.yml", content)
    config = config_of(FILE)
    assert config.destinations == {}
    assert not any(line.startswith("  destinations") for line in summarise(config, []))


def test_beside_several_nodes(home: Home) -> None:
    """They are the same for all of them."""
    home.write("exporter.yml", f"nodes: [{{name: alice, dir: .lnd}}]\ndestinations: {{shop: {A}}}\n")
    assert config_of("--config.file=exporter.yml").destinations == {A: "shop"}


def test_demo_has_those_of_its_file(home: Home) -> None:
    """Else it has its own."""
    home.write("exporter.yml", f"destinations: {{shop: {A}}}\n")
    assert load(["--config.file=exporter.yml"], {}, "demo").destinations == {A: "shop"}


def test_mistakes(home: Home) -> None:
    """Each with its line; no key is quoted, for it may be a secret by mistake."""
    path = home.write(
        "exporter.yml",
        dedent(f"""\
            destinations:
              exchange-a:
                - {A}
                - {B}@10.0.0.1:9735
                - 04{"aa" * 32}
                - {A}
              shop: [{C}, {A.upper()}]
              "my shop": {B}
              other: {"02" + "01" * 32}
              former: {"02" + "02" * 32}
              empty: []
              void:
              deep: {{key: {A}}}
              shop: {"02" + "03" * 32}
              list:
                - [{"02" + "04" * 32}]
        """),
    )
    first, twice = "Leave it out in one place;", "is a key that is given twice."
    no_name, no_key = "can't be the name of a destination.", "is not the key of a node."
    reserved = "Choose another one: other and former are labels of the exporter's own."
    where = "destinations.exchange-a[0] is the same."
    assert problems_of(FILE) == [
        Problem(f"{path}:4 destinations.exchange-a[1]", no_key, _FIX_KEY),
        Problem(f"{path}:5 destinations.exchange-a[2]", no_key, _FIX_KEY),
        Problem(f"{path}:6 destinations.exchange-a[3]", twice, f"{first} {path}:3 {where}"),
        Problem(f"{path}:7 destinations.shop[1]", twice, f"{first} {path}:3 {where}"),
        Problem(f"{path}:8 destinations.my shop", no_name, _FIX_NAME),
        Problem(f"{path}:9 destinations.other", no_name, reserved),
        Problem(f"{path}:10 destinations.former", no_name, reserved),
        Problem(f"{path}:11 destinations.empty", "has no keys.", f"Give at least one:\n{EXAMPLE}"),
        Problem(f"{path}:12 destinations.void", "has no keys.", f"Give at least one:\n{EXAMPLE}"),
        Problem(f"{path}:13 destinations.deep[0]", no_key, _FIX_KEY),
        Problem(f"{path}:14 destinations.shop", "is given twice.", "Leave one of them out."),
        Problem(f"{path}:16 destinations.list[0]", no_key, _FIX_KEY),
    ]


@pytest.mark.parametrize("value", [f"[{A}]", "exchange-a"])
def test_not_a_section(home: Home, value: str) -> None:
    """The fix shows how it looks."""
    path = home.write("exporter.yml", f"destinations: {value}\n")
    what = "Write a line for each group:"
    assert problems_of(FILE) == [Problem(f"{path}:1 destinations", "is not a section.", f"{what}\n{EXAMPLE}")]


def test_too_many(home: Home) -> None:
    """Groups, and keys in all of them."""
    groups = "".join(f"  g{n}: 02{n:064x}\n" for n in range(MAX_GROUPS))
    home.write("exporter.yml", f"destinations:\n{groups}")
    assert len({*config_of(FILE).destinations.values()}) == MAX_GROUPS
    path = home.write("exporter.yml", f"destinations:\n{groups}  more: {A}\n")
    fix = "Use 50 at most: each adds some 36 series a node."
    assert problems_of(FILE) == [Problem(f"{path}:1 destinations", "has 51 groups.", fix)]
    keys = ", ".join(f"02{n:064x}" for n in range(MAX_KEYS))
    home.write("exporter.yml", f"destinations: {{all: [{keys}]}}\n")
    assert len(config_of(FILE).destinations) == MAX_KEYS
    home.write("exporter.yml", f"destinations: {{all: [{keys}, {A}]}}\n")
    fix = "Use 500 at most, in all groups."
    assert problems_of(FILE) == [Problem(f"{path}:1 destinations", "has 501 keys.", fix)]


@pytest.mark.parametrize(
    ("content", "where", "fix"),
    [
        (f"destination: {{shop: {A}}}\n", "1 destination", "Did you mean `destinations`?"),
        (
            f"lnd:\n  destinations: {{shop: {A}}}\n",
            "2 lnd.destinations",
            "It is a section, the same for all nodes: write `destinations:` at the beginning of a line.",
        ),
    ],
)
def test_other_places(home: Home, content: str, where: str, fix: str) -> None:
    """A name that is nearly right, or the right one elsewhere."""
    path = home.write("exporter.yml", content)
    assert problems_of(FILE) == [Problem(f"{path}:{where}", "Unknown setting.", fix)]
