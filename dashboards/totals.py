"""The panels of the first dashboard on the time shown as a whole: what was paid, at what price."""

from dashboards.graphs import Value, several
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, SATS, Query, Text
from dashboards.query import NO_RULES, OUTAGE, SAT, TARGET, increase, overall, overall_in_the_end, total
from dashboards.words import EACH_TRY, IN_THE_END
from exporter.payments.labels import Kind
from exporter.rules.boards import FEES_BY_KIND, SUCCEEDED_BY_KIND
from exporter.rules.recording import SENT
from exporter.rules.rule import exactly

_NO_REBALANCE = f'kind!="{Kind.REBALANCE}"'
_REBALANCE = exactly("kind", Kind.REBALANCE)


def totals(here: Grid) -> None:
    """Add the numbers of the time shown: payments, amount, fees, success."""
    here.row("What was paid? The time shown, chosen at the top right")
    fees, of_rebalances = (total(increase(FEES_BY_KIND.record, which)) for which in (_NO_REBALANCE, _REBALANCE))
    sent = total(increase(SENT))
    here.add(
        several(
            Text(
                "Arrived, sent, fees",
                "Payments of every kind but rebalances that succeeded, and what they delivered, fees not included. "
                "Then their routing fees, also in millionths of what they delivered (1000 ppm is 0.1 %), and those of "
                "rebalances. Good: as your limits say.",
                "locale",
            ),
            [
                Value(Query(total(increase(SUCCEEDED_BY_KIND.record, _NO_REBALANCE)), "arrived"), "locale"),
                Value(Query(f"round({sent} / {SAT})", "sent"), SATS, decimals=None),
                Value(Query(f"round({fees} / {SAT})", "fees"), SATS, decimals=None),
                Value(Query(f"1e6 * {fees} / ({sent} > 0)", "fee rate"), "suffix: ppm"),
                Value(Query(f"round({of_rebalances} / {SAT})", "fees of rebalances"), SATS, decimals=None),
            ],
            empty=f"none, {NO_RULES}",
        ),
        14,
        4,
    )
    here.add(
        several(
            Text(
                "Success rate",
                f"{EACH_TRY}: this node did not fail it. {IN_THE_END}: or a later try paid the same invoice, as the "
                "customer sees it; right if the time shown is much longer than their pauses. Both of the same number "
                f"of payments. Good: above {TARGET:.0%}.",
                "percentunit",
            ),
            [
                Value(Query(expr, name), "percentunit", ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN)), 1)
                for name, expr in ((EACH_TRY, overall("$__range")), (IN_THE_END, overall_in_the_end("$__range")))
            ],
            empty=f"no payments, {NO_RULES}",
        ),
        5,
        4,
    )
    here.add(
        several(
            Text(
                "Successes after giving up",
                "Payments that succeeded although lnd had given them up, and their amount: whoever asked may have been "
                "told that they failed. Good: 0. Reconcile before anything is refunded: `lnd-payments-exporter ended "
                "--late` lists them.",
                "locale",
            ),
            [
                Value(
                    Query(total(increase("succeeded_late_total")), "payments"), "locale", ((None, GREEN), (0.5, ORANGE))
                ),
                Value(
                    Query(f"round({total(increase('succeeded_late_msat_total'))} / {SAT})", "amount"),
                    SATS,
                    ((None, GREEN), (0.5, ORANGE)),
                    None,
                ),
            ],
        ),
        5,
        4,
    )
