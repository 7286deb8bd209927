"""The table: the same in a pipe and on terminals of each width, and what it says if there is little to say."""

import io
import os
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.config.grouping import By
from exporter.payments.labels import Kind, Reason, Status
from exporter.payments.payment import Payment
from exporter.report.fold import Fold
from exporter.report.node_report import NodeReport, Span
from exporter.report.table import print_all, print_node
from exporter.simulator.world import World
from tests.payments.build import OTHER_HASH, PEER, SECOND, T0, failed, flying, payment, settled
from tests.report.history import listed
from tests.report.test_fold import history

WORLD = World.random("fold")
ALL = Span(T0 + 3600 * SECOND)
HERE = Path(__file__).parent


def report(payments: list[Payment], by: By = By.MONTH, name: str = "alice", **aliases: str) -> NodeReport:
    """Return the report on some payments."""
    fold = Fold(by, destinations={})
    for each in payments:
        fold.add(each)
    return NodeReport(name, fold, aliases)


def printed(found: NodeReport, width: int | None = None, span: Span = ALL) -> str:
    """Return what is printed in a pipe, or without colours on a terminal of a width."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=width is not None, width=width, no_color=True)
    print_node(found, span, console)
    return re.sub(r"\x1b\[\d*m", "", stream.getvalue())


def months() -> list[Payment]:
    """Return payments of months: one every eight hours."""
    return [
        later(each, number * 8 * 3600 * SECOND) for number, each in enumerate(listed(history(keeps_failed=True), WORLD))
    ]


def later(past: Payment, by_ns: int) -> Payment:
    """Return a payment of a later time."""
    attempts = [
        each._replace(attempt_ns=each.attempt_ns + by_ns, resolve_ns=each.resolve_ns and each.resolve_ns + by_ns)
        for each in past.attempts
    ]
    return past._replace(created_ns=past.created_ns + by_ns, attempts=tuple(attempts))


@pytest.mark.parametrize("by", [By.MONTH, By.KIND, By.CAUSE, By.PEER])
def test_tables(by: By) -> None:
    """In a pipe, on 140 columns and on 80. `UPDATE_GOLDEN=1` writes them."""
    aliases = {peer.node.pubkey: peer.node.alias for peer in WORLD.peers}
    found = report(months(), by, **aliases)
    texts = {"pipe": printed(found), "140": printed(found, 140), "80": printed(found, 80)}
    for width in (80, 140):
        assert max(cell_len(line) for line in texts[str(width)].splitlines()) <= width
    text = "\n".join(f"--- {where}\n{text}" for where, text in texts.items())
    golden = HERE / "tables" / f"{by}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_small_amounts_are_exact() -> None:
    """Fees of less than 1,000 sat in all are shown with msat; larger sums are rounded."""
    small = payment(Status.SUCCEEDED, settled(flying()))
    assert printed(report([small])) == (
        "alice: 0.010 sat in fees for 1,000 sat paid (10 ppm)\n"
        "1 payment ended on 2026-05-28: 1 succeeded (100 %), 0 failed\n"
        "\n"
        "  month    payments  succeeded  sat paid  fees, sat  ppm  failed\n"
        "  2026-05         1      100 %     1,000      0.010   10       0\n"
        "  total           1      100 %     1,000      0.010   10       0\n"
    )


def test_rebalances_are_told_apart() -> None:
    """What they cost is a part of the sum; by kind it is a row of its own."""
    around = payment(Status.SUCCEEDED, settled(flying(hint=Kind.REBALANCE)))
    bought = payment(Status.SUCCEEDED, settled(flying()), payment_hash=OTHER_HASH)
    unpaid = payment(Status.FAILED, failed(flying(hint=Kind.REBALANCE)), reason=Reason.NO_ROUTE)
    assert printed(report([around, bought, unpaid])).splitlines()[:3] == [
        "alice: 0.020 sat in fees for 2,000 sat paid (10 ppm)",
        "of which 1 rebalance: 0.010 sat in fees for 1,000 sat paid (10 ppm)",
        "3 payments ended on 2026-05-28: 2 succeeded (66.7 %), 1 failed",
    ]
    for few in ([bought, unpaid], [around, bought]):
        assert "of which" not in printed(report(few, By.KIND))
    assert "of which" not in printed(report([bought, unpaid]))


def test_no_payments() -> None:
    """One line says so, and another what is in flight."""
    assert printed(report([])) == "alice: no payment ended\n"
    assert printed(report([]), span=Span(T0, 30 * 86_400)) == "alice: no payment ended in the last 30d\n"
    in_flight = printed(report([payment(), payment(payment_hash=OTHER_HASH)]))
    assert in_flight == "alice: no payment ended\n\n2 payments of 2,000 sat are in flight: not counted.\n"
    nothing_settled = printed(report([], By.PEER))
    assert nothing_settled == "alice: no payment ended\n"


def test_all_failed() -> None:
    """Nothing was paid, so nothing has a rate; the cause of the only one is in the row and below."""
    text = printed(report([payment(Status.FAILED, reason=Reason.NO_ROUTE)]))
    assert text == (
        "alice: 0 sat in fees for 0 sat paid\n"
        "1 payment ended on 2026-05-28: 0 succeeded (0 %), 1 failed\n"
        "\n"
        "  month    payments  succeeded  sat paid  fees, sat  ppm  failed  because of\n"
        "  2026-05         1        0 %         0          0    -       1  no_route 1\n"
        "  total           1        0 %         0          0    -       1\n"
        "\n"
        "  failed because of  payments  of them  sat not paid\n"
        "  no_route                  1    100 %         1,000\n"
        "  total                     1    100 %         1,000\n"
        "\n"
        "lnd has no HTLC attempt of 1 of the 1 that failed: it made none, or has deleted them,"
        " so its reason alone tells their cause.\n"
    )


def test_shares_are_never_rounded_to_nothing_or_all() -> None:
    """One failure in ten thousand isn't 100 %."""
    one = payment(Status.FAILED, failed(flying()), reason=Reason.NO_ROUTE)
    text = printed(report([payment(Status.SUCCEEDED, settled(flying()))] * 9_999 + [one]))
    assert "9,999 succeeded (99.9 %), 1 failed" in text


def test_names_of_peers_are_shown_safely() -> None:
    """An alias is any text; a wide one is cut to its cells, and numbers stay in their columns."""
    for alias in ("龍" * 40 + "\x1b[2J", "龍" * 8):
        found = report([payment(Status.SUCCEEDED, settled(flying()))], By.PEER, **{PEER: alias})
        lines = printed(found, 70).splitlines()
        assert "\x1b" not in printed(found)
        title, row, total = lines[3:6]
        assert cell_len(title) == cell_len(row) == cell_len(total) <= 70
        assert row.startswith("  龍龍龍")
        assert "…" in row


def test_malformed_payments_are_told() -> None:
    """With their number."""
    wrong = payment(Status.SUCCEEDED)._replace(value_msat=-1)
    assert printed(report([wrong])).splitlines()[-1] == (
        "1 payment that lnd lists is left out: the numbers can't be right."
    )


def test_terminal_has_a_dim_title_and_bold_sums() -> None:
    """Colours carry nothing that the text doesn't say."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system="standard")
    print_node(report([payment(Status.SUCCEEDED, settled(flying()))]), ALL, console)
    styles = [re.match(r"(?:\x1b\[(\d)m)?", line) for line in stream.getvalue().splitlines()]
    assert [style and style[1] for style in styles] == ["1", None, None, "2", None, "1"]


def test_sums_over_all_nodes() -> None:
    """They follow the nodes."""
    stream = io.StringIO()
    paid = [payment(Status.SUCCEEDED, settled(flying()))]
    unpaid = [payment(Status.FAILED, reason=Reason.NO_ROUTE)] * 2
    print_all([report(paid), report(unpaid, name="bob")], Console(file=stream))
    assert stream.getvalue() == (
        "\nall 2 nodes: 0.010 sat in fees for 1,000 sat paid (10 ppm)\n"
        "3 payments ended: 1 succeeded (33.3 %), 2 failed\n"
    )
