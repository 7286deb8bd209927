"""Tables: which rows they have, and the commands that they give to copy."""

from pathlib import Path

import pytest

from dashboards.panel import DOCS
from exporter.config import load
from exporter.payments.labels import AmountBand, Cause, FailureSource, Kind, Reason
from tests.dashboards.panels import FILES, panel, panel_query, panels
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FAILURES, FLIGHT = "lnd-payments-failures", "lnd-payments-flight"
NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
PROGRAM = "lnd-payments-exporter "
LATE = 120
"""Minute at which all is asked."""
COUNTED = {Reason.TIMEOUT: 180, Reason.NO_ROUTE: 60}


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series of the node."""
    more = "".join(f',{label}="{word}"' for label, word in labels.items())
    return {f"lnd_payments_{metric}{{{NODE}{more}}}": values}


def test_rows_and_columns_of_a_matrix(tmp_path: Path) -> None:
    """Only pairs that occurred: a cause without failures has no row, an amount without failures no column."""
    told: dict[str, str] = {}
    for cause, band, rise in (
        (Cause.OWN_LIQUIDITY, AmountBand.UNDER_1K, 2),
        (Cause.OWN_LIQUIDITY, AmountBand.UNDER_1M, 1),
        (Cause.HELD, AmountBand.UNDER_1K, 0),
    ):
        told |= series("failed_by_cause_total", f"0+{rise}x200", purpose="payment", cause=cause, amount_band=band)
    told |= series("htlc_attempts_failed_total", "0+3x200", purpose="payment", code="a", source=FailureSource.SELF)
    told |= series("htlc_attempts_failed_total", "0x200", purpose="payment", code="b", source=FailureSource.SELF)
    expected = [
        Expected(
            f"round({panel_query(FAILURES, 'Cause by amount', span='1h')})",
            LATE,
            {
                '{amount_band="under_1k_sat", cause="own_liquidity"}': 120,
                '{amount_band="100k_to_1m_sat", cause="own_liquidity"}': 60,
            },
        ),
        Expected(
            f"round({panel_query(FAILURES, 'HTLC failures: code by who failed it', span='1h')})",
            LATE,
            {'{code="a", source="self"}': 180},
        ),
    ]
    assert not query_errors(tmp_path, told, expected, recorded())


@pytest.mark.parametrize(
    ("title", "row", "label", "columns"),
    [
        ("Cause by amount", "Cause", "cause\\amount_band", [*AmountBand]),
        ("HTLC failures: code by who failed it", "Code", "code\\source", [*FailureSource]),
    ],
)
def test_order_of_a_matrix(title: str, row: str, label: str, columns: list[str]) -> None:
    """The label of the row first, then the sum of all columns, then these in their order."""
    steps = {step["id"]: step["options"] for step in panel(FAILURES, title)["transformations"]}
    assert list(steps) == ["groupingToMatrix", "calculateField", "organize"]
    assert steps["calculateField"]["reduce"]["include"] == columns
    order = steps["organize"]["indexByName"]
    assert sorted(order, key=order.__getitem__) == [label, "All", *columns]
    assert steps["organize"]["renameByName"] == {label: row}


def test_reasons(tmp_path: Path) -> None:
    """Number, and the command that lists them; a reason without failures has no row."""
    told: dict[str, str] = {}
    for reason, rise in ((Reason.TIMEOUT, 3), (Reason.NO_ROUTE, 1), (Reason.ERROR, 0)):
        labels = {"kind": Kind.INVOICE, "reason": reason}
        told |= series("failed_total", f"0+{rise}x200", **labels, amount_band=AmountBand.UNDER_1K)
    command = f"{PROGRAM}ended --reason={{}} --since=3600s"
    rows = {f'{{command="{command.format(reason)}", reason="{reason}"}}': number for reason, number in COUNTED.items()}
    shown = f"""round({panel_query(FAILURES, "lnd's reason", span="3600s")}, 0.01)"""
    assert not query_errors(tmp_path, told, [Expected(shown, LATE, rows)], recorded())


def test_what_may_hang(tmp_path: Path) -> None:
    """A row for each band of age, and for each way to hang, that has payments; with the command that lists them."""
    told = {
        **series("in_flight", "7x200", purpose="payment", age="1m_to_10m"),
        **series("in_flight", "3x200", purpose="payment", age="1h_to_1d"),
        **series("in_flight_given_up", "2x200"),
        **series("in_flight_given_up_msat", "5000x200"),
        **series("in_flight_stalled", "0x200"),
        **series("in_flight_ghost_htlcs", "0x200"),
        **series("in_flight_ghost_htlcs_msat", "0x200"),
    }
    rows = {"older than 1h": (3, " --older-than=1h"), "given up, still open": (2, "")}
    expected = [
        Expected(
            panel_query(FLIGHT, "What may hang", "A"),
            LATE,
            {f'{{command="{PROGRAM}open{flags}", what="{what}"}}': number for what, (number, flags) in rows.items()},
        ),
        Expected(panel_query(FLIGHT, "What may hang", "B"), LATE, {'{what="given up, still open"}': 5}),
    ]
    assert not query_errors(tmp_path, told, expected)


def test_command_of_a_peer(tmp_path: Path) -> None:
    """It has the whole key, as the command takes it; the beginning of the key stands for an alias that isn't known."""
    key = "02" + 32 * "ab"
    told = series("peer_htlc_attempts_total", "0+1x200", peer=key, outcome="settled")
    told |= series("peer_sent_msat_total", "0x200", peer=key)
    line = f"ended --failed --peer={key} --since=3600s"
    listed = panel_query(FAILURES, "Direct peers", "A", "3600s")
    expected = [Expected(listed, LATE, {f'{{alias="02ababab", command="{PROGRAM}{line}", peer="{key}"}}': 0})]
    assert not query_errors(tmp_path, told, expected, recorded())
    assert load(line.split()[1:], {}, "ended").ended.peer == key


def test_peers_of_an_exporter_that_is_away(tmp_path: Path) -> None:
    """They keep their rows, names and commands, as long as they were there within the time shown."""
    key = "02" + 32 * "ab"
    told = series("peer_sent_msat_total", "0x60", peer=key) | series("peer_info", "1x60", peer=key, alias="bank")
    line = f"ended --failed --peer={key} --since=3h"
    expected = [
        Expected(
            f"0 * {panel_query(FAILURES, 'Direct peers', 'A', '3h')}",
            at_min,
            {f'{{alias="bank", command="{PROGRAM}{line}", peer="{key}"}}': 0},
        )
        for at_min in (60, 90, 150)
    ]
    assert not query_errors(tmp_path, told, expected, recorded())


@pytest.mark.parametrize("uid", FILES)
def test_commands_and_keys_can_be_copied_whole(uid: str) -> None:
    """A cell with one opens its whole text."""
    for shown in panels(uid):
        for step in shown.get("transformations", ()):
            for name, heading in step["options"].get("renameByName", {}).items():
                if name in {"command", "peer", "pubkey"}:
                    (override,) = [
                        one for one in shown["fieldConfig"]["overrides"] if one["matcher"]["options"] == heading
                    ]
                    assert {"id": "custom.inspect", "value": True} in override["properties"], (shown["title"], heading)


@pytest.mark.parametrize("uid", FILES)
def test_pages_of_the_documentation_exist(uid: str) -> None:
    """Each page that a panel links to, and its heading."""
    docs = Path(__file__).parents[2] / "docs"
    for shown in panels(uid):
        for link in shown.get("links", ()):
            page, _, anchor = link["url"].removeprefix(f"{DOCS}/").partition("#")
            text = (docs / page).read_text()
            headings = [line.lstrip("#").strip().lower() for line in text.splitlines() if line.startswith("#")]
            known = {heading.replace("`", "").replace(" ", "-") for heading in headings}
            assert not anchor or anchor in known, (shown["title"], link["url"])
