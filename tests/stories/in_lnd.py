"""What lnd itself says of its payments, as `lncli listpayments` prints it, added up without the exporter's code."""

import json
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.rest_json import message_json
from tests.network.process import run
from tests.stories.lab import Lab
from tests.stories.payer import Payer
from tests.stories.real import KEYSEND_RECORD, RealLab
from tests.stories.simulated import SimulatedLab

Json = dict[str, Any]

SUCCEEDED, SENT, FEES = "lnd_payments_succeeded_total", "lnd_payments_sent_msat_total", "lnd_payments_fees_msat_total"
FAILED, FAILED_MSAT = "lnd_payments_failed_total", "lnd_payments_failed_msat_total"
METRICS = (SUCCEEDED, SENT, FEES, FAILED, FAILED_MSAT)
DETAILS = "INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS"


class Key(NamedTuple):
    """What is added up."""

    metric: str
    kind: str
    reason: str
    """Why it failed; empty if it succeeded."""


Sums = Tally[Key]


async def listed(lab: Lab) -> list[Json]:
    """Return all payments: on a real lnd what `lncli` prints."""
    if isinstance(lab, RealLab):
        words = [*lab.node.lncli(), "listpayments", "--include_incomplete", "--max_payments=100000"]
        return list(json.loads(await run(words, lab.node.home))["payments"])
    assert isinstance(lab, SimulatedLab)
    page = lab.node.database.page(pb.ListPaymentsRequest(include_incomplete=True, max_payments=1 << 30))
    return list(message_json(pb.ListPaymentsResponse, page)["payments"])


def kind(payment: Json, payer: Payer) -> str:
    """Return the kind of a payment, as docs/metrics.md defines it."""
    hops = [htlc["route"]["hops"][-1] for htlc in payment["htlcs"]]
    refused = any(htlc["failure"] and htlc["failure"]["code"] == DETAILS for htlc in payment["htlcs"])
    if payment["payment_hash"] in payer.rebalances or any(hop["pub_key"] == payer.lab.pubkey for hop in hops):
        return "rebalance"
    if any(hop["amp_record"] is not None for hop in hops):
        return "amp"
    if any(KEYSEND_RECORD in hop["custom_records"] for hop in hops):
        return "keysend"
    if payment["payment_request"]:
        return "invoice"
    if refused:
        return "probe"
    return "other" if hops else "unknown"


def ended_ns(payment: Json) -> int:
    """Return when a payment ended, as far as the list tells: when the last thing happened to it."""
    times = [int(htlc[name]) for htlc in payment["htlcs"] for name in ("attempt_time_ns", "resolve_time_ns")]
    return max(int(payment["creation_time_ns"]), *times, 0)


def _added(payment: Json, payer: Payer) -> Iterator[tuple[Key, int]]:
    """Yield what an ended payment adds."""
    of, value, fee = kind(payment, payer), int(payment["value_msat"]), int(payment["fee_msat"])
    if payment["status"] == "SUCCEEDED":
        yield from ((Key(SUCCEEDED, of, ""), 1), (Key(SENT, of, ""), value), (Key(FEES, of, ""), fee))
    else:
        assert payment["status"] == "FAILED"
        reason = payment["failure_reason"].removeprefix("FAILURE_REASON_").lower()
        yield from ((Key(FAILED, of, reason), 1), (Key(FAILED_MSAT, of, reason), value))


def is_over(payment: Json) -> bool:
    """Return whether a payment has ended."""
    return payment["status"] in {"SUCCEEDED", "FAILED"}


def sums(payments: Sequence[Json], payer: Payer) -> Sums:
    """Return the sums of all that have ended."""
    found = Sums()
    for payment in filter(is_over, payments):
        for key, by in _added(payment, payer):
            found[key] += by
    return +found


def by_step(payments: Sequence[Json], payer: Payer, step_ns: int) -> dict[int, Sums]:
    """Return the sums of those that ended in each step; step N ends at N times `step_ns` since 1970."""
    steps: dict[int, list[Json]] = {}
    for payment in filter(is_over, payments):
        steps.setdefault(-(-ended_ns(payment) // step_ns), []).append(payment)
    return {step: sums(of, payer) for step, of in steps.items()}
