"""The names, labels and help of what is counted by destination: groups of recipients that the operator has named."""

from exporter.metrics.row import CounterRow, HistogramRow, Row
from exporter.payments.ended import RunOutcome
from exporter.payments.labels import EndCause, Outcome
from exporter.payments.totals import Counter, HistogramName

DESTINATIONS: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_destination_ended_total",
        {"destination": None, "outcome": RunOutcome, "cause": EndCause},
        Counter.DESTINATION_ENDED,
        "Payments that ended, by group of recipients (Hop.pub_key of the last of Route.hops), outcome and cause.",
    ),
    CounterRow(
        "lnd_payments_destination_sent_msat_total",
        {"destination": None},
        Counter.DESTINATION_SENT,
        "Amount of succeeded payments by group of recipients, without fees (Payment.value_msat).",
    ),
    CounterRow(
        "lnd_payments_destination_fees_msat_total",
        {"destination": None},
        Counter.DESTINATION_FEES,
        "Routing fees of succeeded payments by group of recipients (Payment.fee_msat).",
    ),
    HistogramRow(
        "lnd_payments_destination_duration_seconds",
        {"destination": None, "outcome": Outcome},
        HistogramName.DESTINATION_DURATION,
        "The same time as lnd_payments_duration_seconds, by group of recipients.",
    ),
)
