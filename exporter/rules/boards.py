"""Recorded sums of counters that only dashboards read: one series for many, with a sample a minute."""

from typing import NamedTuple

from exporter.metrics.names import NODE_ROWS
from exporter.metrics.row import HistogramRow
from exporter.payments.labels import PURPOSE, Outcome, Purpose
from exporter.rules.last_page import kept
from exporter.rules.rule import Group, Recording, Selector, exactly, one_of
from exporter.rules.values import Values

EVERY = "1m"
"""Interval of the group. A rate needs two samples: windows on these series must be longer than 2 minutes."""


class Sum(NamedTuple):
    """A recorded sum of a counter."""

    metric: str
    """The end of the counter's name; of a histogram with `_bucket`, `_sum` or `_count`."""
    by: tuple[str, ...]
    """The labels that are left, besides those of the node."""
    which: tuple[str, ...] = ()
    """Matchers for a part of the counter."""
    name: str = ""
    """The name of this part, instead of `metric`."""

    @property
    def record(self) -> str:
        """The name of the recorded series."""
        return f"{'_'.join(('instance_node', *self.by))}:lnd_payments_{self.name or self.metric}:sum"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the counter, besides those of the node."""
        name = f"lnd_payments_{self.metric}"
        for row in NODE_ROWS:
            if row.name == name:
                return tuple(row.labels)
            if isinstance(row, HistogramRow) and name.startswith(f"{row.name}_"):
                return (*row.labels, "le") if name.endswith("_bucket") else tuple(row.labels)
        raise ValueError(f"{name}: no metric has this name")

    def recording(self, s: Selector) -> Recording:
        """Return the rule that records it."""
        series = s(self.metric, *self.which)
        without = [label for label in self.labels if label not in self.by]
        # A copy with a sample a minute costs a dashboard a quarter of the original with one every 15 s.
        return Recording(self.record, f"sum without ({', '.join(without)}) ({series})" if without else series)


_SUCCESSES = (exactly("purpose", Purpose.PAYMENT), exactly("outcome", Outcome.SUCCEEDED))

SUCCEEDED_BY_KIND = Sum("succeeded_total", ("kind",))
FAILED_BY_KIND = Sum("failed_total", ("kind",))
MADE_GOOD_BY_KIND = Sum("failed_made_good_total", ("kind",))
SENT_BY_KIND = Sum("sent_msat_total", ("kind",))
FEES_BY_KIND = Sum("fees_msat_total", ("kind",))
DURATION = Sum("duration_seconds_bucket", ("le",), _SUCCESSES, "succeeded_duration_seconds_bucket")
"""How long payments took that succeeded, without rebalances and probes."""
FIRST_ATTEMPT = Sum("first_attempt_seconds_bucket", ("le",))
RUNS = Sum("runs_per_success_bucket", ("le",), _SUCCESSES[:1], "runs_per_paid_invoice_bucket")
"""Tries that each success took, without rebalances and probes."""
FEE_PPM = Sum("fee_ppm_bucket", ("purpose", "le"))
ATTEMPTS = Sum("htlc_attempts_per_payment_bucket", ("purpose", "le"))
BY_CAUSE = Sum("failed_by_cause_total", ("purpose", "cause"))
BY_AMOUNT_AND_CAUSE = Sum("failed_by_cause_total", ("purpose", "amount_band", "cause"))
HTLCS_FAILED = Sum("htlc_attempts_failed_total", ("purpose", "code", "source"))
PEER_ATTEMPTS = Sum("peer_htlc_attempts_total", ("peer", "outcome"))
PEER_OUTSTANDING = Sum("peer_htlc_outstanding_seconds_total", ("peer",))
PEER_SENT = Sum("peer_sent_msat_total", ("peer",))
PEER_FEES = Sum("peer_fees_msat_total", ("peer",))
PEER_REBALANCE_FEES = Sum("peer_rebalance_fees_msat_total", ("peer",))
PEER_ALIAS = Sum("peer_info", ("peer", "alias"))
"""A copy, so that tables have names for the whole time shown, also where the exporter is away now."""
DESTINATIONS = Sum("destination_ended_total", ("destination", "outcome", "cause"))

SUMS = (
    SUCCEEDED_BY_KIND,
    FAILED_BY_KIND,
    MADE_GOOD_BY_KIND,
    SENT_BY_KIND,
    FEES_BY_KIND,
    DURATION,
    FIRST_ATTEMPT,
    RUNS,
    FEE_PPM,
    ATTEMPTS,
    BY_CAUSE,
    BY_AMOUNT_AND_CAUSE,
    HTLCS_FAILED,
    PEER_ATTEMPTS,
    PEER_OUTSTANDING,
    PEER_SENT,
    PEER_FEES,
    PEER_REBALANCE_FEES,
    PEER_ALIAS,
    DESTINATIONS,
)

BY_REASON = "instance_node_purpose_reason:lnd_payments_failed_total:sum"
"""Failed payments; the counter has the label `kind` and no `purpose`."""
MADE_GOOD_BY_BAND = "instance_node_amount_band:lnd_payments_made_good_total:sum"
"""Bad payments of counted kinds that a later one of the same hash made good, like `BAD_BY_BAND`."""
HELD = "instance_node:lnd_payments_held_htlcs:last"
"""HTLCs held on the last page of a node, however old."""


def boards(values: Values) -> Group:
    """Return the recordings."""
    s = Selector(values)
    counted, bad = one_of("kind", values.counted_kinds), one_of("reason", values.bad_reasons)
    by_purpose = " or ".join(
        f'label_replace(sum without (kind, amount_band) ({s("failed_total", _kinds(of))}), "purpose", "{of}", "", "")'
        for of in Purpose
    )
    return Group(
        "boards",
        [
            *(each.recording(s) for each in SUMS),
            Recording(BY_REASON, by_purpose),
            Recording(MADE_GOOD_BY_BAND, f"sum without (kind, reason) ({s('failed_made_good_total', counted, bad)})"),
            kept(s, HELD, f"sum without (blocks_left) ({s('held_htlcs')})"),
        ],
        interval=EVERY,
    )


def _kinds(of: Purpose) -> str:
    return one_of("kind", (kind for kind, purpose in PURPOSE.items() if purpose is of))
