"""What is concluded from answers: pure functions, so every boundary can be tried."""

import datetime as dt

import pytest

from exporter.certificate import Certificate
from exporter.doctor import answers
from exporter.doctor.finding import Area, Finding, Verdict
from exporter.macaroon import Contents, read_contents
from exporter.payments.labels import Reason, Status
from exporter.payments.node import Info
from exporter.payments.payment import NS_PER_S, Payment
from exporter.simulator import credentials
from tests.payments.build import T0, failed, flying, payment, refused, settled

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
OLD, NEW = (0, 17, 5), (0, 18, 0)
REFUSED = Reason.INCORRECT_PAYMENT_DETAILS
KEPT = payment(Status.FAILED, refused(flying()), reason=REFUSED)
DELETED = payment(Status.FAILED, reason=REFUSED)
RETRIED = payment(Status.SUCCEEDED, failed(flying(1)), settled(flying(2)))
SENT_TO_ROUTE = payment(Status.FAILED, refused(flying()), reason=REFUSED, invoice=False)
NO_ROUTE = payment(Status.FAILED, reason=Reason.NO_ROUTE)


@pytest.mark.parametrize(
    ("payments", "release", "kept"),
    [
        ([], NEW, None),
        ([KEPT], NEW, True),
        ([KEPT], None, True),
        ([KEPT], OLD, None),  # before 0.18 it would be there in any case
        ([RETRIED], OLD, True),
        ([DELETED], NEW, False),
        ([NO_ROUTE], NEW, None),  # it never had an attempt
        ([SENT_TO_ROUTE], NEW, None),  # lnd always keeps its attempts
        ([payment(Status.SUCCEEDED, settled(flying()))], NEW, None),
        ([payment(Status.IN_FLIGHT, failed(flying()))], NEW, None),
        ([KEPT, DELETED], NEW, False),
        ([DELETED, KEPT, NO_ROUTE], NEW, True),
    ],
)
def test_kept_attempts(payments: list[Payment], release: answers.Release | None, kept: bool | None) -> None:  # noqa: FBT001
    """The newest payment that shows it decides."""
    assert answers.kept_attempts(payments, release) is kept


T0_S = T0 / NS_PER_S
NO_TIME = "lnd's answers don't say the time (over gRPC never), so the clocks can't be compared"


@pytest.mark.parametrize(
    ("ahead", "now_s", "verdict", "what"),
    [
        ((-0.5, 0.5), 0.0, Verdict.OK, "lnd's clock and this machine's differ by less than 0.5 s"),
        ((-4.0, 6.0), 0.0, Verdict.OK, "lnd's clock and this machine's differ by less than 6.0 s"),
        ((-6.0, 5.0), 0.0, Verdict.UNKNOWN, "lnd's clock and this machine's differ by less than 6.0 s"),
        ((5.1, 6.1), 0.0, Verdict.WARNING, "lnd's clock is ahead of this machine's by at least 5 s"),
        ((-3601.0, -3600.0), 0.0, Verdict.WARNING, "lnd's clock is behind this machine's by at least 3600 s"),
        (None, 2.0, Verdict.UNKNOWN, NO_TIME),
        (
            None,
            -58.0,
            Verdict.WARNING,
            "lnd's clock is ahead of this machine's by at least 60 s, by the times of its payments",
        ),
    ],
)
def test_clock(ahead: tuple[float, float] | None, now_s: float, verdict: Verdict, what: str) -> None:
    """By HTTP's time, else only if lnd has payments from the future: the last event here is 2 s after `T0`."""
    found = answers.clock(ahead, [payment(Status.SUCCEEDED, settled(flying(), end_s=2))], T0_S + now_s)
    assert (found.area, found.verdict, found.what) == (Area.CLOCK, verdict, what)
    assert bool(found.to_do) is (verdict is Verdict.WARNING)


def test_certificate_with_many_names() -> None:
    """The first six are shown, the document has all; 21 days before its end begins the warning."""
    names = [f"host{number}" for number in range(9)]
    ends = NOW + dt.timedelta(days=22, hours=1)
    shown = Certificate(NOW, ends, self_signed=True, names=names, addresses=[])
    assert answers.certificate(shown, "host3", NOW) == Finding(
        Area.CERTIFICATE,
        Verdict.OK,
        "trusted for host3, made for host0, host1, host2, host3, host4, host5, ...; 22 days left",
        values={"expiry_timestamp_seconds": int(ends.timestamp()), "names": tuple(names)},
    )
    assert answers.made_for(shown._replace(names=names[:6])) == "host0, host1, host2, host3, host4, host5"
    assert answers.certificate(shown, "host3", NOW + dt.timedelta(days=1)).verdict is Verdict.OK
    assert answers.certificate(shown, "host3", NOW + dt.timedelta(days=2)).verdict is Verdict.WARNING


def test_chain() -> None:
    """Behind the chain; behind the graph; neither."""
    found = {
        (chain, graph): next(answers.chain(Info("", block_height=7, synced_to_chain=chain, synced_to_graph=graph)))
        for chain, graph in ((False, False), (True, False), (True, True))
    }
    assert [each.verdict for each in found.values()] == [Verdict.WARNING, Verdict.WARNING, Verdict.OK]
    assert [each.what.partition(",")[0].partition(":")[0] for each in found.values()] == [
        "lnd hasn't caught up with the chain (block 7)",
        "lnd is at block 7",
        "lnd has caught up",
    ]


def test_page() -> None:
    """Two seconds for a page are a reason to look at lnd's machine."""
    assert answers.page(100, 2.0).verdict is Verdict.OK
    slow = answers.page(100, 2.1)
    assert (slow.verdict, slow.what) == (Verdict.WARNING, "the newest 100 payments were listed in 2.10 s")


def test_contents_of_a_macaroon() -> None:
    """Permissions and conditions are read; what is damaged at any place is not, and raises nothing."""
    permissions, conditions = ("offchain:read", "info:write"), ("ipaddr 10.0.0.7", "lnd-custom account 7")
    binary = credentials.macaroon(b"k" * 32, 3, ["/a/B"], permissions=permissions, conditions=conditions)
    assert read_contents(binary) == Contents(frozenset({*permissions, "uri:/a/B"}), conditions)
    without_signature = len(binary) - 34
    for length in range(without_signature):
        assert read_contents(binary[:length]) is None, length
    for place in range(len(binary)):
        for value in (0, 127, 255):
            read_contents(binary[:place] + bytes([value]) + binary[place + 1 :])
    assert read_contents(b"0012location lnd\n") is None
    for digits, contents in ((10, Contents(frozenset(), ())), (11, None)):  # a file full of them would take minutes
        encoded = b"\x81" + b"\x80" * (digits - 2) + b"\0"  # of the id: 1
        assert read_contents(b"\2\2" + encoded + b"\3\0\0") == contents
