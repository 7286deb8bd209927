"""The table: what a person sees at 3 a.m., on a terminal of 80 columns or in a pipe."""

import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.checkpoint import Checkpoint
from exporter.listing import report
from exporter.listing.table import show, spoken
from exporter.payments.labels import Mode
from exporter.store import Store
from tests.listing.scene import OTHER_PEER, account, alice, config, frozen, looked_ns

RUNNING = f"""\
alice: 5 payments in flight, the oldest first
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
The node is not followed: lnd doesn't answer. This was so at 2026-05-28 20:30:00 UTC, 5m 10s ago.
  age    sat  HTLCs  blocks left  status     first hop
{"b1" * 32}
   1d  1,000      1          ~-2  in flight  café�[2J 🐙
"""


def shown(path: Path, *, later_s: float = 0, older_than_s: int = 0, width: int | None = None) -> str:
    """What is printed: in a pipe, or on a terminal of this width."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=width is not None, no_color=True, width=width)
    show(report(config(path, older_than_s=older_than_s), looked_ns(later_s)), console)
    return stream.getvalue()


async def test_in_a_pipe(store: Store) -> None:
    """Whole, however long; nothing that a peer calls itself does anything to a terminal."""
    assert shown(store.path) == RUNNING


async def test_on_a_terminal(store: Store) -> None:
    """No line of the table is wider; a hash is never cut."""
    for width in (80, 66):
        lines = shown(store.path, width=width).replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")
        table = [line for line in lines.splitlines() if not line.startswith("The node")]
        assert [line for line in table if cell_len(line) > max(width, 76)] == []
        assert "a1" * 32 in table
        assert "�[2J" in lines
        assert OTHER_PEER not in lines
        assert f"{OTHER_PEER[:11]}" in lines


async def test_colours(store: Store) -> None:
    """What has few blocks left stands out on a terminal; a pipe gets none."""
    stream = io.StringIO()
    show(report(config(store.path), looked_ns()), Console(file=stream, force_terminal=True, color_system="standard"))
    lines = stream.getvalue().splitlines()
    assert [line[:5] for line in lines if " 30 " in line or "~-2" in line] == ["\x1b[31m", "\x1b[31m"]
    assert not any(line.startswith("\x1b[3") for line in lines if " 144 " in line)


async def test_when_it_runs_no_more(left: Path) -> None:
    """It is said first, with the time of what is shown; the chain has gone on."""
    lines = shown(left, later_s=7200).splitlines()
    assert [line for line in lines if line.startswith("The")] == [
        "The exporter does not run. This was so at 2026-05-28 20:35:00 UTC, 2h ago.",
        "The exporter does not run. This was so at 2026-05-28 20:30:00 UTC, 2h 5m ago.",
    ]
    assert "  2d 5h          1,000      3          ~18  in flight          2x café" in lines[4]


async def test_an_exporter_that_writes_no_more(store: Store) -> None:
    """It runs, but its disk is full."""
    lines = shown(store.path, later_s=3600).splitlines()
    assert lines[1] == (
        "Nothing has been written of this node since 2026-05-28 20:35:00 UTC, 1h ago: is the disk full?"
    )


async def test_an_exporter_without_that_node(left: Path) -> None:
    """What is still kept of a node of another configuration isn't taken for followed, not for a second."""
    store = Store(left)
    saved, going_on = store.load("alice"), account("alice", [500])
    assert saved is not None
    going_on.resume(saved)
    await Checkpoint([going_on], store).instant()
    lines = shown(left).splitlines()
    said = "The node is not followed: it is not in the exporter's configuration."
    when = "This was so at 2026-05-28 20:30:00 UTC, 5m 10s ago."
    assert [line for line in lines if line.startswith("The")] == [f"{said} {when}"]
    assert lines[lines.index(f"{said} {when}") - 1] == "bob: 1 payment in flight"
    store.close()


async def test_what_is_looked_for(tmp_path: Path) -> None:
    """With final updates only what is in flight is seen once a minute."""
    store, seen = Store(tmp_path / "state.sqlite"), alice()
    seen.set_status(mode=Mode.FINAL)
    store.save(frozen(seen))
    assert shown(store.path).splitlines()[1] == "Looked for once a minute (--lnd.final-updates-only)."
    store.close()


async def test_nothing(tmp_path: Path, store: Store) -> None:
    """In words."""
    assert shown(store.path, older_than_s=3 * 86_400) == (
        "alice: nothing in flight for 3d or longer\n\n"
        "bob: nothing in flight for 3d or longer\n"
        "The node is not followed: lnd doesn't answer. This was so at 2026-05-28 20:30:00 UTC, 5m 10s ago.\n"
    )
    Store(tmp_path / "new.sqlite").close()
    assert shown(tmp_path / "new.sqlite") == "The exporter has not met any node yet.\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59, "59s"), (600, "10m"), (605, "10m 5s"), (3600, "1h"), (3605, "1h"), (93_784, "1d 2h")],
)
def test_lengths_of_time(seconds: int, words: str) -> None:
    """The two largest units that follow each other."""
    assert spoken(seconds) == words
