"""The text that shows one payment to a person."""

from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from exporter.payments.detail import RoutedAttempt
from exporter.payments.labels import Code, FailureSource, Reason
from exporter.track.table import Outage, describe_source, render_payment, render_waiting
from exporter.track.watcher import PaymentUpdate
from tests.payments.build import FAILED, HASH, IN_FLIGHT, INITIATED, PEER, SUCCEEDED, failed, flying
from tests.track.scene import (
    ALIASES,
    DELETED_ATTEMPT,
    FAILED_BY_HOP,
    FAILED_BY_SELF,
    IN_FLIGHT_ATTEMPT,
    PREIMAGE,
    REQUEST,
    ROUTE,
    SETTLED_ATTEMPT,
    now_ns,
    update,
)

ROUTE_TEXT = "café�[2J 🐙 > 0322222222 > 0233333333"
IN_FLIGHT_TEXT = f"""\
{HASH}
alice: in flight for 5.5s
1,000 sat, fee 0 sat so far, 1 HTLC in flight
  #            sat    fee  time lock  took  state
  1      1,000.010  0.010    800,144  1.0s  failed
     {ROUTE_TEXT}
     temporary channel failure, by hop 2 of 3: 0322222222
  2      1,000.010  0.010    800,144  0.2s  failed
     {ROUTE_TEXT}
     unknown next peer, by this node
  3  1,234,567.891  0.010    800,144  2.5s  in flight
     {ROUTE_TEXT}"""


def test_payment_in_flight() -> None:
    """Routes show aliases where they are known, amounts are exact to the msat, control characters are replaced."""
    seen = update(IN_FLIGHT, FAILED_BY_HOP, FAILED_BY_SELF, IN_FLIGHT_ATTEMPT)
    assert render_payment(seen, "alice: ", now_ns(5.5), secrets=False).plain == IN_FLIGHT_TEXT


def test_low_terminal_shows_the_newest_attempts() -> None:
    """At least one; a line counts those that are left out."""
    seen = update(IN_FLIGHT, FAILED_BY_HOP, FAILED_BY_SELF, IN_FLIGHT_ATTEMPT)
    head, tail = IN_FLIGHT_TEXT.splitlines()[:3], IN_FLIGHT_TEXT.splitlines()[-2:]
    for height in (3, 9):
        lines = on_terminal(seen, height).plain.splitlines()
        assert (lines[:3], lines[3], lines[5:]) == (head, "  and 2 earlier attempts", tail)
    assert on_terminal(seen, 12).plain == IN_FLIGHT_TEXT


def on_terminal(seen: PaymentUpdate, height: int, *, secrets: bool = False) -> Text:
    """Return the text for a terminal of 80 columns and this height."""
    return render_payment(seen, "alice: ", now_ns(5.5), secrets=secrets, console=Console(width=80, height=height))


def test_wrapped_lines_on_a_low_terminal() -> None:
    """A long route or payment request wraps: the newest attempt is still complete."""
    far = [replace(one, hops=ROUTE * 6) for one in (FAILED_BY_HOP, FAILED_BY_SELF) * 5]
    seen = update(IN_FLIGHT, *far, IN_FLIGHT_ATTEMPT, secrets=True)
    seen = seen._replace(detail=replace(seen.detail, payment_request="lnbcrt1" * 100))
    shown = on_terminal(seen, 30, secrets=True)
    assert "  and 8 earlier attempts" in shown.plain.splitlines()
    assert shown.plain.endswith(IN_FLIGHT_TEXT.splitlines()[-1])
    assert len(shown.wrap(Console(), 80)) <= 30


def test_low_and_narrow_terminal() -> None:
    """Hash and status wrap, and the text still fits the height."""
    many, outage = update(IN_FLIGHT, *[FAILED_BY_HOP] * 9), Outage(now_ns(9), "lnd doesn't answer")
    for height in range(10, 40):
        console = Console(width=60, height=height)
        shown = render_payment(many, "alice: ", now_ns(75), secrets=False, console=console, outage=outage)
        assert len(shown.wrap(console, 60)) <= height


def status_line(*args: object, **changes: object) -> str:
    """Return the second line."""
    return render_payment(update(*args, **changes), "alice: ", now_ns(150), secrets=False).plain.splitlines()[1]  # type: ignore[arg-type]


def test_status_line() -> None:
    """Also given up while an HTLC is held, succeeded after that, and failed without any attempt."""
    assert status_line(INITIATED) == "alice: initiated for 2m 30s"
    assert (
        status_line(IN_FLIGHT, IN_FLIGHT_ATTEMPT, reason=Reason.TIMEOUT)
        == "alice: in flight for 2m 30s, given up: timeout"
    )
    assert status_line(SUCCEEDED, SETTLED_ATTEMPT) == "alice: succeeded after 5m"
    late = "alice: succeeded after 5m, though lnd had given it up (timeout)"
    assert status_line(SUCCEEDED, SETTLED_ATTEMPT, reason=Reason.TIMEOUT) == late
    assert status_line(FAILED, FAILED_BY_HOP, reason=Reason.NO_ROUTE) == "alice: failed after 2.0s: no route"
    assert status_line(FAILED, reason=Reason.INSUFFICIENT_BALANCE) == "alice: failed: insufficient balance"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0.0s"), (12.19, "12.1s"), (59.999, "59.9s"), (60, "1m"), (92.6, "1m 32s"), (3720, "1h 2m")],
)
def test_duration_in_the_status_line(seconds: float, expected: str) -> None:
    """With tenths below a minute, and never 60.0s."""
    seen = render_payment(update(IN_FLIGHT), "alice: ", now_ns(seconds), secrets=False).plain
    assert seen.splitlines()[1] == f"alice: in flight for {expected}"


def test_outage_stops_durations() -> None:
    """Only the time since the last update advances."""
    seen, outage = update(IN_FLIGHT, IN_FLIGHT_ATTEMPT), Outage(now_ns(9), "lnd doesn't answer")
    lines = render_payment(seen, "alice: ", now_ns(75), secrets=False, outage=outage).plain.splitlines()
    assert lines[1] == "alice: in flight for 9.0s, as of 1m 6s ago: lnd doesn't answer, retrying"
    assert lines[4].endswith("  6.0s  in flight")
    over = render_payment(seen, "alice: ", now_ns(75), secrets=False, outage=outage._replace(over=True)).plain
    assert over.splitlines()[1] == "alice: in flight for 9.0s, as of 1m 6s ago: lnd doesn't answer"


def test_text_while_only_the_end_is_wanted() -> None:
    """How long it has been awaited and the age of the payment, without attempts."""
    seen, outage = update(IN_FLIGHT, IN_FLIGHT_ATTEMPT).detail, Outage(now_ns(9), "the wallet is locked")
    assert render_waiting(seen, now_ns(5), "alice: ", now_ns(7.5)).plain.splitlines() == [
        HASH,
        "alice: waiting for the end for 2.5s, created 7.5s ago",
    ]
    assert render_waiting(seen, now_ns(5), "alice: ", now_ns(12), outage).plain.splitlines()[1] == (
        "alice: waiting for the end for 4.0s, created 9.0s ago, as of 3s ago: the wallet is locked, retrying"
    )


def test_attempt_without_route_and_code() -> None:
    """As an old lnd may have stored it."""
    bare = RoutedAttempt(failed(flying(), Code.OTHER, FailureSource.UNKNOWN)._replace(expiry_height=0))
    assert render_payment(update(FAILED, bare), "alice: ", now_ns(9), secrets=False).plain.splitlines()[4:] == [
        "  1  1,000.010  0.010          -  1.0s  failed",
        "     no route",
        "     other, by an unknown node",
    ]


def test_deleted_attempt_stays_without_duration() -> None:
    """Its route is kept, its outcome is unknown."""
    lines = render_payment(update(FAILED, DELETED_ATTEMPT), "alice: ", now_ns(9), secrets=False).plain.splitlines()
    assert lines[1:3] == ["alice: failed", "1,000 sat, fee 0 sat, no HTLCs in flight"]
    assert lines[4:] == [
        "  1  1,000.010  0.010    800,144     -  deleted",
        f"     {ROUTE_TEXT}",
        "     ended while disconnected, and lnd has deleted its outcome",
    ]


@pytest.mark.parametrize(
    ("source", "index", "expected"),
    [
        (FailureSource.SELF, 0, "by this node"),
        (FailureSource.FIRST_HOP, 1, "by the first hop: bob"),
        (FailureSource.INTERMEDIATE, 2, "by hop 2 of 3: 0322222222"),
        (FailureSource.RECIPIENT, 3, "by the recipient: 0233333333"),
        (FailureSource.UNKNOWN, 0, "by an unknown node"),
        (FailureSource.UNKNOWN, 9, "by an unknown node"),
    ],
)
def test_node_that_failed_an_attempt(source: FailureSource, index: int, expected: str) -> None:
    """With its alias or the beginning of its key."""
    assert describe_source(RoutedAttempt(failed(flying(), source=source), ROUTE, index), {PEER: "bob"}) == expected


def test_terminal_status_is_bold() -> None:
    """Attempts are coloured without it."""
    styles = [
        str(span.style)
        for span in render_payment(update(SUCCEEDED, FAILED_BY_HOP, SETTLED_ATTEMPT), "alice: ", 0, secrets=False).spans
    ]
    assert styles == ["bold green", "dim", "red", "green"]


def test_secrets_are_shown_only_on_request() -> None:
    """The preimages and the payment request."""
    seen = update(SUCCEEDED, SETTLED_ATTEMPT, secrets=True)
    hidden, shown = (render_payment(seen, "alice: ", now_ns(9), secrets=secrets).plain for secrets in (False, True))
    assert PREIMAGE not in hidden
    assert REQUEST not in hidden
    assert shown.splitlines()[3:5] == [f"preimage {PREIMAGE}", f"payment request {REQUEST}"]
    assert shown.splitlines()[-1] == f"     preimage {PREIMAGE}"
    bare = render_payment(update(IN_FLIGHT, IN_FLIGHT_ATTEMPT), "alice: ", now_ns(9), secrets=True).plain.splitlines()
    assert bare[3:5] == ["preimage unknown", "payment request none"]
    assert ALIASES[PEER] not in shown
