"""The laws of named destinations: their sum is that of all payments, and each has what was paid to its recipients."""

from collections import Counter as Tally
from collections.abc import Collection, Iterable

from exporter.payments.ended import RunOutcome
from exporter.payments.payment import Payment
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.view import View
from tests.follow.oracle import Story

ENDS = {Counter.SUCCEEDED: RunOutcome.SUCCEEDED, Counter.FAILED: RunOutcome.FAILED, Counter.LOST: RunOutcome.LOST}
OF_ALL = {Counter.SENT: Counter.DESTINATION_SENT, Counter.FEES: Counter.DESTINATION_FEES}
BY_DESTINATION = (Counter.DESTINATION_ENDED, *OF_ALL.values())


def sums(view: View, *names: str) -> Tally[str]:
    """Return what is counted by destination: number by outcome, amount, fees, durations; of these, or of all."""
    found = Tally[str]()
    for (name, outcome, _), n in view.counters[Counter.DESTINATION_ENDED].items():
        found[outcome] += n * (not names or name in names)
    for counter in OF_ALL.values():
        found[counter] += sum(n for (name,), n in view.counters[counter].items() if not names or name in names)
    for (name, outcome), histogram in view.histograms[HistogramName.DESTINATION_DURATION].items():
        if not names or name in names:
            found[f"{outcome} of known duration"] += sum(histogram.buckets)
            found[f"duration {outcome}"] += histogram.total
    return +found


def all_sums(view: View) -> Tally[str]:
    """Return what `sums` must be, from the totals of all payments."""
    found = Tally[str]()
    for counter, name in (*ENDS.items(), *OF_ALL.items()):
        found[name] += sum(view.counters[counter].values())
    for (_, outcome), histogram in view.histograms[HistogramName.DURATION].items():
        found[f"{outcome} of known duration"] += sum(histogram.buckets)
        found[f"duration {outcome}"] += histogram.total
    return +found


def paid_to(keys: Collection[str], stories: Iterable[Story]) -> Tally[str]:
    """Return what `sums` must be of a group that has always had these keys."""
    found = Tally[str]()
    for story in stories:
        if not any(_recipient(payment, keys) in keys for payment in story.payments):
            continue
        if story.lost:
            found[RunOutcome.LOST] += 1
            continue
        end = story.terminals[0].payment
        found[story.status] += 1
        if story.status.value == RunOutcome.SUCCEEDED:
            found[Counter.DESTINATION_SENT] += end.value_msat
            found[Counter.DESTINATION_FEES] += end.fee_msat
        for name, outcome, value in story.observations():
            if name is HistogramName.DURATION:
                found[f"{outcome} of known duration"] += 1
                found[f"duration {outcome}"] += value
    return +found


def _recipient(payment: Payment, keys: Collection[str]) -> str:
    return payment.destination or (payment.payee_among(keys) if payment.payee_among else "")
