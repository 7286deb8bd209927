"""The command `ended`: which payments it lists, its table, and its lines of JSON with their description."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.config import ConfigError, Problem, load
from exporter.listing.ended_lines import json_lines
from exporter.listing.ended_table import print_table
from exporter.payments.ended import RunOutcome
from exporter.payments.labels import Cause, Code, FailureSource, Kind, Lost, Reason
from exporter.payments.totals import Counter
from exporter.store import Store
from tests.ended_law import between, grown, on_disk
from tests.listing.ended_scene import DESTINATION, ROUTER, alice, report
from tests.listing.scene import OTHER_PEER, account, encoded
from tests.payments.build import PEER, T0

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "ended.md").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file that an exporter which has stopped has written."""
    return tmp_path / "state.sqlite"


def write(path: Path, length: int = 100) -> None:
    """Write the state of alice, and of bob, who has no payment."""
    store = Store(path, ended_length=length)
    store.save(encoded(alice(length), account("bob", [500])))
    store.close()


def printed(path: Path, **options: Any) -> str:
    """Return the table as it is printed in a pipe."""
    stream = io.StringIO()
    print_table(report(path, **options), Console(file=stream))
    return stream.getvalue()


def lines(path: Path, **options: Any) -> list[dict[str, Any]]:
    """Return the lines of JSON."""
    texts = [*json_lines(report(path, **options))]
    assert all(text.isascii() for text in texts)
    return [json.loads(text) for text in texts]


def hashes(path: Path, **options: Any) -> list[str]:
    """Return the first two digits of each hash that is listed."""
    return [line["payment_hash"][:2] for line in lines(path, **options)]


async def test_table(path: Path) -> None:
    """Some lines for each payment; what isn't known is `?`, what there isn't is `-`. `UPDATE_GOLDEN=1` writes it."""
    write(path)
    golden = Path(__file__).parent / "ended_table.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(printed(path), encoding="utf-8")
    assert printed(path) == golden.read_text(encoding="utf-8")


async def test_terminal_gets_colours(path: Path) -> None:
    """Failures are red, what succeeded late is magenta."""
    write(path)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="standard", width=80)
    print_table(report(path, node="alice"), console)
    coloured = [line for line in stream.getvalue().splitlines() if re.match(r"\x1b\[3[15]m", line)]
    assert [line[:5] for line in coloured] == ["\x1b[35m", "\x1b[31m", "\x1b[31m"]


async def test_filters(path: Path) -> None:
    """Each by itself, and together: a payment must match all."""
    write(path)
    assert hashes(path) == ["a6", "a5", "a4", "a3", "a2", "a1"]
    assert hashes(path, failed=True) == ["a4", "a3"]
    assert hashes(path, late=True) == ["a5"]
    assert hashes(path, kinds=("keysend",)) == ["a5"]
    assert hashes(path, min_sat=1000) == hashes(path)
    assert hashes(path, min_sat=1001) == []
    assert hashes(path, peer="caf") == ["a6", "a5", "a2", "a1"], "part of an alias"
    assert hashes(path, peer=OTHER_PEER[:4]) == hashes(path, peer=OTHER_PEER) == ["a4"]
    assert hashes(path, peer=OTHER_PEER[:3]) == [], "too short for a key"
    assert hashes(path, peer=DESTINATION) == [], "not a first hop"
    assert hashes(path, limit=2) == ["a6", "a5"]
    assert hashes(path, failed=True, min_sat=1001) == []
    assert hashes(path, node="bob") == []
    assert [hashes(path, since_s=seconds) for seconds in (20, 21, 108, 109)] == [[], ["a6"], ["a6"], ["a6", "a5"]]


@pytest.mark.parametrize(
    ("flags", "listed"),
    [
        ("--failed", "a4 a3"),
        ("--late", "a5"),
        ("--lost", "a6"),
        ("--failed --late", "a5 a4 a3"),
        ("--failed --late --lost", "a6 a5 a4 a3"),
        ("--cause=no_route,caller", "a3"),
        ("--cause=held,deleted", "a6 a4"),
        ("--reason=timeout", "a5 a4"),
        ("--reason=none", ""),
        ("--failed --cause=held", "a4"),
        ("--failed --late --cause=no_route", "a5 a3"),
        ("--lost --cause=deleted", "a6"),
        ("--lost --cause=held", ""),
        ("--failed --reason=timeout", "a4"),
        ("--late --reason=timeout", "a5"),
        ("--late --reason=error", ""),
        ("--failed --lost --reason=timeout", "a6 a4"),
        ("--cause=held --reason=timeout", "a4"),
        ("--cause=held --reason=no_route", ""),
    ],
)
async def test_outcomes_causes_and_reasons(path: Path, flags: str, listed: str) -> None:
    """A cause and a reason select among the payments that have one, of the outcomes that are named."""
    write(path)
    ended = load(flags.split(), {}, "ended").ended
    options = {"failed": ended.failed, "late": ended.late, "lost": ended.lost}
    assert " ".join(hashes(path, **options, causes=ended.causes, reasons=ended.reasons)) == listed


def test_combinations_of_filters_are_documented() -> None:
    """Each row of the table in the documentation is one that the command accepts."""
    table = DOCUMENTED.partition("## Which filters together")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--[^`]+)` \|", table, re.MULTILINE)
    assert len(rows) >= 8
    for row in rows:
        load(row.split(), {}, "ended")


async def test_terminal_gets_lines_within_its_width(path: Path) -> None:
    """Columns that don't fit move below the row, the least important first; hashes and keys are never cut."""
    write(path)

    def on_terminal(width: int) -> list[str]:
        stream = io.StringIO()
        print_table(report(path, node="alice"), Console(file=stream, force_terminal=True, width=width, no_color=True))
        return re.sub(r"\x1b\[\d*m", "", stream.getvalue()).splitlines()

    titles = {
        110: "  when (UTC)             sat    fee  kind     outcome         cause     reason    attempts  duration",
        99: "  when (UTC)             sat    fee  kind     outcome         cause     reason    duration",
        80: "  when (UTC)             sat    fee  kind     outcome         cause     reason",
        74: "  when (UTC)             sat    fee  kind     outcome         cause",
    }
    for width, title in titles.items():
        lines = on_terminal(width)
        assert [line for line in lines if cell_len(line) > width] == []
        assert title in lines
        words = " ".join(lines).split()
        assert {"a4" * 32, OTHER_PEER, DESTINATION, ROUTER} <= {*words}
        assert words.count("duration") + words.count("attempts") >= 2
    lines = on_terminal(75)
    start = lines.index("a4" * 32)
    assert lines[start : start + 8] == [
        "a4" * 32,
        "  2026-05-28 20:31:41  1,000      -  other    failed          held",
        "    reason timeout, duration 2.0s, attempts 1",
        f"    via {OTHER_PEER}",
        f"    to {DESTINATION}",
        "    last failure: temporary_channel_failure on the way, by",
        f"      {ROUTER}",
        "    ended 3m 19s before it was counted",
    ]


async def test_what_is_listed_is_what_the_counters_grew_by(path: Path) -> None:
    """Exactly; every counter that entries can tell of has grown, except those of ends that were not seen live."""
    store = Store(path)
    first = alice()
    store.save(encoded(first))
    before, _ = first.ledger.share()
    entries = on_disk(path, "alice")
    assert grown(entries) == between({}, before)
    assert [counter for counter, tally in grown(entries).items() if not tally] == [
        Counter.RECOVERED,
        Counter.ATTEMPTS_INCOMPLETE,
    ]
    store.close()


async def test_list_that_does_not_reach_back(path: Path) -> None:
    """It is said how many are missing, unless the time that was asked for is younger."""
    write(path, length=2)
    whole = printed(path, node="alice").splitlines()
    assert whole[0] == "alice: 2 payments ended (1 succeeded, 1 lost), newest first"
    assert whole[2] == (
        "The list begins at 2026-05-28 20:33:21 UTC, 1m 49s ago, after 4 payments counted before (see --storage.ended)."
    )
    assert not [line for line in printed(path, node="alice", since_s=60).splitlines() if "list" in line]
    assert [line for line in printed(path, node="alice", since_s=110).splitlines() if "list" in line] == whole[2:3]


async def test_empty_lists(path: Path) -> None:
    """Of a node without payments, of an exporter that keeps none, and without nodes."""
    write(path, length=0)
    assert printed(path, since_s=3600).splitlines() == [
        "alice: no such payment ended in the last 1h",
        "The exporter is not running. This is the state at 2026-05-28 20:35:00 UTC, 10s ago.",
        "The list is empty: it has none of the 6 payments counted so far (see --storage.ended).",
        "",
        "bob: no such payment ended in the last 1h",
        "The exporter is not running. This is the state at 2026-05-28 20:35:00 UTC, 10s ago.",
    ]
    Store(path.with_name("new.sqlite")).close()
    assert printed(path.with_name("new.sqlite")) == "The state file contains no nodes yet.\n"
    assert lines(path.with_name("new.sqlite")) == []


async def test_limit_of_a_table(path: Path) -> None:
    """How many more there are is said at its end; the first line counts them all."""
    write(path)
    found = printed(path, node="alice", limit=1).splitlines()
    assert found[0] == "alice: 6 payments ended (3 succeeded, 2 failed, 1 lost), newest first"
    assert found[-1] == "and 5 older: --limit=0 shows all"


async def test_headline(path: Path) -> None:
    """It names the outcome if all have the same."""
    write(path)
    options: dict[str, dict[str, Any]] = {
        "alice: 2 payments failed, newest first": {"failed": True},
        "alice: 1 payment was lost": {"lost": True},
        "alice: 1 payment succeeded in the last 2m": {"since_s": 120, "late": True},
        "alice: 3 payments ended (1 succeeded, 2 failed), newest first": {"failed": True, "late": True},
        "alice: no such payment ended": {"min_sat": 1001},
    }
    for headline, chosen in options.items():
        assert printed(path, node="alice", **chosen).splitlines()[0] == headline


async def test_lines_of_several_nodes_are_in_one_order(tmp_path: Path) -> None:
    """By the time at which they were counted."""
    store, bob = Store(tmp_path / "state.sqlite"), alice()
    bob.name = "bob"
    store.save(encoded(alice(), bob))
    store.close()
    found = [(line["node"], line["payment_hash"][:2]) for line in lines(tmp_path / "state.sqlite", limit=2)]
    assert found == [("alice", "a6"), ("bob", "a6"), ("alice", "a5"), ("bob", "a5")]


async def test_whole_line(path: Path) -> None:
    """Of a payment that failed; an unknown value is null."""
    write(path)
    assert lines(path, reasons=("timeout",), failed=True) == [
        {
            "node": "alice",
            "number": 4,
            "counted_timestamp_seconds": T0 // 10**9 + 301,
            "ended_timestamp_seconds": T0 // 10**9 + 102,
            "payment_hash": "a4" * 32,
            "created_timestamp_seconds": T0 // 10**9 + 100,
            "amount_msat": 1_000_000,
            "fee_msat": 0,
            "kind": "other",
            "outcome": "failed",
            "late": False,
            "reason": "timeout",
            "cause": "held",
            "parts": 0,
            "attempts": 1,
            "duration_seconds": 2,
            "recovered": False,
            "first_hops": [{"pubkey": OTHER_PEER, "alias": None}],
            "failure_code": "temporary_channel_failure",
            "failure_source": "intermediate",
            "failed_by": ROUTER,
            "destination": DESTINATION,
        }
    ]
    (late,) = lines(path, late=True)
    assert late["first_hops"] == [{"pubkey": PEER, "alias": "café\x1b[2J 🐙"}]
    (lost,) = lines(path, since_s=30)
    unknown = {name for name, value in lost.items() if value is None}
    assert unknown == {
        "ended_timestamp_seconds", "reason", "attempts", "duration_seconds", "failure_code", "failure_source",
        "failed_by", "destination",
    }  # fmt: skip


async def test_every_field_is_documented(path: Path) -> None:
    """In the order of the line, with all values of closed sets."""
    write(path)
    rows = re.findall(r"^\| `([a-z_.\[\]]+)` \| (.*) \|$", DOCUMENTED, re.MULTILINE)
    line = lines(path, limit=1)[0]
    expected = [name for name in line if name != "first_hops"]
    place = [*line].index("first_hops")
    expected[place:place] = ["first_hops[].pubkey", "first_hops[].alias"]
    assert [name for name, _ in rows] == expected
    values = {name: re.findall(r"`(\w+)`", text) for name, text in rows}
    assert values["outcome"] == [*map(str, RunOutcome)]
    assert values["kind"] == [*map(str, Kind)]
    assert values["reason"] == [str(reason) for reason in Reason if reason is not Reason.NONE]
    assert values["failure_source"] == [*map(str, FailureSource)]
    assert {*values["cause"]} == {*map(str, Cause), *map(str, Lost)}
    assert Code.TEMPORARY_CHANNEL_FAILURE in values["failure_code"]


def test_wrong_file_and_unknown_node(tmp_path: Path, path: Path) -> None:
    """The command in the advice is this one."""
    with pytest.raises(ConfigError) as caught:
        report(tmp_path / "nowhere")
    (problem,) = caught.value.problems
    assert problem.what == f"{tmp_path / 'nowhere'} does not exist."
    assert "lnd-payments-exporter ended" in problem.fix
    Store(path).close()
    with pytest.raises(ConfigError) as caught:
        report(path, node="carol")
    assert caught.value.problems == (
        Problem("--lnd.name", "the state file has no node carol.", f"{path} has no nodes yet."),
    )
