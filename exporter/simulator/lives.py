"""Scripted lives of payments, each exactly as a real lnd was seen to live it, with amounts and routes drawn by lot."""

import hashlib
from collections.abc import Sequence

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.simulator.draft import Draft, Purse
from exporter.simulator.mutation import Life
from exporter.simulator.world import World, generator

_PATIENCE_S = 60.0  # a payment's own timeout, lnd's default
_MPP_TIMEOUT_S = 120.0  # how long a recipient keeps parts of a payment that never becomes whole
_LAST = -1  # failure source: the recipient

_TEMPORARY = pb.Failure.TEMPORARY_CHANNEL_FAILURE
_REFUSED = pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
_MPP_TIMEOUT = pb.Failure.MPP_TIMEOUT

DETAILS = pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS
NO_ROUTE = pb.FAILURE_REASON_NO_ROUTE
TIMEOUT = pb.FAILURE_REASON_TIMEOUT
CANCELED = pb.FAILURE_REASON_CANCELED
ERROR = pb.FAILURE_REASON_ERROR
INSUFFICIENT_BALANCE = pb.FAILURE_REASON_INSUFFICIENT_BALANCE


class Lives:
    """Writes lives for the node of `world`. The same seed writes the same lives."""

    def __init__(self, world: World, seed: object = 0, *, now_s: int = 1_780_000_000) -> None:
        """`now_s` is when invoices were made, seconds since 1970."""
        self._purse = Purse(world, generator("lives", seed), now_s)

    # Payments that succeed.

    def success(self, value_msat: int | None = None, *, hops: int = 3, resolve_s: float = 1.0) -> Life:
        """One attempt, settled."""
        draft = self._purse.invoice(value_msat)
        draft.settle(draft.attempt(hops=hops), resolve_s)
        return draft.life("success")

    def retry(
        self, value_msat: int | None = None, *, failures: Sequence[tuple[int, int]] = ((_TEMPORARY, 2),), hops: int = 3
    ) -> Life:
        """Some attempts fail, each with (code, failure source), the next one succeeds."""
        draft = self._purse.invoice(value_msat)
        for code, source in failures:
            draft.fail(draft.attempt(hops=hops), code, source)
        draft.settle(draft.attempt(hops=hops))
        return draft.life("retry")

    def keysend(self, value_msat: int | None = None) -> Life:
        """Without an invoice; the preimage travels in a record of the last hop."""
        draft = self._purse.keysend(value_msat)
        draft.settle(draft.attempt())
        return draft.life("keysend")

    def multi_part(self, value_msat: int | None = None, *, parts: int = 3) -> Life:
        """Several parts under way at once; the fee grows with each that settles."""
        draft = self._purse.invoice(value_msat or 300_000_000)
        under_way = [draft.attempt(parts=parts, delay_s=0.05) for _ in range(parts)]
        for attempt in under_way:
            draft.settle(attempt, 0.3)
        return draft.life("multi_part")

    def amp(self, value_msat: int | None = None, *, parts: int = 1) -> Life:
        """An atomic multi-path payment: its hash is the set id, each part has a preimage of its own."""
        draft = self._purse.amp(value_msat)
        for attempt in [draft.attempt(parts=parts, delay_s=0.05) for _ in range(parts)]:
            draft.settle(attempt, preimage=hashlib.sha256(b"%d" % attempt + draft.preimage).digest())
        return draft.life("amp")

    # Payments that fail.

    def no_route(self, value_msat: int | None = None) -> Life:
        """Nothing is ever sent."""
        draft = self._purse.invoice(value_msat)
        return draft.give_up(NO_ROUTE).life("no_route")

    def insufficient_balance(self, value_msat: int | None = None) -> Life:
        """More than the node has; nothing is ever sent."""
        draft = self._purse.invoice(value_msat)
        return draft.give_up(INSUFFICIENT_BALANCE).life("insufficient_balance")

    def route_fails(
        self, value_msat: int | None = None, *, failures: Sequence[tuple[int, int]] = ((_TEMPORARY, 2), (_TEMPORARY, 1))
    ) -> Life:
        """Some attempts fail, each with (code, failure source), then there is no other route."""
        draft = self._purse.invoice(value_msat)
        for code, source in failures:
            draft.fail(draft.attempt(), code, source)
        return draft.give_up(NO_ROUTE).life("route_fails")

    def refused(self, value_msat: int | None = None) -> Life:
        """The recipient refuses: the reason is written while the HTLC is still outstanding."""
        draft = self._purse.invoice(value_msat)
        return draft.refuse(draft.attempt()).life("refused")

    def probe(self, value_msat: int | None = None) -> Life:
        """A payment of a random hash, sent to learn whether it would arrive."""
        draft = self._purse.bare(Kind.PROBE, value_msat)
        return draft.refuse(draft.attempt()).life("probe")

    def storm(self, *, failures: int = 21, held: int = 2) -> Life:
        """Halved and tried again until no route is left; parts that arrived are sent back after two minutes."""
        draft = self._purse.invoice(400_000_000)
        waiting = []
        for turn in range(failures + held):
            attempt = draft.attempt(hops=2, parts=held + 2, delay_s=0.02)
            if turn in (1, 3):
                waiting.append(attempt)
            else:
                draft.fail(attempt, _TEMPORARY, 1, 0.2)
        waiting += [draft.attempt(hops=2, parts=held + 2) for _ in range(held - len(waiting))]
        draft.give_up(NO_ROUTE)
        delay_s = _MPP_TIMEOUT_S
        for attempt in waiting:
            draft.fail(attempt, _MPP_TIMEOUT, _LAST, delay_s).give_up(TIMEOUT)
            delay_s = 0.01
        return draft.life("storm")

    # Payments that somebody holds.

    def held_then_settled(self, held_s: float = 30.0, value_msat: int | None = None) -> Life:
        """Held by the recipient. Past the payment's timeout two successes follow, the second with a reason."""
        draft = self._purse.invoice(value_msat)
        draft.settle(draft.attempt(), held_s)
        if held_s > _PATIENCE_S:
            draft.give_up(TIMEOUT, 0.01)
        return draft.life("held_then_settled")

    def held_then_cancelled(self, held_s: float = 30.0, value_msat: int | None = None) -> Life:
        """Held, then given back. Past the payment's timeout a second failure overwrites the reason."""
        draft = self._purse.invoice(value_msat)
        draft.refuse(draft.attempt(), held_s)
        if held_s > _PATIENCE_S:
            draft.give_up(TIMEOUT, 0.002)
        return draft.life("held_then_cancelled")

    def cancelled_by_caller(self, held_s: float = 10.0, value_msat: int | None = None) -> Life:
        """The caller hangs up while the HTLC is held; lnd says so only after the recipient gave it back."""
        draft = self._purse.invoice(value_msat)
        return draft.refuse(draft.attempt(), held_s).give_up(CANCELED, 0.002).life("cancelled_by_caller")

    def stuck(self, value_msat: int | None = None) -> Life:
        """A shard of `SendToRoute` that failed for now: in flight for ever, with no HTLC outstanding."""
        draft = self._purse.bare(Kind.OTHER, value_msat)
        draft.fail(draft.attempt(), _TEMPORARY, 1)
        return draft.life("stuck", finish=False)

    # Payments to oneself, and routes of one's own.

    def rebalance(self, value_msat: int | None = None, *, fails: bool = False) -> Life:
        """In a circle back to the node itself; or on the way no route is left."""
        draft = self._purse.rebalance(value_msat)
        attempt = draft.attempt()
        if fails:
            draft.fail(attempt, _TEMPORARY, 2).give_up(NO_ROUTE)
        else:
            draft.settle(attempt)
        return draft.life("rebalance")

    def rebalance_without_route(self, value_msat: int | None = None) -> Life:
        """How most rebalances end: nothing is sent, only the invoice says whom it would have paid."""
        return self._purse.rebalance(value_msat).give_up(NO_ROUTE).life("rebalance_without_route")

    def send_to_route(self, value_msat: int | None = None, *, fails: bool = False, refused: bool = False) -> Life:
        """One shard along a given route. A failed one fails its payment, and its attempt stays in the database."""
        draft = self._purse.bare(Kind.PROBE if refused else Kind.OTHER, value_msat)
        attempt = draft.attempt()
        if refused:
            draft.refuse(attempt)
        elif fails:
            draft.fail(attempt, _TEMPORARY, 1).give_up(ERROR, 0.001)
        else:
            draft.settle(attempt)
        return draft.life("send_to_route", finish=False)

    def retried_hash(self, value_msat: int | None = None, *, pause_s: float = 5.0) -> Life:
        """A run without a route, then the same invoice again: the old run is erased, the new one succeeds."""
        draft: Draft = self._purse.invoice(value_msat)
        draft.give_up(NO_ROUTE).finish().create(pause_s)
        draft.settle(draft.attempt())
        return draft.life("retried_hash")
