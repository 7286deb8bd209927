"""Alerts on payments in flight: HTLCs that near their expiry, payments that stay, successes after the end."""

from deploy.prometheus.recording import BLOCKS_LEFT
from deploy.prometheus.rule import Alert, Group, Selector, exactly, one_of
from deploy.prometheus.success import NODE
from deploy.prometheus.values import Severity, Values
from exporter.payments.labels import Age

FAR, NEAR = 144, 36
"""Blocks before the expiry of a held HTLC: about a day, about six hours."""


def flight(values: Values) -> Group:
    """The first three are never silenced by a node that is down: that is when they matter."""
    s = Selector(values)
    return Group("flight", [*_expiry(s), *_staying(s, values), _late(s)])


def _expiry(s: Selector) -> list[Alert]:
    left = '{{ $value | printf "%.0f" }}'

    def near(severity: Severity, blocks: int) -> Alert:
        return Alert(
            "HtlcNearExpiry",
            severity,
            f"{s(BLOCKS_LEFT)} < {blocks}",
            f"{NODE}: an HTLC expires in {left} blocks",
            f"""An HTLC that has been held for more than 30 minutes expires in {left} blocks (10 minutes each). If
            nobody has settled or failed it by then, lnd closes the channel by force. Is the peer online, and is lnd?
            """,
            "flight",
            lasts="5m",
            keeps="30m",
        )

    return [
        near(Severity.WARNING, FAR),
        near(Severity.CRITICAL, NEAR),
        Alert(
            "HtlcExpired",
            Severity.CRITICAL,
            f"{s(BLOCKS_LEFT)} <= 0",
            f"{NODE}: an HTLC has expired and is still held",
            """The block height at which an HTLC expires has passed, and lnd still says that it is in flight. It should
            be closing the channel by force (`lncli pendingchannels` shows that): if lnd is down, start it now.""",
            "flight",
            lasts="30m",
            keeps="30m",
        ),
    ]


def _staying(s: Selector, values: Values) -> list[Alert]:
    old = (Age.OVER,) if values.stuck_after_seconds == 86_400 else (Age.UNDER_1D, Age.OVER)  # noqa: PLR2004 - a day
    hours = values.stuck_after_seconds // 3600
    pending = f"sum without (purpose, age) ({s('in_flight', exactly('age', Age.UNDER_1H))})"
    return [
        Alert(
            "Stuck",
            Severity.WARNING,
            f"sum without (purpose, age) ({s('in_flight', one_of('age', old))}) > 0",
            f"{NODE}: {{{{ $value }}}} payments are in flight for more than {hours} h",
            """Payments, rebalances and probes alike. Somebody holds their HTLCs (a hold invoice does that on purpose),
            or lnd has forgotten them. Until they end nobody knows whether they will be paid: do not pay again.""",
            "flight",
            lasts="5m",
            keeps="5m",
        ),
        Alert(
            "Stalled",
            Severity.WARNING,
            f"{s('in_flight_stalled')} > 0",
            f"{NODE}: {{{{ $value }}}} payments are in flight without an HTLC",
            """lnd has nothing under way for them, and has said nothing for more than 10 minutes: they are stuck in lnd
            itself. A restart of lnd makes it look at them again.""",
            "flight",
            lasts="30m",
        ),
        Alert(
            "ManyPending",
            Severity.WARNING,
            f"""
            {pending} >= 10
            and {pending} > 3 * avg_over_time(({pending})[7d:5m])
            """,
            f"{NODE}: {{{{ $value }}}} payments are in flight for more than 10 minutes",
            """That is more than three times the average of the last week. A node on the way, or a peer of this node,
            takes HTLCs and lets go of none.""",
            "flight",
            lasts="5m",
            keeps="10m",
        ),
    ]


def _late(s: Selector) -> Alert:
    """Compared with what was known before, not by `increase`: also those that were found after an absence are told."""
    late = s("succeeded_late_total")
    return Alert(
        "LateSuccess",
        Severity.WARNING,
        f"sum without (reason) ({late} - last_over_time({late}[1d] offset 10m)) > 0",
        f"{NODE}: a payment succeeded after it had been given up",
        """lnd had written a failure reason, so whoever asked for the payment may have been told that it failed; then
        its HTLC was settled after all. Reconcile before anything is refunded or paid again.""",
        "flight",
        keeps="10m",
    )
