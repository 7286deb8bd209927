"""The past of a node that was written by the command, for a Prometheus."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator import demo
from tests.backfill.past import HOUR_S, PastClock, backfill, held, listed, old_node, traffic

HOURS = 60
STEP_S = 300
HELD_HOURS = (2.5, 7, 26, 31, 49.2, 52)
PAYMENTS = 800
LABELS = {"job": "lnd-payments", "instance": "localhost:10019/alice", "exporter": "localhost:10019"}
TARGET = {*LABELS.items(), ("node", "alice")}


class Past(NamedTuple):
    """A past that has been written."""

    home: Path
    payments: list[pb.Payment]
    """What lnd lists."""
    kinds: Mapping[tuple[str, int], str]
    """The kind of each run that ended, by hash and creation time in nanoseconds."""
    ends_s: int
    """A full hour after all of it, seconds since 1970."""


async def write(home: Path, *, keeps_attempts: bool = True) -> Past:
    """Let a node have a past of some days, and write it; lnd keeps failed attempts only if it is told to."""
    start_s = int(time.time()) // HOUR_S * HOUR_S - (HOURS + 8) * HOUR_S
    node = old_node(home / "lnd", PastClock(start_s), keeps_attempts=keeps_attempts)
    await node.start()
    await node.play(*held(node, HELD_HOURS), *traffic(node, PAYMENTS, HOURS * HOUR_S))
    groups = "\n".join(f"  {name}: [{key}]" for key, name in [*demo.destinations(node).items()][3:5])
    (home / "backfill.yml").write_text(f"destinations:\n{groups}\n")
    labels = "--labels=" + ",".join(map("=".join, LABELS.items()))
    flags = ("--adopt", f"--storage.path={home / 'state.sqlite'}", f"--config.file={home / 'backfill.yml'}")
    await backfill(node, home, labels, f"--step={STEP_S}s", *flags)
    kinds = {(truth.payment_hash, truth.created_ns): truth.kind.value for truth in node.truth()}
    payments = listed(node)
    await node.stop()
    return Past(home, payments, kinds, start_s + (HOURS + 4) * HOUR_S)
