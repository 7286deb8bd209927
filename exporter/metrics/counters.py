"""The names, labels and help of all counters and histograms; a change here affects every dashboard and alert."""

from exporter.metrics.row import CounterRow, HistogramRow, Row
from exporter.payments.labels import (
    AmountBand,
    CallOutcome,
    Cause,
    Code,
    FailureSource,
    FromStatus,
    Ignored,
    Interruption,
    Kind,
    Lost,
    Method,
    Outcome,
    Purpose,
    Reason,
    RouteCheck,
    Source,
    ToStatus,
    Unresolved,
)
from exporter.payments.totals import Counter, HistogramName

_MS_PER_S = 1000

PAYMENTS: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_started_total",
        {},
        Counter.STARTED,
        "Payments first seen; one is a payment_hash with its creation_time_ns (lnrpc.Payment).",
    ),
    CounterRow(
        "lnd_payments_status_transitions_total",
        {"from_status": FromStatus, "to_status": ToStatus},
        Counter.TRANSITIONS,
        "Changes of Payment.status, the last one when the payment is counted as finished.",
    ),
    CounterRow(
        "lnd_payments_succeeded_total",
        {"kind": Kind, "amount_band": AmountBand},
        Counter.SUCCEEDED,
        "Payments whose Payment.status ended as SUCCEEDED.",
    ),
    CounterRow(
        "lnd_payments_succeeded_late_total",
        {"reason": Reason},
        Counter.SUCCEEDED_LATE,
        "Of the succeeded ones those with a Payment.failure_reason: the caller may have been told that they failed.",
    ),
    CounterRow(
        "lnd_payments_succeeded_late_msat_total",
        {"reason": Reason},
        Counter.SUCCEEDED_LATE_MSAT,
        "Amount of the succeeded payments with a Payment.failure_reason, fees not included (Payment.value_msat).",
    ),
    CounterRow(
        "lnd_payments_failed_total",
        {"kind": Kind, "amount_band": AmountBand, "reason": Reason},
        Counter.FAILED,
        "Payments whose Payment.status ended as FAILED, by Payment.failure_reason of the last update.",
    ),
    CounterRow(
        "lnd_payments_failed_by_cause_total",
        {"purpose": Purpose, "cause": Cause, "amount_band": AmountBand},
        Counter.FAILED_BY_CAUSE,
        "Failed payments by what stopped them, derived from Payment.failure_reason and HTLCAttempt.failure.",
    ),
    CounterRow(
        "lnd_payments_failed_made_good_total",
        {"kind": Kind, "amount_band": AmountBand, "reason": Reason},
        Counter.FAILED_MADE_GOOD,
        "Failed payments whose Payment.payment_hash succeeded in a later run, with their labels in failed_total.",
    ),
    CounterRow(
        "lnd_payments_sent_msat_total",
        {"kind": Kind, "amount_band": AmountBand},
        Counter.SENT,
        "Amount delivered by succeeded payments, fees not included (Payment.value_msat).",
    ),
    CounterRow(
        "lnd_payments_fees_msat_total",
        {"kind": Kind, "amount_band": AmountBand},
        Counter.FEES,
        "Routing fees of succeeded payments (Payment.fee_msat).",
    ),
    CounterRow(
        "lnd_payments_failed_msat_total",
        {"kind": Kind, "reason": Reason},
        Counter.FAILED_MSAT,
        "Amount of failed payments, fees not included (Payment.value_msat).",
    ),
    HistogramRow(
        "lnd_payments_fee_msat",
        {"purpose": Purpose},
        HistogramName.FEE,
        "Routing fee of each succeeded payment (Payment.fee_msat).",
    ),
    HistogramRow(
        "lnd_payments_fee_ppm",
        {"purpose": Purpose},
        HistogramName.FEE_PPM,
        "Routing fee of each succeeded payment in millionths of its amount (Payment.fee_msat / Payment.value_msat).",
    ),
    HistogramRow(
        "lnd_payments_duration_seconds",
        {"purpose": Purpose, "outcome": Outcome},
        HistogramName.DURATION,
        "From Payment.creation_time_ns to the latest HTLCAttempt.resolve_time_ns, without one to the last update.",
    ),
    HistogramRow(
        "lnd_payments_first_attempt_seconds",
        {},
        HistogramName.FIRST_ATTEMPT,
        "From Payment.creation_time_ns to the first HTLCAttempt.attempt_time_ns: path finding and queueing.",
    ),
    HistogramRow(
        "lnd_payments_htlc_attempts_per_payment",
        {"purpose": Purpose, "outcome": Outcome},
        HistogramName.ATTEMPTS,
        "HTLC attempts of each finished payment of which all were seen (Payment.htlcs).",
    ),
    HistogramRow(
        "lnd_payments_settled_parts",
        {"purpose": Purpose},
        HistogramName.PARTS,
        "Settled HTLCs of each succeeded payment (Payment.htlcs with status SUCCEEDED).",
    ),
    HistogramRow(
        "lnd_payments_runs_per_success",
        {"purpose": Purpose},
        HistogramName.RUNS,
        "Runs of its Payment.payment_hash that each success took, failed ones included; without keysend and AMP.",
    ),
    CounterRow(
        "lnd_payments_no_route_checks_total",
        {"verdict": RouteCheck},
        Counter.NO_ROUTE_CHECKS,
        "Failed payments without HTLC attempts about which lnd was asked, by sample, why (DecodePayReq, QueryRoutes).",
    ),
)

ATTEMPTS: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_htlc_attempts_started_total",
        {},
        Counter.ATTEMPTS_STARTED,
        "HTLC attempts first seen (Payment.htlcs, by HTLCAttempt.attempt_id).",
    ),
    CounterRow(
        "lnd_payments_htlc_attempts_settled_total",
        {},
        Counter.ATTEMPTS_SETTLED,
        "HTLC attempts that delivered their part (HTLCAttempt.status SUCCEEDED).",
    ),
    CounterRow(
        "lnd_payments_htlc_attempts_failed_total",
        {"purpose": Purpose, "code": Code, "source": FailureSource},
        Counter.ATTEMPTS_FAILED,
        "HTLC attempts that failed, by Failure.code and by Failure.failure_source_index against the route.",
    ),
    CounterRow(
        "lnd_payments_htlc_attempts_unresolved_total",
        {"cause": Unresolved},
        Counter.ATTEMPTS_UNRESOLVED,
        "HTLC attempts seen in flight whose end can no longer be learnt, for lnd has deleted them.",
    ),
    HistogramRow(
        "lnd_payments_htlc_attempt_duration_seconds",
        {"outcome": Outcome},
        HistogramName.ATTEMPT_DURATION,
        "From HTLCAttempt.attempt_time_ns to HTLCAttempt.resolve_time_ns.",
    ),
    HistogramRow(
        "lnd_payments_htlc_attempt_hops",
        {"outcome": Outcome},
        HistogramName.ATTEMPT_HOPS,
        "Length of the route of each resolved HTLC attempt (Route.hops).",
    ),
    CounterRow(
        "lnd_payments_htlc_locked_msat_seconds_total",
        {"outcome": Outcome},
        Counter.LOCKED_MSAT_MS,
        "Route.total_amt_msat of resolved HTLC attempts times the seconds that it was locked.",
        unit=_MS_PER_S,
    ),
)

STREAM: tuple[Row, ...] = (
    CounterRow(
        "lnd_payments_updates_total",
        {"source": Source},
        Counter.UPDATES,
        "Snapshots of payments received live (stream: TrackPayments, or a TrackPaymentV2 for each), by hash (track: "
        "TrackPaymentV2), from a list (ListPayments).",
    ),
    CounterRow(
        "lnd_payments_updates_ignored_total",
        {"cause": Ignored},
        Counter.UPDATES_IGNORED,
        "Snapshots of payments that told nothing new; lnd repeats and reorders them around a subscription.",
    ),
    HistogramRow(
        "lnd_payments_update_delay_seconds",
        {},
        HistogramName.UPDATE_DELAY,
        "From the latest HTLCAttempt.attempt_time_ns or resolve_time_ns of a live update to its receipt.",
    ),
    CounterRow(
        "lnd_payments_interruptions_total",
        {"cause": Interruption},
        Counter.INTERRUPTIONS,
        "Losses of the stream of updates (TrackPayments), or of lnd where each payment has its own (TrackPaymentV2).",
    ),
    CounterRow(
        "lnd_payments_recovered_total",
        {},
        Counter.RECOVERED,
        "Finished payments whose end was learnt by asking (TrackPaymentV2, ListPayments), not live.",
    ),
    CounterRow(
        "lnd_payments_attempts_incomplete_total",
        {},
        Counter.ATTEMPTS_INCOMPLETE,
        "Finished payments of which HTLC attempts may have been missed, for lnd deletes failed ones (Payment.htlcs).",
    ),
    CounterRow(
        "lnd_payments_lost_total",
        {"cause": Lost},
        Counter.LOST,
        "Payments that were open here and that lnd no longer knows (TrackPaymentV2 answers NOT_FOUND).",
    ),
    CounterRow(
        "lnd_payments_catch_up_payments_total",
        {},
        Counter.CATCH_UP,
        "Payments read by ListPayments in search of what was missed.",
    ),
    CounterRow(
        "lnd_payments_lnd_calls_total",
        {"method": Method, "outcome": CallOutcome},
        Counter.LND_CALLS,
        "Calls to lnd that ended, by RPC; a stream is counted once, when it ends.",
    ),
)
