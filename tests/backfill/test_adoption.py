"""Adoption: live counters go on from the sums of history, and every payment is counted once in them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from exporter.backfill.adopt import adopt, find_beginning, refuse_adoption
from exporter.backfill.reader import HistoryReader
from exporter.backfill.seam import read_seam
from exporter.follow import Account, calls
from exporter.lnd.client import LndError
from exporter.payments import finished
from exporter.payments.destinations import Recipients
from exporter.payments.labels import Mode
from exporter.payments.ledger import Ledger
from exporter.payments.past import replay
from exporter.payments.payment import Payment, Run
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.view import View
from exporter.simulator.database import Backend, Options
from exporter.store import StoreError
from tests.backfill.reading import PAUSES_S, calm, end_faults
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import ALWAYS, FIRST, PEERS, Exporter
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.payments.build import FAILED, SUCCEEDED

HISTOGRAM_OF = {HistogramName.FEE: Counter.SUCCEEDED, HistogramName.PARTS: Counter.SUCCEEDED}
"""Histograms that observe each payment that a counter counts."""


class Adopter:
    """Reads the history of a node, and adopts the node into a state file."""

    def __init__(self, node: ChaoticNode, path: Path, groups: dict[str, str]) -> None:
        """Prepare; `run` does it."""
        self._node = node
        self._path = path
        self._groups = groups
        self.ledger = Ledger(PEERS)
        self.ledger.destinations.use({*groups.values()})
        self.history: set[Run] = set()
        self._recipients = Recipients()
        self._recipients.groups = groups

    async def run(self) -> None:
        """Read everything that has ended, then write the node."""
        refuse_adoption(self._path, FIRST.name)
        reader = HistoryReader("lnd", self._node, self._node.clocks)
        in_flight: dict[Run, None] = {}
        info = await again(reader.connect)
        async for page in reader.pages():
            for each in page.payments:
                if each.status.ended:
                    self._add(each)
                else:
                    in_flight[each.run] = None
            await asyncio.sleep(self._node.random.choice(PAUSES_S))
        newest = await again(reader.calls.newest_payments)
        beginning = await find_beginning(newest, in_flight, lambda one: again(lambda: self._node.payment(one)))
        for each in beginning.ended:
            if each.run not in self.history:
                self._add(each)
        await asyncio.sleep(self._node.random.choice(PAUSES_S))  # what is history is written to files meanwhile
        account = Account(FIRST.name, self._node.clocks, PEERS)
        adopt(self._path, account, self.ledger, beginning, pubkey=info.pubkey, groups=self._groups)

    def _add(self, ended: Payment) -> None:
        assert ended.run not in self.history
        self.history.add(ended.run)
        for at_ns, event in replay(ended, self._recipients):
            self.ledger.last_update_ns = at_ns
            self.ledger.apply([event])


async def again(ask: Callable[[], Any]) -> Any:
    """Ask until lnd answers, at most a hundred times."""
    for _ in range(99):
        try:
            return await ask()
        except LndError:
            await asyncio.sleep(1)
    return await ask()


def check_laws(view: View) -> None:
    """Check the laws of every page."""
    total = {counter: sum(series.values()) for counter, series in view.counters.items()}
    in_flight = sum(view.in_flight.runs.values())
    ended = total[Counter.SUCCEEDED] + total[Counter.FAILED] + total[Counter.LOST]
    assert total[Counter.STARTED] == ended + in_flight
    resolved = total[Counter.ATTEMPTS_SETTLED] + total[Counter.ATTEMPTS_FAILED] + total[Counter.ATTEMPTS_UNRESOLVED]
    assert total[Counter.ATTEMPTS_STARTED] == resolved + view.in_flight.htlcs
    for histogram, counter in HISTOGRAM_OF.items():
        assert sum(sum(each.buckets) for each in view.histograms[histogram].values()) == total[counter]
    assert total[Counter.DESTINATION_ENDED] == ended
    assert total[Counter.PEER_SENT] <= total[Counter.SENT]


async def adopt_and_go_on(loop: VirtualLoop, seed: int, options: Options, path: Path, mode: Mode) -> None:
    """Make payments, adopt the node amid more of them, start the exporter, and compare all totals with the node's."""
    random = Random(seed)
    node = ChaoticNode(loop, seed, options)
    node.deletes = node._migrates = False
    node.hold(random.choice((0, 60)), longest_s=random.choice((100, 400, 900)))
    await asyncio.sleep(5)
    node.pay_at_once(random.choice((0, 3, 300)))
    await node.pay(20, every_s=1)
    exporter = Exporter(node, path, mode)
    faults = [asyncio.create_task(node.cause_faults())] if random.random() < 0.7 else []
    paying = asyncio.create_task(node.pay(150, every_s=random.choice((0.2, 2.0, 5.0))))
    adopter = Adopter(node, path, dict.fromkeys(exporter.always, ALWAYS))
    try:
        await adopter.run()
    except LndError:  # the connection was too bad
        await end_faults(node, faults)
        adopter = Adopter(node, path, dict.fromkeys(exporter.always, ALWAYS))
        await adopter.run()
    with pytest.raises(StoreError, match=r"has the history of lnd already"):
        await Adopter(node, path, {}).run()
    first = read_seam(path, FIRST.name, 0)
    assert first is not None
    assert (first.adopted, first.running) == (True, False)
    exporter.start()
    with pytest.raises(StoreError, match="An exporter is running"):
        refuse_adoption(path, FIRST.name)
    page = (await exporter._nodes.checkpoint.durable_page()).views[0]
    check_laws(page)
    before = {counter: sum(totals.values()) for counter, totals in adopter.ledger.counters.items()}
    if random.random() < 0.5:
        faults.append(asyncio.create_task(exporter.kill_repeatedly()))
    await paying
    await asyncio.gather(*node.scenarios)
    await end_faults(node, faults)
    await calm(exporter)
    page = (await exporter._nodes.checkpoint.durable_page()).views[0]
    check_laws(page)
    for counter, total in before.items():
        assert sum(page.counters[counter].values()) >= total
    check_totals(node, adopter.history, {entry.run for entry in exporter.listed()}, page)
    await exporter.kill()


def check_totals(node: ChaoticNode, history: set[Run], live: set[Run], page: View) -> None:
    """Compare the totals with what the node's database has of the runs in history and of those counted since."""
    truth = node.ends()
    assert history & live == set()
    assert {run for run in truth.keys() & node.there() if run not in history | live} == set()
    total = {counter: sum(series.values()) for counter, series in page.counters.items()}
    counted = [truth[run] for run in history | live if run in truth]
    lost = total[Counter.LOST]
    assert sum(page.in_flight.runs.values()) == 0
    assert total[Counter.STARTED] == len(history) + len(live)
    succeeded = [end for end in counted if end.status is SUCCEEDED]
    assert total[Counter.SUCCEEDED] == len(succeeded)
    assert total[Counter.SENT] == sum(end.value_msat for end in succeeded)
    assert total[Counter.FEES] == sum(end.fee_msat for end in succeeded)
    assert total[Counter.FAILED] == len([end for end in counted if end.status is FAILED]) - lost


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("seed", range(8))
def test_every_payment_is_counted_once(seed: int, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it ended, and whatever fails: the counters that begin with history agree with lnd's database."""
    random = Random(seed)
    monkeypatch.setattr(finished, "REMEMBERED", random.choice((100, 1000)))
    monkeypatch.setattr(calls, "PAGE_LIMIT", random.choice((20, 50, 500)))
    monkeypatch.setattr(chaos, "STEP", 0)
    options = Options(backend=random.choice(list(Backend)))
    run_virtually(lambda loop: adopt_and_go_on(loop, seed, options, tmp_path / "state.sqlite", mode))
