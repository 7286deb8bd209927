"""The table, on a terminal and in a pipe."""

import io
import json
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from exporter.checkpoint import Checkpoint
from exporter.listing.document import to_json
from exporter.listing.report import read_report
from exporter.listing.table import print_table
from exporter.payments.labels import Mode
from exporter.store import Store
from tests.listing.scene import OTHER_PEER, account, alice, config, encoded, read_ns

RUNNING = f"""\
alice: 5 payments in flight, oldest first
     age            sat  HTLCs  blocks left  status             first hop
{"a1" * 32}
   2d 3h          1,000      3           30  in flight          2x café�[2J 🐙
                                                                {OTHER_PEER}
{"a2" * 32}
   1h 8m          1,000      1          144  given up: timeout  café�[2J 🐙
{"a3" * 32}
  8m 30s          1,000      0            -  in flight          -
{"a4" * 32}
     45s  1,234,567.891      0            -  initiated          -
{"a5" * 32}
     11s          1,000      0            -  failed             -

bob: 1 payment in flight
The node is not followed: lnd doesn't answer. This is the state at 2026-05-28 20:30:00 UTC, 5m 10s ago.
  age    sat  HTLCs  blocks left  status     first hop
{"b1" * 32}
   1d  1,000      1          ~-2  in flight  café�[2J 🐙
"""


def printed(path: Path, *, later_s: float = 0, older_than_s: int = 0, width: int | None = None) -> str:
    """Return what is printed in a pipe, or on a terminal of this width."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=width is not None, no_color=True, width=width)
    print_table(read_report(config(path, older_than_s=older_than_s), read_ns(later_s)), console)
    return stream.getvalue()


async def test_pipe_gets_the_whole_table(store: Store) -> None:
    """However wide it is; control characters in an alias are replaced."""
    assert printed(store.path) == RUNNING


async def test_terminal_gets_lines_cut_to_its_width(store: Store) -> None:
    """A hash is never cut."""
    for width in (80, 66):
        lines = printed(store.path, width=width).replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")
        table = lines.splitlines()
        assert [line for line in table if cell_len(line) > max(width, 76)] == []
        assert "The node is not followed: lnd doesn't answer. This is the state at" in " ".join(lines.split())
        assert "a1" * 32 in table
        assert "�[2J" in lines
        assert OTHER_PEER not in lines
        assert f"{OTHER_PEER[:11]}" in lines


async def test_htlcs_on_no_channel(tmp_path: Path) -> None:
    """How many of a payment's HTLCs; not those that have ended since the channels were listed. They are red."""
    made = alice()
    for run in made.tracker.open.values():
        run.ghosts = frozenset((1, 3, 4, 5))
    store = Store(tmp_path / "state.sqlite")
    store.save(encoded(made))
    found = read_report(config(store.path), read_ns())
    assert [payment["ghost_htlcs"] for payment in json.loads(to_json(found))["payments"]] == [2, 1, 0, 0, 0]
    lines = printed(store.path).splitlines()
    assert "  in flight, 2 on no channel  " in lines[3]
    assert "  given up: timeout, 1 on no channel  " in lines[6]
    assert not [line for line in lines[7:] if "no channel" in line]
    stream = io.StringIO()
    print_table(found, Console(file=stream, force_terminal=True, color_system="standard"))
    assert next(line for line in stream.getvalue().splitlines() if "given up" in line).startswith("\x1b[31m")
    store.close()


async def test_few_blocks_left_are_coloured(store: Store) -> None:
    """Red below 36 blocks and after the expiry; 144 blocks are not coloured."""
    stream = io.StringIO()
    print_table(
        read_report(config(store.path), read_ns()), Console(file=stream, force_terminal=True, color_system="standard")
    )
    lines = stream.getvalue().splitlines()
    assert [line[:5] for line in lines if " 30 " in line or "~-2" in line] == ["\x1b[31m", "\x1b[31m"]
    assert not any(line.startswith("\x1b[3") for line in lines if " 144 " in line)


async def test_stopped_exporter_is_named_above_the_table(stopped: Path) -> None:
    """With the time of the state; the blocks left are estimated for now."""
    lines = printed(stopped, later_s=7200).splitlines()
    assert [line for line in lines if line.startswith("The")] == [
        "The exporter is not running. This is the state at 2026-05-28 20:35:00 UTC, 2h ago.",
        "The exporter is not running. This is the state at 2026-05-28 20:30:00 UTC, 2h 5m ago.",
    ]
    assert "  2d 5h          1,000      3          ~18  in flight          2x café" in lines[4]


async def test_stale_state_of_a_running_exporter(store: Store) -> None:
    """As a full disk causes it."""
    lines = printed(store.path, later_s=3600).splitlines()
    assert lines[1] == ("The state of this node was last written at 2026-05-28 20:35:00 UTC, 1h ago: is the disk full?")


async def test_node_that_is_not_configured_any_more(stopped: Path) -> None:
    """Its payments stay in the state file, but it doesn't count as followed, from the first write on."""
    store = Store(stopped)
    saved, resumed = store.load("alice"), account("alice", [500])
    assert saved is not None
    resumed.resume(saved)
    await Checkpoint([resumed], store).durable_page()
    lines = printed(stopped).splitlines()
    reason = "The node is not followed: it is not in the exporter's configuration."
    when = "This is the state at 2026-05-28 20:30:00 UTC, 5m 10s ago."
    assert [line for line in lines if line.startswith("The")] == [f"{reason} {when}"]
    assert lines[lines.index(f"{reason} {when}") - 1] == "bob: 1 payment in flight"
    store.close()


async def test_final_updates_only_is_named_above_the_table(tmp_path: Path) -> None:
    """In this mode payments in flight are listed once a minute."""
    store, node = Store(tmp_path / "state.sqlite"), alice()
    node.set_status(mode=Mode.FINAL)
    store.save(encoded(node))
    assert printed(store.path).splitlines()[1] == "Payments are listed once a minute (--lnd.final-updates-only)."
    store.close()


async def test_nothing_in_flight(tmp_path: Path, store: Store) -> None:
    """Each node says so; so does a state file without nodes."""
    assert printed(store.path, older_than_s=3 * 86_400) == (
        "alice: nothing in flight for 3d or longer\n\n"
        "bob: nothing in flight for 3d or longer\n"
        "The node is not followed: lnd doesn't answer. This is the state at 2026-05-28 20:30:00 UTC, 5m 10s ago.\n"
    )
    Store(tmp_path / "new.sqlite").close()
    assert printed(tmp_path / "new.sqlite") == "The state file contains no nodes yet.\n"
