"""A simulated node and the exporter's own core that follows it, in virtual time."""

import heapq
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from random import Random

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.metrics.groups import Group
from exporter.metrics.names import EXPORTER_ROWS, node_rows
from exporter.metrics.row import ExporterRow, Row
from exporter.page import ExporterStatus, PageData
from exporter.payments.balance import Balance
from exporter.payments.event import BalanceLacked
from exporter.payments.labels import NodeState, Reset, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import Channels, Info, NodeStatus, Offered
from exporter.payments.payment import Moment
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from exporter.simulator.database import Database
from exporter.simulator.mutation import Mutation, Scenario
from exporter.simulator.record import Update
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.world import World, channel_to
from tests.incidents.named import NAMED
from tests.incidents.series import Series
from tests.incidents.targets import JOB, Layout, Scraped, healthy, of_exporter, of_node, up
from tests.metrics.judge import family

SCRAPE_S, LONG_SCRAPE_S = 30, 300
"""Seconds between scrapes; longer in a story of several days, which has few metrics."""
BLOCK_S = 600
REDISCOVERED_S = 60
"""Seconds between two requests of Prometheus for the targets."""
START_S = 1_780_000_000
SPENDABLE_MSAT = 12_000_000_000
_NS = 1_000_000_000
_PROCESS = ProcessCollector(registry=None)


class VirtualNode:
    """A node whose incident is scheduled with `play` and `at`, and then executed by `run`."""

    def __init__(
        self,
        seed: object = 0,
        metrics: Collection[str] = (),
        *,
        name: str = "alice",
        layout: Layout = Layout.ONE_PAGE,
        rows: Sequence[Row] = NAMED,
        without: Collection[Group] = (),
        begins_s: int = START_S,
        scraped_from_s: int = 0,
    ) -> None:
        """Begin at `begins_s`, ready, with an empty database; the exporter was started an hour ago.

        Its pages lack the groups of series `without`. With the metrics that rules name, their times are those of a
        database whose first sample is at `scraped_from_s`: promtool's is at 0.
        """
        self._name = name
        self.layout = layout
        self.address = f"{name}:10019"
        """Where the exporter is that has the node."""
        self._begins_s = begins_s
        left = {row.name: row for row in (*node_rows(without), *EXPORTER_ROWS)}
        self._rows = [
            left[row.name]
            for row in rows
            if row.name in left and (not metrics or row.name.removeprefix("lnd_payments_") in metrics)
        ]
        self.chance = Random(f"incident {seed}")
        self.world = World.random(seed, network="mainnet")
        self.scenarios = Scenarios(self.world, seed, now_s=self._begins_s)
        self.database = Database(self._now_ns)
        self.database.watchers.append(self._on_update)
        self.tracker, self.ledger = Tracker(), Ledger()
        self._origin_s = begins_s - scraped_from_s if rows is NAMED else 0
        self.series = Series(LONG_SCRAPE_S if metrics else SCRAPE_S)
        self.status = NodeStatus(state=NodeState.READY, stream_up=True, unaccounted=0)
        self.exporter = ExporterStatus(self._begins_s)
        self.started_s = self._begins_s - 3600.0
        self.page = True
        """Whether the exporter answers scrapes."""
        self.discovered = True
        """Whether Prometheus discovers the exporter."""
        self.job = JOB
        """The job of all exporters in Prometheus."""
        self.network = True
        """Whether Prometheus reaches any exporter."""
        self.configured = True
        """Whether the exporter's configuration contains the node."""
        self.own_page = True
        """Whether the page of the node is answered in time, if it has a page of its own."""
        self.other_nodes: dict[str, str] = {}
        """Other healthy nodes, each with the address of its exporter; those at `address` share the exporter's fate."""
        self._is_target = True
        self.stream_works = True
        """Whether the stream sends updates."""
        self._chain_grows = True
        self._changed = True  # since the last page
        self.delay_s = 0.02
        """Seconds from an update of lnd until the exporter receives it."""
        self._script: list[tuple[float, int, Callable[[], object]]] = []
        self._turn = 0
        self._at_s = 0.0
        self._last_ns = 0
        self._header_s = self._begins_s
        self.ledger.apply(self.tracker.begin([], 0, self._moment()))
        self.tracker.stream_started()
        self.set(
            info=Info(
                pubkey=self.world.me.pubkey,
                alias=self.world.me.alias,
                block_height=self.world.height,
                best_header_s=self._begins_s,
                synced_to_chain=True,
                channels_active=len(self.world.peers),
            ),
            channels=Channels(SPENDABLE_MSAT, {peer.node.pubkey: peer.node.alias for peer in self.world.peers}),
            certificate_expiry_s=self._begins_s + 300 * 86_400,
        )

    # Scheduling. Times are seconds since the beginning.

    def at(self, at_s: float, do: Callable[[], object]) -> None:
        """Call `do` at this time."""
        self._turn += 1
        heapq.heappush(self._script, (at_s, self._turn, do))

    def play(self, at_s: float, scenario: Scenario) -> None:
        """Play the life of a payment from this time on."""
        for delay_s, mutation in scenario.steps:
            at_s += delay_s
            self.at(at_s, lambda mutation=mutation: self._change(mutation))  # type: ignore[misc]

    def set(self, **changes: object) -> None:
        """Change what the exporter knows of the node."""
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]

    def chain_stops(self, at_min: float) -> None:
        """Stop the chain: no more blocks."""

        def stop() -> None:
            self._chain_grows = False

        self.at(at_min * 60, stop)

    def certificate_for(self, days: int) -> None:
        """Set how long lnd's certificate is valid from now on."""
        self.set(certificate_expiry_s=int(self._begins_s + self._at_s) + days * 86_400)

    def answer_scrapes(self, yes: bool) -> None:  # noqa: FBT001 - the only argument
        """Set whether the exporter answers scrapes."""
        self.page = yes

    def move(self, address: str) -> None:
        """Move the node to an exporter at another address; the old one is gone, unless it has other nodes."""
        self.address = address

    def remove_from_configuration(self) -> None:
        """Remove the node from the exporter's configuration; Prometheus discovers that a minute later."""

        def discover() -> None:
            self._is_target = False

        self.configured = False
        self.at(self._at_s + REDISCOVERED_S, discover)

    def answer_in_time(self, yes: bool) -> None:  # noqa: FBT001 - the only argument
        """Set whether the node's own page is answered in time."""
        self.own_page = yes

    def failed_checkpoints(self, times: int) -> None:
        """Set the number of failed checkpoints."""
        self.exporter = self.exporter._replace(checkpoint_failures=times)

    def reload_refused(self, yes: bool) -> None:  # noqa: FBT001 - the only argument
        """Set whether the last reload of the configuration was refused."""
        self.exporter = self.exporter._replace(reload=self.exporter.reload._replace(successful=not yes))

    # Execution.

    def run(self, until_s: float) -> None:
        """Let time pass, with a page every 30 seconds and a block every 10 minutes."""
        for block_s in range(0, int(until_s), BLOCK_S):
            self.at(block_s, self._block)
        for scrape_s in range(0, int(until_s) + 1, self.series.step_s):
            self.at(scrape_s, self._scrape)
        while self._script:
            at_s, _, do = heapq.heappop(self._script)
            if at_s > until_s:
                break
            self._at_s = at_s
            self.ledger.apply(self.tracker.release(self._moment()))
            self._changed = self._changed or do != self._scrape or bool(self.tracker.open)
            do()

    def _change(self, mutation: Mutation) -> None:
        self.database.apply(mutation)

    def _on_update(self, update: Update) -> None:
        if self.stream_works:
            self.send_update(update, Source.STREAM)

    def send_update(self, update: Update, source: Source) -> None:
        """Send an update to the exporter."""
        payment = decode.payment(pb.Payment.FromString(update.message), self.world.me.pubkey)
        at = self._moment(self.delay_s)
        events = self.tracker.update(payment, source, at)
        if BalanceLacked() in events and self.status.channels is not None:  # lnd is asked for them, and answers at once
            self.tracker.balance = Balance.of(self.status.channels, at)
        self.ledger.apply(events)

    def list_all(self) -> None:
        """List all payments to the exporter, as a catch-up does."""
        for record in self.database:
            self.send_update(record.update, Source.LIST)

    def list_empty_channels(self) -> None:
        """List the channels to the exporter: all are open, none has an HTLC."""
        at = self._moment()
        offered: dict[int, Offered] = {channel_to(peer.node.pubkey): {} for peer in self.world.peers}
        self.tracker.ghosts.compare(offered, self.tracker.open.values(), at, caught_up=True)

    def _block(self) -> None:
        if self._chain_grows:
            self.world.height += 1
            self._header_s = int(self._begins_s + self._at_s)

    def _scrape(self) -> None:
        if self.status.info is not None and self.status.state is NodeState.READY:
            self.set(
                info=replace(self.status.info, block_height=self.world.height, best_header_s=self._header_s),
            )
        if self._changed:
            self.series.scrape(self._targets())
        else:
            self.series.repeat()
        self._changed = False

    def _targets(self) -> Iterator[Scraped]:
        hidden = set() if self.discovered else {self.address}
        for address in sorted({self.address, *self.other_nodes.values()} - hidden):
            here = address == self.address
            is_up = self.network and (self.page or not here)
            pages = {
                node: [healthy(node)] if is_up else [] for node, where in self.other_nodes.items() if where == address
            }
            if here and (self.configured or self._is_target):
                answers = is_up and self.configured and (self.own_page or self.layout is Layout.ONE_PAGE)
                pages[self._name] = list(self._of_node()) if answers else []
            yield Scraped(
                of_exporter(self.layout, address, self.job),
                [up(is_up), *(self._of_exporter() if here and is_up else ())],
            )
            for node, metrics in pages.items():
                ups = [up(bool(metrics))] if self.layout is Layout.PAGE_A_NODE else []
                yield Scraped(of_node(self.layout, address, node, self.job), [*ups, *metrics])

    def _of_exporter(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("process_start_time_seconds", "", value=self._scraped(self.started_s))
        exporter = self.exporter._replace(checkpoint_s=self._scraped(self._moment().wall_ns / _NS))
        for row in self._rows:
            if isinstance(row, ExporterRow):
                yield family(row, PageData([], exporter))
        if not self._origin_s:
            yield from (metric for metric in _PROCESS.collect() if "start_time" not in metric.name)

    def _of_node(self) -> Iterator[Metric]:
        status = self.status
        if status.info is not None:
            header_s = int(self._scraped(status.info.best_header_s))
            status = replace(status, info=replace(status.info, best_header_s=header_s))
        if status.certificate_expiry_s is not None:
            status = replace(status, certificate_expiry_s=int(self._scraped(status.certificate_expiry_s)))
        view = capture_view(self._name, self.tracker, self.ledger, status, self._moment())
        begun_s = time.perf_counter()
        for row in self._rows:
            if not isinstance(row, ExporterRow):
                yield family(row, PageData([view]))
        if not self._origin_s:
            yield GaugeMetricFamily("scrape_duration_seconds", "", value=time.perf_counter() - begun_s)

    def _scraped(self, moment_s: float) -> float:
        """Return the time as the database has it, because rules compare it with `time()`."""
        return moment_s - self._origin_s

    def resets(self, times: int) -> None:
        """Set the number of state resets."""
        self.exporter = self.exporter._replace(state_resets=dict.fromkeys(Reset, 0) | {Reset.CORRUPT: times})

    def _now_ns(self) -> int:
        """Return the time, each call a little later: creation times are part of a payment's identity."""
        self._last_ns = max(int((self._begins_s + self._at_s) * _NS), self._last_ns + 1000)
        return self._last_ns

    def _moment(self, later_s: float = 0.0) -> Moment:
        at_ns = int((self._at_s + later_s) * _NS)
        return Moment(self._begins_s * _NS + at_ns, at_ns)
