"""Recorded sums of what failed, by cause and kind, so that windows read a few series and not all of them."""

from exporter.payments.labels import PURPOSE, AmountBand, Kind, Reason
from exporter.rules.rule import Recording, Selector, exactly, one_of
from exporter.rules.values import Values

NO_BAND = ""
"""The amount band of all payments, if the exporter has `--metrics.without=amounts`: the label is missing then."""
REFUSED = "instance_node:lnd_payments_refused_total:sum"
PROBES_FAILED = "instance_node:lnd_payments_failed_probes_total:sum"
REBALANCES_FAILED = "instance_node:lnd_payments_failed_rebalances_total:sum"
SMALL = (NO_BAND, AmountBand.UNDER_1K, AmountBand.UNDER_10K, AmountBand.UNDER_100K)
"""Amounts for which a node should have enough balance: below 100k sat."""
SMALL_FAILED = "instance_node_cause:lnd_payments_failed_small_total:sum"
"""Failed payments of these amounts."""


def sums(s: Selector, values: Values) -> list[Recording]:
    """Return the recordings."""
    counted = one_of("kind", values.counted_kinds)
    small = (
        one_of("purpose", sorted({PURPOSE[kind] for kind in values.counted_kinds})),
        one_of("amount_band", SMALL),
    )
    failures = {
        REFUSED: (counted, exactly("reason", Reason.INCORRECT_PAYMENT_DETAILS)),
        PROBES_FAILED: (exactly("kind", Kind.PROBE),),
        REBALANCES_FAILED: (exactly("kind", Kind.REBALANCE),),
    }
    return [
        Recording(SMALL_FAILED, f"sum without (purpose, amount_band) ({s('failed_by_cause_total', *small)})"),
        *(
            Recording(name, f"sum without (kind, amount_band, reason) ({s('failed_total', *which)})")
            for name, which in failures.items()
        ),
    ]
