"""Every metric and every recorded series is in a panel or in a rule, or there is a reason why not."""

import re

from dashboards.query import VALUES
from exporter.metrics.names import ROWS
from exporter.rules.generate import groups
from exporter.rules.rule import Recording
from tests.dashboards.panels import queries

NOWHERE = {
    "lnd_payments_failed_msat_total": "a payment that is tried again counts again, so sums of it mislead",
    "lnd_payments_fee_msat": "fees are shown as a rate and as sums; the distribution in msat is for own queries",
    "lnd_payments_settled_parts": "how payments are split is a matter of lnd's settings, not of health",
    "lnd_payments_htlc_attempts_started_total": "attempts are shown by how they end, and by peer",
    "lnd_payments_htlc_attempts_settled_total": "attempts that settle are shown by peer",
    "lnd_payments_htlc_attempts_unresolved_total": "makes the sum of attempts come out even, for those who check it",
    "lnd_payments_htlc_attempt_duration_seconds": "the panel by peer tells whose attempts take long",
    "lnd_payments_htlc_attempt_hops": "how long routes are is a matter of the network",
    "lnd_payments_in_flight_htlcs": "the panels show payments in flight and HTLCs by peer",
    "lnd_payments_updates_ignored_total": "lnd repeats itself; only whoever looks for a fault in the exporter needs it",
    "lnd_payments_exporter_build_info": "the variable Job takes its values from it",
    "lnd_payments_exporter_config_last_reload_success_timestamp_seconds": "the alert is on last_reload_successful",
}
"""Metrics that are deliberately in no panel and in no rule, each with the reason."""


def test_every_metric_is_used_or_has_a_reason() -> None:
    """A new metric gets a panel, a rule, or a line above; what is used has no line."""
    exprs = [asked.expr for asked in queries()] + [rule.expr for group in groups(VALUES) for rule in group.rules]
    used = set(re.findall(r"(?<![\w:])lnd_payments_\w+", " ".join(exprs)))
    unused = {row.name for row in ROWS if not used & {row.name, *(f"{row.name}_{end}" for end in ENDS)}}
    assert unused == set(NOWHERE)


ENDS = ("bucket", "count", "sum")
"""Ends of the series of a histogram."""


def test_every_recorded_series_is_read() -> None:
    """Those of the group for dashboards by a dashboard, all others by a dashboard or a rule but their own."""
    shown = [asked.expr for asked in queries()]
    rules = [(rule, group.name) for group in groups(VALUES) for rule in group.rules]
    for rule, group in rules:
        if isinstance(rule, Recording):
            readers = shown if group == "boards" else [*shown, *(other.expr for other, _ in rules if other != rule)]
            assert re.search(rf"{re.escape(rule.record)}(?!\w)", " ".join(readers)), rule.record
