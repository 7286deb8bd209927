"""The dashboard of payments in flight: their ages, the peers that hold HTLCs, and the blocks left."""

from dashboards.board import Board
from dashboards.graphs import Value, areas, in_words, lines, several
from dashboards.hanging import hanging
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, SATS, YELLOW, Query, Text
from dashboards.peers import held_by
from dashboards.presence import BLOCKS_LEFT, KNOWN, STATE, STATES, UP, held, held_unseen
from dashboards.query import FAR, NEAR, SAT, WHO, increase, m, total
from dashboards.words import CAUSES, HANGING
from exporter.payments.labels import Cause
from exporter.payments.node import BLOCK_S
from exporter.rules.away import LISTED
from exporter.rules.rule import PER_NODE, exactly

AGES = {"under_1m": GREEN, "1m_to_10m": BLUE, "10m_to_1h": YELLOW, "1h_to_1d": ORANGE, "1d_and_over": RED}
"""Colour of each age band of payments in flight."""
_LEFT = {"144_and_over": GREEN, "36_to_144": YELLOW, "under_36": ORANGE, "expired": RED}
_UNSEEN = "node away: as of its last answer"
_BLOCKS_AN_HOUR = 3600 / BLOCK_S
_NONE = 10**9
"""Stands for blocks left if no HTLC is held."""
_NONE_HELD = {str(_NONE): ("none held", GREEN)}
_AWAY = "not known: a node is away"


def flight() -> Board:
    """Return the dashboard 'In flight and at risk'."""
    here = Grid()
    _first_row(here)
    _over_time(here)
    held_by(here)
    return Board(
        "flight",
        "Lightning payments: in flight and at risk",
        "How old is what is under way, who holds it, and when does lnd have to close a channel by force?",
        here,
    )


def _first_row(here: Grid) -> None:
    here.add(
        in_words(
            Text(
                "State of the node",
                "Good: ready. While a node or its exporter is away, everything below is as of the last answer; only "
                "the blocks left go on, estimated at one in 10 minutes. Of many nodes the worst six.",
                "none",
            ),
            f"topk(6, {STATE})",
            WHO,
            STATES,
        ),
        24,
        3,
    )
    left = ((None, RED), (NEAR, ORANGE), (FAR, GREEN))
    began = f"min({m('in_flight_oldest_timestamp_seconds')})"
    in_hours = tuple((None if blocks is None else blocks / _BLOCKS_AN_HOUR, color) for blocks, color in left)
    here.add(
        several(
            Text(
                "Until the first expiry",
                "Of the HTLCs held for more than 30 minutes; at 0 lnd closes the channel by force. Blocks that a "
                "stopped node has not seen are estimated, one in 10 minutes; hours are at this pace. Good: none held, "
                f"or above {FAR} blocks.",
                "suffix: blocks",
            ),
            [
                Value(Query(_first_expiry(), "blocks left"), "suffix: blocks", left, mapped=_NONE_HELD),
                Value(Query(f"{BLOCK_S} / 3600 * min({BLOCKS_LEFT})", "time left"), "suffix: hours", in_hours),
            ],
            empty=_AWAY,
        ),
        10,
        5,
    )
    here.add(
        several(
            Text(
                "In flight",
                "Payments that have begun and not ended, their amount without fees, and the age of the oldest. Good: "
                "minutes, hold invoices aside. `lnd-payments-exporter open` lists it first.",
                "short",
            ),
            [
                Value(Query(total(m("in_flight")), "payments"), "short"),
                Value(Query(f"{total(m('in_flight_msat'))} / {SAT}", "amount"), SATS),
                Value(
                    Query(f"time() - {began} and on () {total(m('in_flight'))} > 0", "oldest"),
                    "s",
                    ((None, GREEN), (600, YELLOW), (3600, ORANGE)),
                    None,
                ),
            ],
            empty="the exporter is away",
        ),
        14,
        5,
    )
    hanging(here)


def _first_expiry() -> str:
    """Return the blocks left, or that no HTLC is held; nothing if none is known, but a node is away."""
    away = f"{KNOWN} unless {UP} == 1 unless {PER_NODE} {m(LISTED)} == 0"
    return f"min({BLOCKS_LEFT}) or {_NONE} + 0 * max({UP}) unless on () ({away})"


def by_age() -> list[Query]:
    """Return queries for the payments in flight by age, the youngest first."""
    return [Query(total(m("in_flight", exactly("age", age))), age) for age in AGES]


def _over_time(here: Grid) -> None:
    here.row("How old, and how close to its end?")
    here.add(
        areas(
            Text(
                "Payments in flight, by age",
                "Good: next to nothing older than 10 minutes, hold invoices aside. "
                "`lnd-payments-exporter open --older-than=10m` lists them, `why HASH` explains one.",
                "short",
            ),
            by_age(),
            colors=AGES,
        ),
        12,
    )
    here.add(
        areas(
            Text(
                "Held HTLCs, by blocks left",
                f"Outstanding for more than 30 minutes. Good: none below {FAR} blocks. Grey: the "
                "node or its exporter is away, and nobody knows whether they still are; the blocks go on beside.",
                "short",
            ),
            [*(Query(held(left), left) for left in _LEFT), Query(held_unseen(), _UNSEEN)],
            colors=_LEFT | {_UNSEEN: GREY},
        ),
        12,
    )
    here.add(
        lines(
            Text(
                "Blocks until the first expiry, over time",
                f"Dashed: where the alerts begin, {FAR} and {NEAR}. It goes on while the node or its exporter is away. "
                "Empty while nothing is held.",
                "suffix: blocks",
            ),
            [Query(BLOCKS_LEFT, WHO)],
            ((None, "transparent"), (NEAR, RED), (FAR, ORANGE)),
            bottom=None,
            empty="nothing is held",
        ),
        12,
    )
    here.add(
        lines(
            Text(
                "Locked in HTLCs, sat",
                "Amount of all outstanding HTLCs, and of those held for more than 30 minutes; fees included.",
                SATS,
            ),
            [
                Query(f"{total(m('in_flight_htlcs_msat'))} / {SAT}", "outstanding"),
                Query(f"{total(m('held_htlcs_msat'))} / {SAT}", "held"),
            ],
            colors={"outstanding": BLUE, "held": CAUSES[Cause.HELD]},
        ),
        12,
    )
    here.add(
        areas(
            Text(
                "Given up and still open, stalled, on no channel",
                "Given up: may yet succeed. Stalled: without an HTLC and without news. On no channel: HTLCs that lnd "
                "calls in flight, but that their open channel has not held for 10 minutes (needs ListChannels). "
                "Good: 0. `lnd-payments-exporter open` lists the payments.",
                "short",
            ),
            [
                Query(total(m("in_flight_given_up")), "given up, still open"),
                Query(total(m("in_flight_stalled")), "stalled"),
                Query(total(m("in_flight_ghost_htlcs")), "HTLCs on no channel"),
            ],
            colors={word: HANGING[word] for word in ("given up, still open", "stalled", "HTLCs on no channel")},
        ),
        12,
    )
    here.add(
        areas(
            Text(
                "Successes after giving up",
                "Within the last 10 minutes; each is told by an alert. Good: 0. Reconcile before anything is refunded: "
                "`lnd-payments-exporter ended --late --since=1d` lists them.",
                "short",
            ),
            [Query(total(increase("succeeded_late_total", window="10m")), "succeeded late")],
            colors={"succeeded late": ORANGE},
        ),
        12,
    )
