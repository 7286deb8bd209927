"""What a person sees of the payment that is followed."""

from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from exporter.payments.detail import RoutedAttempt
from exporter.payments.labels import Code, FailureSource, Reason
from exporter.track.course import Update
from exporter.track.view import Silence, blame, view, waiting
from tests.payments.build import FAILED, HASH, IN_FLIGHT, INITIATED, PEER, SUCCEEDED, failed, flying
from tests.track.scene import (
    BY_HOP,
    BY_OURSELVES,
    NAMES,
    PREIMAGE,
    REQUEST,
    ROUTE,
    UNDER_WAY,
    VANISHED,
    WON,
    now_ns,
    update,
)

WAY = "café�[2J 🐙 > 0322222222 > 0233333333"
UNDER = f"""\
{HASH}
alice: in flight for 5.5s
1,000 sat, fee 0 sat so far, 1 HTLC in flight
  #            sat    fee  time lock  took  state
  1      1,000.010  0.010    800,144  1.0s  failed
     {WAY}
     temporary channel failure, by hop 2 of 3: 0322222222
  2      1,000.010  0.010    800,144  0.2s  failed
     {WAY}
     unknown next peer, by this node
  3  1,234,567.891  0.010    800,144  2.5s  in flight
     {WAY}"""


def test_under_way() -> None:
    """Route with names where they are known, numbers to the msat, and who failed what; nothing moves a terminal."""
    seen = update(IN_FLIGHT, BY_HOP, BY_OURSELVES, UNDER_WAY)
    assert view(seen, "alice: ", now_ns(5.5), secrets=False).plain == UNDER


def test_a_low_terminal() -> None:
    """The oldest attempts are left out, and counted; at least one is there."""
    seen = update(IN_FLIGHT, BY_HOP, BY_OURSELVES, UNDER_WAY)
    head, tail = UNDER.splitlines()[:3], UNDER.splitlines()[-2:]
    for height in (3, 9):
        lines = on_terminal(seen, height).plain.splitlines()
        assert (lines[:3], lines[3], lines[5:]) == (head, "  and 2 earlier attempts", tail)
    assert on_terminal(seen, 12).plain == UNDER


def on_terminal(seen: Update, height: int, *, secrets: bool = False) -> Text:
    """On one of 80 columns."""
    return view(seen, "alice: ", now_ns(5.5), secrets=secrets, console=Console(width=80, height=height))


def test_long_lines_on_a_low_terminal() -> None:
    """Routes and invoices may take several lines: the newest attempt is there all the same, and nothing is cut off."""
    far = [replace(one, hops=ROUTE * 6) for one in (BY_HOP, BY_OURSELVES) * 5]
    seen = update(IN_FLIGHT, *far, UNDER_WAY, secrets=True)
    seen = seen._replace(detail=replace(seen.detail, payment_request="lnbcrt1" * 100))
    shown = on_terminal(seen, 30, secrets=True)
    assert "  and 8 earlier attempts" in shown.plain.splitlines()
    assert shown.plain.endswith(UNDER.splitlines()[-1])
    assert len(shown.wrap(Console(), 80)) <= 30


def test_a_low_and_narrow_terminal() -> None:
    """Hash and status are wrapped, and all the same there is room for what is shown."""
    many, silence = update(IN_FLIGHT, *[BY_HOP] * 9), Silence(now_ns(9), "lnd doesn't answer")
    for height in range(10, 40):
        console = Console(width=60, height=height)
        shown = view(many, "alice: ", now_ns(75), secrets=False, console=console, silence=silence)
        assert len(shown.wrap(console, 60)) <= height


def standing(*args: object, **changes: object) -> str:
    """The second line."""
    return view(update(*args, **changes), "alice: ", now_ns(150), secrets=False).plain.splitlines()[1]  # type: ignore[arg-type]


def test_how_it_stands() -> None:
    """Given up while an HTLC is held, succeeded all the same, failed without any attempt."""
    assert standing(INITIATED) == "alice: initiated for 2m 30s"
    assert standing(IN_FLIGHT, UNDER_WAY, reason=Reason.TIMEOUT) == "alice: in flight for 2m 30s, given up: timeout"
    assert standing(SUCCEEDED, WON) == "alice: succeeded after 5m"
    late = "alice: succeeded after 5m, though lnd had given it up (timeout)"
    assert standing(SUCCEEDED, WON, reason=Reason.TIMEOUT) == late
    assert standing(FAILED, BY_HOP, reason=Reason.NO_ROUTE) == "alice: failed after 2.0s: no route"
    assert standing(FAILED, reason=Reason.INSUFFICIENT_BALANCE) == "alice: failed: insufficient balance"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0s"), (12.19, "12.1s"), (59.999, "59.9s"), (60, "1m"), (92.6, "1m 32s"), (3720, "1h 2m")],
)
def test_how_long(seconds: float, words: str) -> None:
    """In the style of `open`, with tenths below a minute: never 60.0s."""
    seen = view(update(IN_FLIGHT), "alice: ", now_ns(seconds), secrets=False).plain
    assert seen.splitlines()[1] == f"alice: in flight for {words}"


def test_while_lnd_is_away() -> None:
    """Nothing goes on but the time since it was heard."""
    seen, silence = update(IN_FLIGHT, UNDER_WAY), Silence(now_ns(9), "lnd doesn't answer")
    lines = view(seen, "alice: ", now_ns(75), secrets=False, silence=silence).plain.splitlines()
    assert lines[1] == "alice: in flight for 9.0s, as of 1m 6s ago: lnd doesn't answer, asked again"
    assert lines[4].endswith("  6.0s  in flight")
    over = view(seen, "alice: ", now_ns(75), secrets=False, silence=silence._replace(over=True)).plain
    assert over.splitlines()[1] == "alice: in flight for 9.0s, as of 1m 6s ago: lnd doesn't answer"


def test_waiting_for_the_end() -> None:
    """Since when, and how old the payment is; nothing of its attempts."""
    seen, silence = update(IN_FLIGHT, UNDER_WAY).detail, Silence(now_ns(9), "the wallet is locked")
    assert waiting(seen, now_ns(5), "alice: ", now_ns(7.5)).plain.splitlines() == [
        HASH,
        "alice: waiting for the end for 2.5s, lnd created it 7.5s ago",
    ]
    assert waiting(seen, now_ns(5), "alice: ", now_ns(12), silence).plain.splitlines()[1] == (
        "alice: waiting for the end for 4.0s, lnd created it 9.0s ago, as of 3s ago: the wallet is locked, asked again"
    )


def test_an_attempt_without_anything() -> None:
    """What an old lnd may have left of one."""
    bare = RoutedAttempt(failed(flying(), Code.OTHER, FailureSource.UNKNOWN)._replace(expiry_height=0))
    assert view(update(FAILED, bare), "alice: ", now_ns(9), secrets=False).plain.splitlines()[4:] == [
        "  1  1,000.010  0.010          -  1.0s  failed",
        "     no route",
        "     other, nobody can tell by whom",
    ]


def test_an_attempt_that_lnd_has_deleted() -> None:
    """Its row stays, without a time that nobody knows."""
    lines = view(update(FAILED, VANISHED), "alice: ", now_ns(9), secrets=False).plain.splitlines()
    assert lines[1:3] == ["alice: failed", "1,000 sat, fee 0 sat, no HTLCs in flight"]
    assert lines[4:] == [
        "  1  1,000.010  0.010    800,144     -  deleted",
        f"     {WAY}",
        "     ended while nobody listened, and lnd has deleted how",
    ]


@pytest.mark.parametrize(
    ("source", "index", "words"),
    [
        (FailureSource.SELF, 0, "by this node"),
        (FailureSource.FIRST_HOP, 1, "by the first hop: bob"),
        (FailureSource.INTERMEDIATE, 2, "by hop 2 of 3: 0322222222"),
        (FailureSource.RECIPIENT, 3, "by the recipient: 0233333333"),
        (FailureSource.UNKNOWN, 0, "nobody can tell by whom"),
        (FailureSource.UNKNOWN, 9, "nobody can tell by whom"),
    ],
)
def test_who_failed_it(source: FailureSource, index: int, words: str) -> None:
    """In words, with a name or the beginning of a key."""
    assert blame(RoutedAttempt(failed(flying(), source=source), ROUTE, index), {PEER: "bob"}) == words


def test_colours() -> None:
    """An end stands out from what failed on the way."""
    styles = [str(span.style) for span in view(update(SUCCEEDED, BY_HOP, WON), "alice: ", 0, secrets=False).spans]
    assert styles == ["bold green", "dim", "red", "green"]


def test_secrets() -> None:
    """Only for who asks for them; an invoice can't move a terminal either."""
    seen = update(SUCCEEDED, WON, secrets=True)
    hidden, shown = (view(seen, "alice: ", now_ns(9), secrets=secrets).plain for secrets in (False, True))
    assert PREIMAGE not in hidden
    assert REQUEST not in hidden
    assert shown.splitlines()[3:5] == [f"preimage {PREIMAGE}", f"payment request {REQUEST}"]
    assert shown.splitlines()[-1] == f"     preimage {PREIMAGE}"
    bare = view(update(IN_FLIGHT, UNDER_WAY), "alice: ", now_ns(9), secrets=True).plain.splitlines()
    assert bare[3:5] == ["preimage unknown", "payment request none"]
    assert NAMES[PEER] not in shown
