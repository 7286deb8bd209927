"""The panels of the fourth dashboard on the exporter itself and the updates that it receives."""

from dashboards.graphs import Value, areas, bars, lines, several
from dashboards.layout import Grid
from dashboards.panel import BLUE, GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import (
    CERTIFICATE_S,
    DAY_S,
    DELAY_S,
    DELAY_SHARE,
    JOBS,
    NODE,
    WHO,
    increase,
    m,
    of_exporters,
    rate,
    total,
)
from dashboards.words import INTERRUPTIONS, METHODS, UPDATES
from exporter.payments.labels import CallOutcome
from exporter.rules.rule import ONE_PAGE, PAGE_A_NODE, at_exporter, exactly

_AWAY = of_exporters(
    f"(max by (job, instance) (up{{{JOBS},{ONE_PAGE}}} == 0) "
    f"or {at_exporter(f'max by (job, exporter) (up{{{JOBS},{PAGE_A_NODE}}} == 0)')})"
)
"""Exporters of the chosen nodes of which Prometheus can't scrape some page."""
_NO_STATE = 10**9
"""Stands for the age of the state of an exporter that has a page, but no file."""
_ZERO = ((None, GREEN), (0.5, RED))
"""Colours of a number that is 0 while all is well."""
_FASTER = f"{1 - DELAY_SHARE:.0%} are faster"


def updates(here: Grid) -> None:
    """Add the panels on whether all updates arrive, and in time."""
    here.row("What is heard of it")
    here.add(
        bars(
            Text(
                "Losses of the stream, by cause",
                "Within 10 minutes. Single ones are weather: what happened meanwhile is asked for afterwards.",
                "short",
            ),
            [Query(total(increase("interruptions_total", window="10m"), "cause"), "{{cause}}")],
            colors=INTERRUPTIONS,
        ),
        8,
    )
    buckets = f"sum by (le) ({increase('update_delay_seconds_bucket', window='10m')})"
    here.add(
        lines(
            Text(
                "Delay of updates",
                f"From lnd's time of an HTLC to its arrival here, {_FASTER} within 10 minutes. Good: below 0.1 s. "
                f"Dashed: the alert, when more than {DELAY_SHARE:.0%} take {DELAY_S:g} s. Empty without HTLCs.",
                "s",
            ),
            [Query(f"histogram_quantile({1 - DELAY_SHARE:g}, {buckets}) >= 0", _FASTER)],
            ((None, "transparent"), (DELAY_S, ORANGE)),
            empty="no HTLCs",
        ),
        8,
    )
    here.add(
        areas(
            Text(
                "Not heard live, within an hour",
                "recovered: ends learnt by asking. incomplete: whose attempts may have been missed. lost: that lnd "
                "no longer knows. All are counted; without a loss of the stream good is 0.",
                "short",
            ),
            [
                Query(total(increase("recovered_total", window="1h")), "recovered"),
                Query(total(increase("attempts_incomplete_total", window="1h")), "incomplete"),
                Query(total(increase("lost_total", window="1h")), "lost"),
            ],
            colors={"recovered": BLUE, "incomplete": YELLOW, "lost": RED},
        ),
        8,
    )
    here.add(
        bars(
            Text("Updates per second", "Snapshots of payments received, by the call that brought them.", "short"),
            [Query(total(rate("updates_total"), "source"), "{{source}}")],
            colors=UPDATES,
        ),
        8,
    )
    here.add(
        bars(
            Text(
                "Catching up, payments per second",
                "Payments read to learn what was missed. Good: 0 but after a start or a loss of the stream.",
                "short",
            ),
            [Query(total(rate("catch_up_payments_total"), *NODE), WHO)],
        ),
        8,
    )
    here.add(
        bars(
            Text(
                "Calls to lnd per minute",
                "What the exporter costs the node; streams count when they end, and with an error. Good: a few.",
                "short",
            ),
            [
                Query(
                    f"60 * {total(rate('lnd_calls_total', exactly('outcome', CallOutcome.OK)), 'method')}", "{{method}}"
                ),
                Query(f"60 * {total(rate('lnd_calls_total', exactly('outcome', CallOutcome.ERROR)))}", "errors"),
            ],
            colors={**METHODS, "errors": RED},
        ),
        8,
    )


def exporter(here: Grid) -> None:
    """Add the panels on the process and its state file."""
    here.row("The exporter")
    written = of_exporters(f"lnd_payments_exporter_checkpoint_timestamp_seconds{{{JOBS}}}")
    risen = "increase(lnd_payments_exporter_{}_total{{{}}}[$__range])"
    here.add(
        several(
            Text(
                "Audit, state file, certificate",
                "Unaccounted: payments that ended in lnd's database and were in no counter; a bug, please report it. "
                "Begun anew: state files that could not be used; failed writes: the disk is full or read-only; both "
                "within the time shown. The age is the scrape interval while all is well. Good: the rest 0, and more "
                f"than {CERTIFICATE_S[1] // DAY_S} days.",
                "short",
            ),
            [
                Value(
                    Query(f"{total(m('audit_unaccounted'))} or 0 * max({m('node_up')})", "unaccounted"), "short", _ZERO
                ),
                Value(
                    Query(total(of_exporters(risen.format("state_resets", JOBS))), "counters begun anew"),
                    "short",
                    _ZERO,
                ),
                Value(
                    Query(total(of_exporters(risen.format("checkpoint_failures", JOBS))), "failed writes"),
                    "short",
                    _ZERO,
                ),
                Value(
                    Query(f"max(time() - {written}) or {_NO_STATE} + 0 * max({m('node_up')})", "age of the state"),
                    "s",
                    ((None, GREEN), (300, ORANGE)),
                    mapped={str(_NO_STATE): ("memory only", BLUE)},
                ),
                Value(
                    Query(
                        f"min({m('node_certificate_expiry_timestamp_seconds')} - time())", "lnd's certificate ends in"
                    ),
                    "s",
                    ((None, RED), (CERTIFICATE_S[0], ORANGE), (CERTIFICATE_S[1], GREEN)),
                ),
                Value(Query(f"count({_AWAY}) or vector(0)", "exporters away"), "short", _ZERO),
            ],
        ),
        24,
        5,
    )
    here.add(
        lines(
            Text("Scrape time", "How long Prometheus waits for a page. Good: below a second.", "s"),
            [Query(of_exporters(f"scrape_duration_seconds{{{JOBS}}}"), "{{instance}}")],
        ),
        8,
    )
    here.add(
        lines(
            Text("Memory", "Resident memory of the exporter. Good: level.", "bytes"),
            [Query(of_exporters(f"process_resident_memory_bytes{{{JOBS}}}"), "{{instance}}")],
        ),
        8,
    )
    here.add(
        lines(
            Text("CPU", "Share of one core that the exporter uses. Good: a few percent.", "percentunit"),
            [Query(of_exporters(f"rate(process_cpu_seconds_total{{{JOBS}}}[$__rate_interval])"), "{{instance}}")],
        ),
        8,
    )
