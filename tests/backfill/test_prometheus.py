"""The past of a node in a real Prometheus: raw samples of each hour against lnd's list, and the dashboards over it."""

from collections import Counter as Tally
from collections.abc import Iterator

import pytest

from dashboards.query import VALUES
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.rules.recording import recordings
from tests.backfill.blocks import Raw, querying, raw
from tests.backfill.past import HOUR_S, ended_ns
from tests.backfill.written import STEP_S, TARGET, Past
from tests.victoria.server import Server

pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture(scope="module")
def server(past: Past) -> Iterator[Server]:
    """A Prometheus over that past."""
    with querying(past.home) as running:
        yield running


Hourly = Tally[tuple[str, str, str, int]]
"""Metric, kind, reason or code of the failure, and hour: by how much it rose. What a metric doesn't have is ""."""


def expected(past: Past) -> Hourly:
    """Add up lnd's list."""
    found = Hourly()
    for payment in past.payments:
        kind = past.kinds[payment.payment_hash, payment.creation_time_ns]
        hour = hour_of(ended_ns(payment))
        found["lnd_payments_started_total", "", "", hour_of(payment.creation_time_ns)] += 1
        if payment.status == pb.Payment.SUCCEEDED:
            found["lnd_payments_succeeded_total", kind, "", hour] += 1
            found["lnd_payments_sent_msat_total", kind, "", hour] += payment.value_msat
            found["lnd_payments_fees_msat_total", kind, "", hour] += payment.fee_msat
        else:
            reason = pb.PaymentFailureReason.Name(payment.failure_reason).removeprefix("FAILURE_REASON_").lower()
            found["lnd_payments_failed_total", kind, reason, hour] += 1
            found["lnd_payments_failed_msat_total", kind, reason, hour] += payment.value_msat
        for attempt in payment.htlcs:
            found["lnd_payments_htlc_attempts_started_total", "", "", hour_of(attempt.attempt_time_ns)] += 1
            if attempt.status == pb.HTLCAttempt.SUCCEEDED:
                found["lnd_payments_htlc_attempts_settled_total", "", "", hour_of(attempt.resolve_time_ns)] += 1
            else:
                code = pb.Failure.FailureCode.Name(attempt.failure.code).lower()
                found["lnd_payments_htlc_attempts_failed_total", "", code, hour_of(attempt.resolve_time_ns)] += 1
    return Hourly({key: rise for key, rise in found.items() if rise})


def hour_of(at_ns: int) -> int:
    """Return the hour that a time is in, by its end: the number of hours since 1970 then."""
    return -(-at_ns // (NS_PER_S * HOUR_S))


def risen(name: str, series: Raw) -> Hourly:
    """Return the differences of samples an hour apart."""
    found = Hourly()
    for labels, values in series.items():
        own = dict(labels)
        last = 0.0
        for at_ms in sorted(values):
            if at_ms % (HOUR_S * 1000) == 0:
                word = own.get("reason") or own.get("code", "")
                key = (name, own.get("kind", ""), word, at_ms // (HOUR_S * 1000))
                found[key] += int(values[at_ms] - last)
                last = values[at_ms]
    return Hourly({key: rise for key, rise in found.items() if rise})


FINISHED = "instance_node_amount_band:lnd_payments_finished_total:sum"
METRICS = (
    "lnd_payments_started_total",
    "lnd_payments_succeeded_total",
    "lnd_payments_sent_msat_total",
    "lnd_payments_fees_msat_total",
    "lnd_payments_failed_total",
    "lnd_payments_failed_msat_total",
    "lnd_payments_htlc_attempts_started_total",
    "lnd_payments_htlc_attempts_settled_total",
    "lnd_payments_htlc_attempts_failed_total",
)


def test_each_hour_and_kind_has_what_lnd_lists(past: Past, server: Server) -> None:
    """The differences of raw samples are those of lnd's list, and there are payments of all kinds and reasons."""
    found = Hourly()
    for name in METRICS:
        found.update(risen(name, raw(server, name, past.ends_s)))
    assert found == expected(past)
    kinds = {key[1] for key in found if key[1]}
    assert kinds == {"invoice", "keysend", "amp", "rebalance", "probe", "other"}
    reasons = {key[2] for key in found if key[0] == "lnd_payments_failed_total"}
    assert reasons >= {"timeout", "no_route", "incorrect_payment_details", "insufficient_balance", "canceled", "error"}


def test_rules_find_all_that_they_add_up(past: Past, server: Server) -> None:
    """A rule adds up the payments of the list at each hour, also before the first failure of an amount."""
    (rule,) = [rule for rule in recordings(VALUES).rules if getattr(rule, "record", "") == FINISHED]
    ended = [
        ended_ns(payment)
        for payment in past.payments
        if past.kinds[payment.payment_hash, payment.creation_time_ns] in {"invoice", "keysend", "amp"}
    ]
    hours = range(hour_of(min(ended)), past.ends_s // HOUR_S)
    counted = {hour: sum(at_ns <= hour * HOUR_S * NS_PER_S for at_ns in ended) for hour in hours}
    assert {hour: sum(server.query(rule.expr, hour * HOUR_S).values()) for hour in hours} == counted


def test_series_have_no_holes_and_all_labels(past: Past, server: Server) -> None:
    """Each series has a zero a step before it rises, then a sample at each step, and the labels of its target."""
    for name in METRICS:
        for labels, values in raw(server, name, past.ends_s).items():
            times = sorted(values)
            assert values[times[0]] == 0
            assert times == [*range(times[0], past.ends_s * 1000 + 1, STEP_S * 1000)]
            assert labels >= TARGET
