"""The ledger of the past: it counts as every ledger, and knows what has changed."""

from exporter.backfill.ledger import PastLedger
from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.destinations import Recipients
from exporter.payments.ledger import Ledger
from exporter.payments.past import PastFact, replay
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.simulator.world import World
from tests.bench.history import PastPayments
from tests.bench.messages import START_NS

Totals = dict[tuple[str, Labels], int | Histogram]


def past(payments: int) -> list[list[PastFact]]:
    """Return the facts of payments of every kind."""
    world = World.random("bench")
    page = PastPayments(world, payments, 30, START_NS).page(rpc.ListPaymentsRequest(max_payments=payments))
    decoded = (decode.payment(each, world.me.pubkey) for each in rpc.ListPaymentsResponse.FromString(page).payments)
    return [replay(each, Recipients()) for each in decoded]


def totals(ledger: Ledger) -> Totals:
    """Return all totals as they are now, except those of runs, which the past can't tell."""
    found: Totals = {(name, labels): n for name, series in ledger.counters.items() for labels, n in series.items()}
    for histogram, series in ledger.histograms.items():
        if histogram is not HistogramName.RUNS:
            found |= {(histogram, labels): each.copy() for labels, each in series.items()}
    return found


def test_it_counts_as_every_ledger_and_notes_what_changed() -> None:
    """With eight peers for three places; each change is noted, also of totals that are gone; runs are left out."""
    ledger, of_the_past = Ledger(3), PastLedger(3)
    before = totals(of_the_past)
    for facts in past(1000):
        for each in (ledger, of_the_past):
            each.last_update_ns = facts[-1].at_ns
            each.apply([event for _, event in facts])
        after = totals(of_the_past)
        noted = {(name, labels) for name, series in of_the_past.changed.items() for labels in series}
        assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} <= noted
        for series in of_the_past.changed.values():
            series.clear()
        before = after
    assert before == totals(ledger)
    assert any(labels and labels[0] == "other" for labels in of_the_past.counters[Counter.PEER_SENT])
    assert not any(any(each.buckets) for each in of_the_past.histograms[HistogramName.RUNS].values())
