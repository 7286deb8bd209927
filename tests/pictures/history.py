"""A week of a node whose exporter was installed on the last day: history from lnd before, live counting since."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from exporter.backfill.files import SUFFIX, FilesSink
from exporter.backfill.ledger import PastLedger
from exporter.backfill.recorder import Recorder, Span
from exporter.backfill.seam import BEFORE_NS
from exporter.backfill.table import SeriesTable
from exporter.backfill.timeline import Timeline
from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.metrics.names import ROWS
from exporter.metrics.past import PastMetrics
from exporter.payments.destinations import Recipients
from exporter.payments.ledger import Ledger
from exporter.payments.payment import NS_PER_S, Moment
from exporter.payments.tracker import Tracker
from tests.incidents.node import VirtualNode
from tests.incidents.series import Series
from tests.incidents.targets import of_node
from tests.pictures.data import TO_S, channels, day

STEP_S = 300
"""Between two samples of history, and between two evaluations of the rules."""
_SCRAPE_S = 60
_DAY_MIN = 1440
BEGAN_S = TO_S - _DAY_MIN * 60
"""When live counting began."""
FROM_S = TO_S - 7 * _DAY_MIN * 60
_FOREVER_NS = 1 << 63


class _OldNode(VirtualNode):
    """A node that has made payments before its exporter began, at time 0."""

    def adopt(self, directory: Path) -> None:
        """Write its past to a directory, and let the live counters begin with the sums of it."""
        at = Moment(BEGAN_S * NS_PER_S, 0)
        payments = [
            decode.payment(pb.Payment.FromString(record.update.message), self.world.me.pubkey)
            for record in self.database
        ]
        ledger = PastLedger(Ledger().peers.places)
        labels = {**of_node(self.layout, self.address, self._name), "node": self._name}
        recorder = Recorder(
            Timeline(ledger, STEP_S * NS_PER_S),
            SeriesTable(PastMetrics(ledger, labels, (), attempts=False), ledger),
            FilesSink(directory, STEP_S * 1000, _FOREVER_NS, anew=True),
            span=Span(0, _FOREVER_NS),
            save=lambda: None,
            recipients=Recipients(),
        )
        for payment in payments:
            if payment.status.ended:
                recorder.take(payment, at.wall_ns, again=False)
        asyncio.run(recorder.finish(at.wall_ns - BEFORE_NS, reset=False))
        self.tracker, self.ledger = Tracker(), Ledger()
        self.ledger.resume(ledger.counters, ledger.histograms)
        self.ledger.apply(self.tracker.begin(payments, 0, at))
        self.tracker.stream_started()
        self.stream_works = True


def write(directory: Path) -> Iterator[Path]:
    """Write the past and the live samples of the node; return files of OpenMetrics text."""
    node = _OldNode("frank", name="frank", rows=ROWS, begins_s=BEGAN_S)
    node.series = Series(_SCRAPE_S)
    node.stream_works = False
    channels(node)
    day(node, -6 * _DAY_MIN, _DAY_MIN)
    node.at(-1, lambda: node.adopt(directory))
    node.run(_DAY_MIN * 60)
    with (directory / f"live{SUFFIX}").open("w") as file:
        file.writelines(text for _, text in node.series.samples(BEGAN_S))
        file.write("# EOF\n")
    return directory.glob(f"*{SUFFIX}")
