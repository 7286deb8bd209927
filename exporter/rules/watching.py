"""Alerts on the exporter itself: whether its metrics can be trusted."""

from exporter.payments.labels import Mode
from exporter.rules.days import SLOWLY
from exporter.rules.recording import raw_increase
from exporter.rules.rule import (
    NODE,
    OF_EXPORTER,
    ONE_PAGE,
    PAGE_A_NODE,
    PER_NODE,
    SHARE,
    Alert,
    Group,
    Selector,
    at_exporter,
    exactly,
    ratio,
    troubles,
)
from exporter.rules.thresholds import Lasting, Severity, TooSlowForLong
from exporter.rules.values import Values

INSTANCE = "{{ $labels.instance }}"


def watching(values: Values) -> Group:
    """Return the alerts on the exporter; none on the last update (a quiet node isn't dead) or a single loss."""
    s = Selector(values)
    given = values.alerts
    own = [
        _not_following(s, given.not_following),
        _stream_lies(s, given.stream_lies.severity),
        _updates_delayed(s, given.updates_delayed),
        _checkpoint_fails(given.checkpoint_fails),
        _reload_failed(given.reload_failed),
        _node_label_taken(given.node_label_taken.severity),
        _audit_unaccounted(s, given.audit_unaccounted),
        _catch_up_long(s, given.catch_up_long),
    ]
    return Group("exporter", [*troubles(values, own), _watchdog()])


def seldom(values: Values) -> Group:
    """Return the alert that reads weeks: it is evaluated seldom."""
    return Group(
        "exporter_weeks", troubles(values, [_state_reset(values.alerts.state_reset.severity)]), interval=SLOWLY
    )


def _stream_lies(s: Selector, severity: Severity) -> Alert:
    return Alert(
        "StreamLies",
        severity,
        f"""
        {raw_increase(s("recovered_total"), "15m")} > 0
        unless {PER_NODE} sum without (cause) (increase({s("interruptions_total")}[30m])) > 0
        unless {PER_NODE} min_over_time({s("stream_up")}[30m]) == 0
        unless on (job, instance) time() - process_start_time_seconds < 1800
        unless {OF_EXPORTER} time() - process_start_time_seconds{{{PAGE_A_NODE}}} < 1800
        unless {PER_NODE} {s("mode", exactly("mode", Mode.TRACK))} == 1
        """,
        f"{NODE}: lnd's stream kept quiet about payments that ended",
        """Ends of payments were learnt by asking although the stream was never lost: lnd doesn't tell everything. All
        is counted, but HTLC attempts of such payments may be missing. Restart the exporter, which subscribes anew, and
        report it.""",
        "node",
        keep_firing_for="10m",
    )


def _updates_delayed(s: Selector, given: TooSlowForLong) -> Alert:
    within = s("update_delay_seconds_bucket", f'le="{float(given.seconds)}"')
    count = s("update_delay_seconds_count")
    return Alert(
        "UpdatesDelayed",
        given.severity,
        f"""
        1 - sum without (le) (increase({within}[10m])) / increase({count}[10m]) > {ratio(given.percent)}
        and increase({count}[10m]) >= {given.at_least}
        """,
        f"{NODE}: {SHARE} of lnd's updates come more than {given.seconds:g} s late",
        """lnd or the connection to it is overloaded, the exporter lacks CPU, or the clocks of the two machines differ.
        """,
        "node",
        for_=f"{given.minutes}m",
        keep_firing_for="10m",
    )


def _checkpoint_fails(given: Lasting) -> Alert:
    return Alert(
        "CheckpointFails",
        given.severity,
        f"{raw_increase('lnd_payments_exporter_checkpoint_failures_total', '10m')} > 0",
        f"{INSTANCE}: the exporter can't write its state",
        """The disk is full, read-only, slow or gone, or another program holds a lock on the file: then pages stand
        still. Counting goes on, but what isn't written is lost with the process. The exporter's log says why.""",
        "node",
        for_=f"{given.minutes}m",
        keep_firing_for="5m",
    )


def _state_reset(severity: Severity) -> Alert:
    resets = "lnd_payments_exporter_state_resets_total"
    return Alert(
        "StateReset",
        severity,
        f"{resets} > max_over_time({resets}[30d] offset 1h)",
        f"{INSTANCE}: counters began at zero again or went back",
        """The exporter's state file could not be used and was set aside (corrupt), or was older than what had been
        written (older). The cause here: {{ $labels.cause }}. What was counted before is only in Prometheus.""",
        "node",
    )


def _reload_failed(given: Lasting) -> Alert:
    return Alert(
        "ReloadFailed",
        given.severity,
        "lnd_payments_exporter_config_last_reload_successful == 0",
        f"{INSTANCE}: the exporter has refused to reload its configuration",
        """Something in it is wrong, so nothing has changed: nodes that were added are not followed, and the exporter
        would not start again. Its log names every problem, and so does `lnd-payments-exporter check`.""",
        "node",
        for_=f"{given.minutes}m",
    )


def _node_label_taken(severity: Severity) -> Alert:
    """Return the alert on renamed labels `node`, for all profiles: the names of nodes are in another label then."""

    def hidden(layout: str, by: str) -> str:
        return f'count by (job, {by}) (lnd_payments_node_up{{exported_node!="",{layout}}}) > 0'

    return Alert(
        "NodeLabelTaken",
        severity,
        f"{hidden(ONE_PAGE, 'instance')} or sum without (exporter) ({at_exporter(hidden(PAGE_A_NODE, 'exporter'))})",
        f"{INSTANCE}: the scrape configuration hides the names of nodes",
        """The target has a label `node` of its own, so Prometheus calls the exporter's `exported_node`: rules and
        dashboards take something else for the node, and other alerts are wrong or missing. Drop the target's label.""",
        "node",
    )


def _not_following(s: Selector, given: Lasting) -> Alert:
    return Alert(
        "NotFollowing",
        given.severity,
        f"""
        {s("stream_up")} == 0 and {PER_NODE} {s("node_up")} == 1
        unless {PER_NODE} max_over_time({s("catching_up")}[10m]) == 1
        """,
        f"{NODE}: lnd answers, but its payments are not followed",
        """Payments are counted late or not at all: a message is too large, lnd lacks a call (before 0.16 TrackPayments,
        which --lnd.mode=firehose insists on), or something unexpected happens each time. The landing page of the
        exporter says which.""",
        "node",
        for_=f"{given.minutes}m",
    )


def _audit_unaccounted(s: Selector, given: Lasting) -> Alert:
    return Alert(
        "AuditUnaccounted",
        given.severity,
        f"{s('audit_unaccounted')} > 0",
        f"{NODE}: {{{{ $value }}}} payments were missing from the counters",
        """The audit found payments in lnd's database that no counter knew. They are counted now, but should never
        have been missed: please report it, with the line of the exporter's log that names their indexes.""",
        "node",
        for_=f"{given.minutes}m",
    )


def _catch_up_long(s: Selector, given: Lasting) -> Alert:
    """Return the alert on long catch-ups, including those that break off and start again."""
    return Alert(
        "CatchUpLong",
        given.severity,
        f"""
        max_over_time({s("catching_up")}[10m]) == 1
        and {PER_NODE} {s("stream_up")} == 0
        and {PER_NODE} max_over_time({s("node_up")}[10m]) == 1
        """,
        f"{NODE}: the exporter has been catching up for {given.minutes} minutes",
        """It reads what happened while it was away; the landing page says how far it is. Until then the counters
        lag behind, and rates are too high afterwards.""",
        "node",
        for_=f"{given.minutes}m",
    )


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
