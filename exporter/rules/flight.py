"""Alerts on payments in flight: HTLCs near their expiry, payments that stay in flight, late successes."""

from exporter.payments.labels import Age
from exporter.rules.away import BLOCKS_LEFT
from exporter.rules.days import USUALLY_PENDING
from exporter.rules.last_page import KEPT
from exporter.rules.recording import LATE, PENDING
from exporter.rules.rule import NODE, Alert, Group, Selector, on_current_exporter, one_of
from exporter.rules.thresholds import Severity
from exporter.rules.values import Values

_OLD = {1: (Age.UNDER_1D, Age.OVER), 24: (Age.OVER,)}
"""Values of the label `age` for payments in flight for this many hours."""


def flight(values: Values) -> Group:
    """Return the alerts on payments in flight. A node that is down never mutes the first three: they matter then."""
    s = Selector(values)
    return Group("flight", [*_htlc_expiry(s, values), *_stuck_payments(s, values), _late_success(s, values)])


def _htlc_expiry(s: Selector, values: Values) -> list[Alert]:
    when = '{{ if gt $value 0.0 }}expires in {{ $value | printf "%.0f" }} blocks{{ else }}has expired{{ end }}'

    def near(severity: Severity, blocks: int) -> Alert:
        return Alert(
            "HtlcNearExpiry",
            severity,
            f"{s(BLOCKS_LEFT)} < {blocks}",
            f"{NODE}: an HTLC {when}",
            f"""An HTLC that has been held for more than 30 minutes {when}. If nobody has settled or failed it by
            then, lnd closes the channel by force. A block takes ten minutes. Is the peer online, and is lnd?""",
            "flight",
            for_="5m",
            keep_firing_for="30m",
        )

    given, expired = values.alerts.htlc_near_expiry, values.alerts.htlc_expired
    return [
        near(Severity.WARNING, given.warning_blocks),
        near(Severity.CRITICAL, given.critical_blocks),
        Alert(
            "HtlcExpired",
            expired.severity,
            f"{s(BLOCKS_LEFT)} <= 0",
            f"{NODE}: an HTLC has expired and is still held",
            """The block height at which an HTLC expires has passed, and lnd still says that it is in flight. It should
            be closing the channel by force (`lncli pendingchannels` shows that): if lnd is down, start it now.""",
            "flight",
            for_=f"{expired.minutes}m",
            keep_firing_for="30m",
        ),
    ]


def _stuck_payments(s: Selector, values: Values) -> list[Alert]:
    stuck, stalled, many = values.alerts.stuck, values.alerts.stalled, values.alerts.many_pending
    return [
        Alert(
            "Stuck",
            stuck.severity,
            f"sum without (purpose, age) ({s('in_flight', one_of('age', _OLD[stuck.hours]))}) > 0",
            f"{NODE}: payments in flight for more than {stuck.hours} h: {{{{ $value }}}}",
            """Payments, rebalances and probes alike. Somebody holds their HTLCs (a hold invoice does that on purpose),
            or lnd has forgotten them. Until they end nobody knows whether they will be paid: do not pay again.""",
            "flight",
            for_="5m",
            keep_firing_for="5m",
        ),
        Alert(
            "Stalled",
            stalled.severity,
            f"{s('in_flight_stalled')} > 0",
            f"{NODE}: payments in flight without an HTLC: {{{{ $value }}}}",
            """lnd has nothing under way for them, and has said nothing for more than 10 minutes: they are stuck in lnd
            itself. A restart of lnd makes it look at them again.""",
            "flight",
            for_=f"{stalled.minutes}m",
        ),
        Alert(
            "GhostHtlcs",
            values.alerts.ghost_htlcs.severity,
            f"{s('in_flight_ghost_htlcs')} > 0",
            f"{NODE}: {{{{ $value }}}} HTLCs are in flight, but on no channel",
            """lnd says that they are in flight, but for 10 minutes they have not been on their channels, which are
            open. Nobody can settle or fail them: their payments may hang for ever. Do not pay them again yet.""",
            "flight",
            keep_firing_for="10m",
        ),
        Alert(
            "ManyPending",
            many.severity,
            f"""
            {s(PENDING)} >= {many.at_least}
            and {s(PENDING)} > {many.times:g} * {s(USUALLY_PENDING)}
            """,
            f"{NODE}: {{{{ $value }}}} payments are in flight for more than 10 minutes",
            f"""That is more than {many.times:g} times as many as there are 99 % of the time within a week. A node on
            the way, or a peer of this node, takes HTLCs and lets go of none.""",
            "flight",
            for_="5m",
            keep_firing_for="10m",
        ),
    ]


def _late_success(s: Selector, values: Values) -> Alert:
    """Return the alert on late successes. It compares with the last known count, so that it includes an absence."""
    return Alert(
        "LateSuccess",
        values.alerts.late_success.severity,
        on_current_exporter(s, f"{s(LATE)} - last_over_time({s(LATE)}[{KEPT}] offset 10m) > 0"),
        f"{NODE}: a payment succeeded after it had been given up",
        """lnd had written a failure reason, so whoever asked for the payment may have been told that it failed; then
        its HTLC was settled after all. Reconcile before anything is refunded or paid again.""",
        "flight",
        keep_firing_for="10m",
    )
