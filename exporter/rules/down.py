"""Alerts on nodes that nobody watches: lnd can't be asked, the exporter is away; and one if there are many at once."""

from collections.abc import Iterator, Sequence

from exporter.rules.away import AWAY, DAY_S, DOWN, LISTED
from exporter.rules.last_page import SEEN
from exporter.rules.node import states
from exporter.rules.rule import (
    OF_EXPORTER,
    ONE_PAGE,
    PAGE_A_NODE,
    PREFIX,
    Alert,
    Group,
    Selector,
    at_exporter,
    exactly,
    ratio,
)
from exporter.rules.thresholds import Lasting, Many, Severity
from exporter.rules.values import Values

NAMED = 10
"""So many names of nodes are in a text; a fleet may have hundreds."""
SEVERAL = ("ExporterDown", "NodeUnreachable", "WalletLocked", "AccessDenied", "WrongNode")
"""The alerts for which `ManyNodesDown` stands. Not StartingForLong: many nodes that start at once will soon answer."""


def down(values: Values) -> Group:
    """Return the alerts, in one group: all are evaluated at the same moment, first the single ones."""
    s = Selector(values)
    single = [*states(s, values), *_exporter_down(s, values)]
    nothing = _nothing_scraped(values.job, values.alerts.nothing_scraped)
    return Group("down", [*single, *_many(values.alerts.many_nodes_down, single), nothing])


def _exporter_down(s: Selector, values: Values) -> list[Alert]:
    """Return the alert on pages that can't be got: one for an exporter, or for a node whose own page alone is missing.

    So an exporter of 200 nodes is one alert. If it has only one node, the alert has the label `node`, as a node's name
    decides where its alerts are sent.
    """
    answers = at_exporter(f"max by (job, exporter) (up{{{PAGE_A_NODE}}}) == 1")
    nodes = f"count by (job, instance) ({s(AWAY)} unless on (job, instance) {answers})"
    away = f"""
    ({s(AWAY)} unless on (job, instance) {nodes} > 1)
    or ({nodes} > 1)
    or ({_never_scraped(values)})
    """
    own_page = 'printf "up{job=%q,instance=%q,exporter!=\\"\\"} == 1" $labels.job $labels.instance | query'

    def alert(severity: Severity, minutes: int) -> Alert:
        return Alert(
            "ExporterDown",
            severity,
            away,
            "{{ with $labels.node }}{{ . }}: {{ end }}the payments exporter {{ $labels.instance }} "
            "{{ if gt $value 1.0 }}of {{ $value }} nodes {{ end }}is away",
            f"""Prometheus has got no page for {minutes} minutes: nobody watches payments and held
            HTLCs{{{{ if gt $value 1.0 }}}} of {_names(AWAY, "job", "instance")}{{{{ end }}}}. When the exporter is
            back, it counts what happened meanwhile.{{{{ if {own_page} }}}} The exporter itself answers: see the targets
            of its nodes in Prometheus.{{{{ end }}}}""",
            "node",
            for_=f"{minutes}m",
        )

    given = values.alerts.exporter_down
    first = alert(Severity.WARNING, given.warning_minutes)
    return [first, alert(Severity.CRITICAL, given.critical_minutes)] if given.critical_minutes else [first]


def _never_scraped(values: Values) -> str:
    """Return the exporters, of any node, of which some page was never got; the value is 0.

    The job tells them, or another page of the same exporter.
    """
    job = exactly("job", values.job)

    def silent(targets: str, layout: str) -> str:
        return f"({targets}) == 0 unless on (job, instance) {SEEN}{{{layout}}}"

    of_job, known = f"up{{{job},{PAGE_A_NODE}}}", f"up{{{PAGE_A_NODE}}} and {OF_EXPORTER} {SEEN}{{{PAGE_A_NODE}}}"
    of_nodes = at_exporter(f"min by (job, exporter) ({silent(f'{of_job} or {known}', PAGE_A_NODE)})")
    return f"""
    ({silent(f"up{{{job},{ONE_PAGE}}}", ONE_PAGE)})
    or sum without (exporter) ({of_nodes} unless on (job, instance) {AWAY})
    """


def _many(given: Many, single: Sequence[Alert]) -> Iterator[Alert]:
    """Yield the alert on many at once, for each severity of the single ones.

    It fires a minute before them, so that Alertmanager has it when they come: their conditions, which Prometheus keeps
    as ALERTS_FOR_STATE, must have begun two minutes earlier than for them, and stay for one.
    """
    all_nodes = f"count by (job) ({LISTED} == 1)"
    share = f"(count by (job) ({DOWN}) or 0 * {all_nodes}) / on (job) {all_nodes}"
    if given.at_least is None:
        return
    for severity, urgent in (
        (Severity.WARNING, {Severity.WARNING, Severity.CRITICAL}),
        (Severity.CRITICAL, {Severity.CRITICAL}),
    ):
        counted = [alert for alert in single if alert.name in SEVERAL and alert.severity in urgent]
        if severity not in {alert.severity for alert in counted}:
            continue
        pending = " or ".join(_pending(alert) for alert in counted)
        yield Alert(
            "ManyNodesDown",
            severity,
            f"""
            count by (job) (count by (job, instance, node) ({pending})) >= {given.at_least}
            unless on (job) {share} <= {ratio(given.percent)}
            """,
            "{{ $labels.job }}: {{ $value }} exporters or nodes are down at once",
            f"""Nobody watches their payments and held HTLCs. Look for what they share: the network, a machine, a
            macaroon. {{{{ with printf "{DOWN}{{job=%q}}" $labels.job | query }}}}{{{{ len . }}}} nodes are down:
            {_names(DOWN, "job")}{{{{ else }}}}The exporters were never scraped{{{{ end }}}}. This stands for their own
            alerts, but not for those on held HTLCs.""",
            "node",
            for_="1m",
            keep_firing_for="5m",
        )


def _pending(alert: Alert) -> str:
    """Return the conditions of an alert that will hold long enough within two minutes."""
    labels = {"alertname": PREFIX + alert.fires_as, **alert.labels}
    began = f"ALERTS_FOR_STATE{{{','.join(exactly(label, word) for label, word in labels.items())}}}"
    early_s = max(int(alert.for_.removesuffix("m")) - 2, 0) * 60
    return f"time() - {began} >= {early_s}"


def _nothing_scraped(job: str, given: Lasting) -> Alert:
    """Return the alert that fires if there is no exporter at all: not even one that is away since yesterday."""
    return Alert(
        "NothingScraped",
        given.severity,
        f"absent(up{{{exactly('job', job)}}}) unless on () time() - {SEEN} < {DAY_S}",
        "Prometheus has no target of the job {{ $labels.job }}, and has got no page of any exporter for a day",
        "Nobody watches payments and held HTLCs. Check `scrape_configs` in prometheus.yml, and `job` in values.yml.",
        "node",
        for_=f"{given.minutes}m",
    )


def _names(series: str, *labels: str) -> str:
    """Return a template of the names of nodes of a recorded series, and how many more there are.

    They are those with the same values of these labels as the alert.
    """
    matchers = ",".join(f"{label}=%q" for label in labels)
    of_alert = " ".join(f"$labels.{label}" for label in labels)

    def answer(query: str) -> str:
        return f'printf "{query}" {of_alert} | query'

    every, more = f"{series}{{{matchers}}}", f"count({series}{{{matchers}}}) - {NAMED} > 0"
    return (
        f'{{{{ range $place, $node := {answer(every)} | sortByLabel "node" }}}}{{{{ if lt $place {NAMED} }}}}'
        '{{ if $place }}, {{ end }}{{ label "node" $node }}{{ end }}{{ end }}'
        f"{{{{ with {answer(more)} }}}} and {{{{ . | first | value }}}} more{{{{ end }}}}"
    )
