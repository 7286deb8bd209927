"""The first dashboard: whether payments work, how fast they are, and what they cost."""

from dashboards.arrival import success
from dashboards.board import Board
from dashboards.cost import money, speed
from dashboards.graphs import Value, number, several
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, SATS, YELLOW, Query, Text
from dashboards.presence import ALL_AWAY, AWAY, READY
from dashboards.query import (
    ALERTS,
    BURNS,
    BURNT_BY,
    FEW,
    NO_RULES,
    NO_RULES_HERE,
    NODE,
    PAYMENT,
    QUICK_S,
    SAT,
    SLOW_SHARE,
    burn,
    each,
    enough,
    finished,
    firing,
    increase,
    judged,
    m,
    overall,
    runway,
    target,
    total,
)
from dashboards.totals import totals
from dashboards.words import CAUSES
from exporter.rules.boards import BY_CAUSE, DURATION
from exporter.rules.rule import PER_NODE, exactly

_BURN = ((None, GREEN), (BURNS["budget"], YELLOW), (BURNS["slow"], ORANGE), (BURNS["fast"], RED))
_JUDGED = {"alert": RED, "below target": ORANGE, "few payments": GREY, "on target": GREEN}
"""Colour of each word about a success rate."""
_HIGH = 5


def overview() -> Board:
    """Return the dashboard 'Payments'."""
    here = Grid()
    here.row("Is it working? Now, and within the last hour")
    _success(here)
    _failed(here)
    _node(here)
    totals(here)
    success(here)
    speed(here)
    money(here)
    return Board("overview", "Lightning payments", "Is it working, how fast, and at what price?", here)


def _judged(window: str, *alerts: str) -> str:
    """Return the success rate of a window with a word: red where the alert is red, grey where few payments finished."""
    rate = overall(window)
    return judged(
        rate,
        [
            (firing(*alerts), "alert"),
            (f"{finished(window)} < {FEW}", "few payments"),
            (f"{rate} < {target(window)}", "below target"),
        ],
        "on target",
    )


def _success(here: Grid) -> None:
    here.add(
        several(
            Text(
                "Success, against its target",
                "Share that this node did not fail. Red: Outage or FailFast fires; orange: below the target of these "
                f"amounts; grey: fewer than {FEW} payments; away: no node answers. Burn: how many times as many fail "
                f"as the targets allow, at the worst node; an alert begins at {BURNS['fast']:g}. {BURNT_BY}",
                "percentunit",
            ),
            [
                Value(Query(_judged("10m", "Outage"), "10 min: {{is}}"), "percentunit", decimals=1),
                Value(Query(_judged("1h", "Outage", "FailFast"), "1 h: {{is}}"), "percentunit", decimals=1),
                Value(Query(target("1h"), "target"), "percentunit", ((None, GREY),), 1),
                Value(Query(ALL_AWAY, "now"), "none", mapped={"1": ("away", RED)}),
                Value(Query(f"max({burn('1h')} and {enough('1h')})", "burn, 1 h"), "suffix: x", _BURN, 1),
            ],
            empty=f"no payments, {NO_RULES}",
            colors={f"/: {word}$/": color for word, color in _JUDGED.items()},
        ),
        8,
        _HIGH,
    )


def _failed(here: Grid) -> None:
    by_cause = increase(BY_CAUSE.record, PAYMENT, window="1h")
    here.add(
        several(
            Text(
                "Failed, and the top cause",
                "Payments of all that failed, refusals too, and the most frequent cause; Why they fail tells more. "
                "`lnd-payments-exporter ended --failed --since=1h` lists them, `why HASH` explains one.",
                "locale",
            ),
            [
                Value(Query(total(by_cause), "failed"), "locale"),
                Value(Query(f"topk(1, {total(by_cause, 'cause')} > 0.5)", "{{cause}}"), "locale"),
            ],
            empty=f"none, {NO_RULES_HERE}",
            colors=CAUSES,
        ),
        4,
        _HIGH,
    )
    took = f"sum by (le) ({increase(DURATION.record, window='1h')})"
    within, whole = (
        total(increase(DURATION.record, exactly("le", le), window="1h")) for le in (f"{QUICK_S:.1f}", "+Inf")
    )
    here.add(
        several(
            Text(
                "How fast",
                "p95: 95 % arrived within this time, hold invoices included; and the share that took longer than "
                f"{QUICK_S:g} s. An alert begins at {SLOW_SHARE:.0%} over 30 minutes and 6 hours.",
                "s",
            ),
            [
                Value(Query(f"histogram_quantile(0.95, {took}) >= 0", "p95"), "s", decimals=1),
                Value(
                    Query(f"1 - {within} / ({whole} > 0)", f"over {QUICK_S:g} s"),
                    "percentunit",
                    ((None, BLUE), (SLOW_SHARE, ORANGE)),
                ),
            ],
            empty=f"none, {NO_RULES_HERE}",
        ),
        3,
        _HIGH,
    )


def _node(here: Grid) -> None:
    under_way = f"{PER_NODE} {total(m('in_flight'), *NODE)} > 0"
    spendable = total(f"{each(m('node_spendable_msat'))} {READY}")
    lasts = judged(f"min({runway()})", [(firing("LiquidityRunsOut"), ": warning")], "")
    here.add(
        several(
            Text(
                "Spendable now",
                "Local balance of active channels less reserves, and how long it lasts at its present trend, at the "
                "node where it is shortest; not shown if none falls. Empty: the node is away, or ListChannels isn't "
                "allowed. Orange: LiquidityRunsOut fires.",
                SATS,
            ),
            [
                Value(Query(f"round({spendable} / {SAT})", "in all"), SATS, decimals=None),
                Value(Query(lasts, "lasts{{is}}"), "s", decimals=1),
            ],
            empty="not known",
            colors={"/: warning$/": ORANGE},
        ),
        4,
        _HIGH,
    )
    here.add(
        several(
            Text(
                "In flight now",
                "Payments that have begun and not ended, and the age of the oldest. Good: none older than 10 minutes, "
                f"hold invoices aside; an alert tells after {ALERTS.stuck.hours} h. See In flight and at risk; "
                "`lnd-payments-exporter open` lists them.",
                "short",
            ),
            [
                Value(Query(total(m("in_flight")), "payments"), "short"),
                Value(
                    Query(f"time() - min({m('in_flight_oldest_timestamp_seconds')} and {under_way})", "oldest"),
                    "s",
                    ((None, BLUE), (ALERTS.stuck.hours * 3600, ORANGE)),
                ),
            ],
        ),
        3,
        _HIGH,
    )
    here.add(
        number(
            Text(
                "Away",
                "Nodes that don't answer, don't let the exporter in, or whose exporter is away. Good: 0; All nodes "
                "tells which.",
                "short",
            ),
            AWAY,
            ((None, GREEN), (1, RED)),
        ),
        2,
        _HIGH,
    )
