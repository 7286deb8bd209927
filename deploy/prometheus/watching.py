"""Alerts on the exporter itself: whether what it says can be relied upon."""

from deploy.prometheus.rule import PER_NODE, Alert, Group, Selector
from deploy.prometheus.success import NODE, SHARE
from deploy.prometheus.values import Severity, Values

INSTANCE = "{{ $labels.instance }}"


def watching(values: Values) -> Group:
    """Never alerted on: the time of the last update (quiet is not dead), and single interruptions."""
    s = Selector(values)
    return Group("exporter", [*_blind(values), _lies(s), _delayed(s), *_state(), *_behind(s), _watchdog()])


def _blind(values: Values) -> list[Alert]:
    up = f'up{{job="{values.job}"}}'

    def alert(severity: Severity, lasts: str) -> Alert:
        return Alert(
            "ExporterDown",
            severity,
            f"{up} == 0 or absent({up})",
            "the payments exporter {{ with $labels.instance }}{{ . }} {{ end }}is away",
            f"""Prometheus has got no page for {lasts}: nobody watches payments and held HTLCs. When the exporter is
            back, it counts what happened meanwhile.""",
            "node",
            lasts=lasts,
        )

    return [alert(Severity.WARNING, "5m"), alert(values.exporter_down_severity, "15m")]


def _lies(s: Selector) -> Alert:
    return Alert(
        "StreamLies",
        Severity.WARNING,
        f"""
        increase({s("recovered_total")}[15m]) > 0
        unless {PER_NODE} sum without (cause) (increase({s("interruptions_total")}[30m])) > 0
        unless {PER_NODE} min_over_time({s("stream_up")}[30m]) == 0
        unless on (job, instance) time() - process_start_time_seconds < 1800
        """,
        f"{NODE}: lnd's stream kept quiet about payments that ended",
        """Ends of payments were learnt by asking although the stream was never lost: lnd doesn't tell everything. All
        is counted, but HTLC attempts of such payments may be missing. Restart the exporter, which subscribes anew, and
        report it.""",
        "node",
        keeps="10m",
    )


def _delayed(s: Selector) -> Alert:
    within, count = s("update_delay_seconds_bucket", 'le="5.0"'), s("update_delay_seconds_count")
    return Alert(
        "UpdatesDelayed",
        Severity.WARNING,
        f"""
        1 - sum without (le) (increase({within}[10m])) / increase({count}[10m]) > 0.1
        and increase({count}[10m]) >= 20
        """,
        f"{NODE}: {SHARE} of lnd's updates come more than 5 s late",
        """lnd or the connection to it is overloaded, the exporter lacks CPU, or the clocks of the two machines differ.
        """,
        "node",
        lasts="5m",
        keeps="10m",
    )


def _state() -> list[Alert]:
    resets = "lnd_payments_exporter_state_resets_total"
    return [
        Alert(
            "CheckpointFails",
            Severity.WARNING,
            "increase(lnd_payments_exporter_checkpoint_failures_total[10m]) > 0",
            f"{INSTANCE}: the exporter can't write its state",
            """The disk is full, read-only or gone. Counting goes on, but what is shown meanwhile is lost if the process
            ends before there is room again. The exporter's log names the file.""",
            "node",
            lasts="5m",
            keeps="5m",
        ),
        Alert(
            "StateReset",
            Severity.WARNING,
            f"{resets} > max_over_time({resets}[30d] offset 1h)",
            f"{INSTANCE}: all counters began at zero again",
            """The exporter's state file could not be used ({{ $labels.cause }}) and was set aside. What was counted
            before is only in Prometheus; what ended in between isn't counted.""",
            "node",
        ),
    ]


def _behind(s: Selector) -> list[Alert]:
    return [
        Alert(
            "NotFollowing",
            Severity.WARNING,
            f"""
            {s("stream_up")} == 0 and {PER_NODE} {s("node_up")} == 1 unless {PER_NODE} {s("catching_up")} == 1
            """,
            f"{NODE}: lnd answers, but its payments are not followed",
            """Payments are counted late or not at all: lnd is too old for TrackPayments (before 0.16), a message is too
            large, or something unexpected happens each time. The landing page of the exporter says which.""",
            "node",
            lasts="15m",
        ),
        Alert(
            "AuditUnaccounted",
            Severity.WARNING,
            f"{s('audit_unaccounted')} > 0",
            f"{NODE}: {{{{ $value }}}} payments were missing from the counters",
            """The audit found payments in lnd's database that no counter knew. They are counted now, but should never
            have been missed: please report it, with the line of the exporter's log that names their indexes.""",
            "node",
            lasts="30m",
        ),
        Alert(
            "CatchUpLong",
            Severity.WARNING,
            f"{s('catching_up')} == 1 and {PER_NODE} {s('node_up')} == 1",
            f"{NODE}: the exporter has been catching up for 15 minutes",
            """It reads what happened while it was away; the landing page says how far it is. Until then the counters
            lag behind, and rates are too high afterwards.""",
            "node",
            lasts="15m",
        ),
    ]


def _watchdog() -> Alert:
    return Alert(
        "Watchdog",
        Severity.INFO,
        "vector(1)",
        "alerts arrive",
        """This alert always fires: when it stops coming, Prometheus or Alertmanager are not at work. Send it to a
        dead man's switch.""",
        "fleet",
    )
