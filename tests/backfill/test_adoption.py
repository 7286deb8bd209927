"""Adoption: live counters go on from the sums of history, and every payment is counted once in them."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from exporter.backfill.adopt import refuse_adoption
from exporter.backfill.border import Continued
from exporter.backfill.ledger import PastLedger
from exporter.backfill.orders import BeforeCounting
from exporter.backfill.reader import HistoryReader
from exporter.backfill.seam import read_seam
from exporter.follow import Account, calls
from exporter.lnd.client import LndError
from exporter.payments import finished
from exporter.payments.destinations import Recipients
from exporter.payments.labels import Mode
from exporter.payments.past import replay
from exporter.payments.payment import Payment, Run
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.view import View
from exporter.simulator.database import Backend, Options
from exporter.simulator.scenarios import Scenarios
from exporter.store import StoreError
from tests.backfill.reading import PAUSES_S, calm, end_faults
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import ALWAYS, FIRST, PEERS, Exporter
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.payments.build import FAILED, SUCCEEDED

SEEDS = int(os.environ.get("CHAOS_SEEDS", "6"))
HISTOGRAM_OF = {HistogramName.FEE: Counter.SUCCEEDED, HistogramName.PARTS: Counter.SUCCEEDED}
"""Histograms that observe each payment that a counter counts."""


class Adopter:
    """Reads the history of a node, and adopts the node into a state file."""

    def __init__(self, node: ChaoticNode, path: Path, groups: dict[str, str]) -> None:
        """Prepare; `run` does it."""
        self._node = node
        self._path = path
        self._groups = groups
        self.ledger = PastLedger(PEERS)
        self.ledger.destinations.use({*groups.values()})
        self.history: set[Run] = set()
        self._recipients = Recipients()
        self._recipients.groups = groups

    async def run(self) -> None:
        """Read everything that has ended, then write the node. Raises `StoreError`, `LndError`."""
        refuse_adoption(self._path, FIRST.name)
        reader = HistoryReader("lnd", self._node, self._node.clocks)
        account, last_index = Account(FIRST.name, self._node.clocks, PEERS), 0
        order = BeforeCounting(self._path, account, self._groups, reader, None)
        while not reader.client.own_key:
            with suppress(LndError):
                await reader.connect()
        async for page in reader.pages():
            for each in page.payments:
                last_index = each.payment_index
                if order.is_history(each):
                    self._add(each)
            await asyncio.sleep(self._node.random.choice(PAUSES_S))
        for each in await order.rest(last_index):
            self._add(each)
        await asyncio.sleep(self._node.random.choice(PAUSES_S))  # what is history is written to files meanwhile
        order.conclude(self.ledger)

    def _add(self, ended: Payment) -> None:
        assert ended.run not in self.history
        self.history.add(ended.run)
        for at_ns, event in replay(ended, self._recipients):
            self.ledger.last_update_ns = at_ns
            self.ledger.apply([event])


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
    with pytest.raises(StoreError, match="has the history of lnd already"):
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
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, SEEDS))])
def test_every_payment_is_counted_once(seed: int, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it ended, and whatever fails: the counters that begin with history agree with lnd's database."""
    random = Random(seed)
    monkeypatch.setattr(finished, "REMEMBERED", random.choice((100, 1000)))
    monkeypatch.setattr(calls, "PAGE_LIMIT", random.choice((20, 50, 500)))
    monkeypatch.setattr(chaos, "STEP", 0)
    options = Options(backend=random.choice(list(Backend)))
    run_virtually(lambda loop: adopt_and_go_on(loop, seed, options, tmp_path / "state.sqlite", mode))


def test_failed_payment_is_paid_again_under_its_index(tmp_path: Path) -> None:
    """lnd on SQLite gives the retry the index of the run that it erases: both runs are history, each once."""

    async def story(loop: VirtualLoop) -> None:
        node = ChaoticNode(loop, 1, Options(backend=Backend.SQLITE))
        steps = Scenarios(node.world, 1).retried_hash(pause_s=99).steps
        pause = [step.delay_s for step in steps].index(99)
        for step in steps[:pause]:
            node.database.apply(step.mutation)
        reader = HistoryReader("lnd", node, node.clocks)
        account = Account(FIRST.name, node.clocks, PEERS)
        order = BeforeCounting(tmp_path / "state.sqlite", account, {}, reader, None)
        await reader.connect()
        (page,) = [page async for page in reader.pages()]
        (failed,) = page.payments
        assert order.is_history(failed)
        for step in steps[pause:]:
            node.database.apply(step.mutation)
        (rest,) = await order.rest(failed.payment_index)
        assert (rest.payment_hash, rest.payment_index) == (failed.payment_hash, failed.payment_index)
        assert (failed.status, rest.status) == (FAILED, SUCCEEDED)

    run_virtually(story)


def test_more_payments_than_a_page_since_the_last_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the page of the newest doesn't have are read, too."""
    monkeypatch.setattr(calls, "PAGE_LIMIT", 20)

    async def story(loop: VirtualLoop) -> None:
        node = ChaoticNode(loop, 1)
        node.pay_at_once(30)
        reader = HistoryReader("lnd", node, node.clocks)
        account = Account(FIRST.name, node.clocks, PEERS)
        order = BeforeCounting(tmp_path / "state.sqlite", account, {}, reader, None)
        await reader.connect()
        history, last_index = list[Run](), 0
        async for page in reader.pages():
            history += [each.run for each in page.payments if order.is_history(each)]
            last_index = page.payments[-1].payment_index
        node.pay_at_once(90)
        history += [each.run for each in await order.rest(last_index)]
        assert sorted(history) == sorted(node.ends().keys() & node.there())

    run_virtually(story)


def test_everything_was_read_by_an_earlier_run(tmp_path: Path) -> None:
    """Nothing is listed again: the newest payments are in history already, and aren't added twice."""

    async def story(loop: VirtualLoop) -> None:
        node = ChaoticNode(loop, 1)
        node.pay_at_once(30)
        reader = HistoryReader("lnd", node, node.clocks)
        account = Account(FIRST.name, node.clocks, PEERS)
        order = BeforeCounting(tmp_path / "state.sqlite", account, {}, reader, Continued((0, 0), (), ()))
        await reader.connect()
        last_index = (await reader.newest()).last_index
        assert [page async for page in reader.pages(last_index)] == []
        assert await order.rest(last_index) == []

    run_virtually(story)
