"""The past of a node in a real Prometheus: raw samples of each hour against lnd's list, and the dashboards over it."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator import demo
from tests.backfill.blocks import Raw, import_files, querying, raw
from tests.backfill.past import HOUR_S, PastClock, backfill, ended_ns, held, listed, old_node, traffic
from tests.victoria.server import Server

pytestmark = pytest.mark.usefixtures("programs")

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


async def write(home: Path) -> Past:
    """Let a node have a past of some days, and write it."""
    start_s = int(time.time()) // HOUR_S * HOUR_S - (HOURS + 8) * HOUR_S
    node = old_node(home / "lnd", PastClock(start_s), keeps_attempts=True)
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


@pytest.fixture(scope="module")
def past(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A past that is in `data`, the database of a Prometheus that isn't running."""
    written = asyncio.run(write(tmp_path_factory.mktemp("past")))
    import_files(written.home / "history", written.home / "data")
    return written


@pytest.fixture(scope="module")
def server(past: Past) -> Iterator[Server]:
    """A Prometheus over that past."""
    with querying(past.home) as running:
        yield running


Hourly = Tally[tuple[str, str, str, int]]
"""Metric, kind, reason or "", and hour: by how much it rose."""


def expected(past: Past) -> Hourly:
    """Add up lnd's list."""
    found = Hourly()
    for payment in past.payments:
        kind = past.kinds[payment.payment_hash, payment.creation_time_ns]
        hour = -(-ended_ns(payment) // NS_PER_S // HOUR_S)
        if payment.status == pb.Payment.SUCCEEDED:
            found["lnd_payments_succeeded_total", kind, "", hour] += 1
            found["lnd_payments_sent_msat_total", kind, "", hour] += payment.value_msat
            found["lnd_payments_fees_msat_total", kind, "", hour] += payment.fee_msat
        else:
            reason = pb.PaymentFailureReason.Name(payment.failure_reason).removeprefix("FAILURE_REASON_").lower()
            found["lnd_payments_failed_total", kind, reason, hour] += 1
            found["lnd_payments_failed_msat_total", kind, reason, hour] += payment.value_msat
    return Hourly({key: rise for key, rise in found.items() if rise})


def risen(name: str, series: Raw) -> Hourly:
    """Return the differences of samples an hour apart."""
    found = Hourly()
    for labels, values in series.items():
        own = dict(labels)
        last = 0.0
        for at_ms in sorted(values):
            if at_ms % (HOUR_S * 1000) == 0:
                key = (name, own["kind"], own.get("reason", ""), at_ms // (HOUR_S * 1000))
                found[key] += int(values[at_ms] - last)
                last = values[at_ms]
    return Hourly({key: rise for key, rise in found.items() if rise})


METRICS = (
    "lnd_payments_succeeded_total",
    "lnd_payments_sent_msat_total",
    "lnd_payments_fees_msat_total",
    "lnd_payments_failed_total",
    "lnd_payments_failed_msat_total",
)


def test_each_hour_and_kind_has_what_lnd_lists(past: Past, server: Server) -> None:
    """The differences of raw samples are those of lnd's list, and there are payments of all kinds and reasons."""
    found = Hourly()
    for name in METRICS:
        found += risen(name, raw(server, name, past.ends_s))
    assert found == expected(past)
    kinds = {key[1] for key in found}
    assert kinds == {"invoice", "keysend", "amp", "rebalance", "probe", "other"}
    reasons = {key[2] for key in found}
    assert reasons >= {"timeout", "no_route", "incorrect_payment_details", "insufficient_balance", "canceled", "error"}


def test_series_have_no_holes_and_all_labels(past: Past, server: Server) -> None:
    """Each series has a zero a step before it rises, then a sample at each step, and the labels of its target."""
    for name in METRICS:
        for labels, values in raw(server, name, past.ends_s).items():
            times = sorted(values)
            assert values[times[0]] == 0
            assert times == [*range(times[0], past.ends_s * 1000 + 1, STEP_S * 1000)]
            assert labels >= TARGET
