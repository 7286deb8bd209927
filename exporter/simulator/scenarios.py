"""Scripted payments, each with exactly the updates recorded from a real lnd, with random amounts and routes."""

import hashlib
from collections.abc import Sequence

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenario_builder import PaymentFactory, ScenarioBuilder
from exporter.simulator.world import World, generator

_PAYMENT_TIMEOUT_S = 60.0  # lnd's default
_MPP_TIMEOUT_S = 120.0  # for which a recipient holds parts of a payment that is never complete
_RECIPIENT = -1  # as a failure source

_TEMPORARY = pb.Failure.TEMPORARY_CHANNEL_FAILURE
_REFUSED = pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
_MPP_TIMEOUT = pb.Failure.MPP_TIMEOUT

DETAILS = pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS
NO_ROUTE = pb.FAILURE_REASON_NO_ROUTE
TIMEOUT = pb.FAILURE_REASON_TIMEOUT
CANCELED = pb.FAILURE_REASON_CANCELED
ERROR = pb.FAILURE_REASON_ERROR
INSUFFICIENT_BALANCE = pb.FAILURE_REASON_INSUFFICIENT_BALANCE


class Scenarios:
    """Makes scenarios for the node of `world`, one method per scenario; the same for the same seed."""

    def __init__(self, world: World, seed: object = 0, *, now_s: int = 1_780_000_000) -> None:
        """`now_s` is the creation time of invoices, seconds since 1970."""
        self._payments = PaymentFactory(world, generator("lives", seed), now_s)

    # Payments that succeed.

    def success(self, value_msat: int | None = None, *, hops: int = 3, resolve_s: float = 1.0) -> Scenario:
        """One attempt that settles."""
        payment = self._payments.invoice(value_msat)
        payment.settle(payment.attempt(hops=hops), resolve_s)
        return payment.scenario("success")

    def retry(
        self, value_msat: int | None = None, *, failures: Sequence[tuple[int, int]] = ((_TEMPORARY, 2),), hops: int = 3
    ) -> Scenario:
        """Some attempts fail, each with (code, failure source), the next one settles."""
        payment = self._payments.invoice(value_msat)
        for code, source in failures:
            payment.fail(payment.attempt(hops=hops), code, source)
        payment.settle(payment.attempt(hops=hops))
        return payment.scenario("retry")

    def keysend(self, value_msat: int | None = None) -> Scenario:
        """A payment without an invoice; a record of the last hop carries the preimage."""
        payment = self._payments.keysend(value_msat)
        payment.settle(payment.attempt())
        return payment.scenario("keysend")

    def multi_part(self, value_msat: int | None = None, *, parts: int = 3) -> Scenario:
        """Several parts in flight at once; the fee grows with each that settles."""
        payment = self._payments.invoice(value_msat or 300_000_000)
        attempts = [payment.attempt(parts=parts, delay_s=0.05) for _ in range(parts)]
        for attempt in attempts:
            payment.settle(attempt, 0.3)
        return payment.scenario("multi_part")

    def amp(self, value_msat: int | None = None, *, parts: int = 1) -> Scenario:
        """An atomic multi-path payment: its hash is the set id, each part has its own preimage."""
        payment = self._payments.amp(value_msat)
        for attempt in [payment.attempt(parts=parts, delay_s=0.05) for _ in range(parts)]:
            payment.settle(attempt, preimage=hashlib.sha256(b"%d" % attempt + payment.preimage).digest())
        return payment.scenario("amp")

    # Payments that fail.

    def no_route(self, value_msat: int | None = None) -> Scenario:
        """No route, no attempt."""
        payment = self._payments.invoice(value_msat)
        return payment.give_up(NO_ROUTE).scenario("no_route")

    def insufficient_balance(self, value_msat: int | None = None) -> Scenario:
        """An amount above the node's balance; no attempt."""
        payment = self._payments.invoice(value_msat)
        return payment.give_up(INSUFFICIENT_BALANCE).scenario("insufficient_balance")

    def route_fails(
        self, value_msat: int | None = None, *, failures: Sequence[tuple[int, int]] = ((_TEMPORARY, 2), (_TEMPORARY, 1))
    ) -> Scenario:
        """Some attempts fail, each with (code, failure source), then no route is left."""
        payment = self._payments.invoice(value_msat)
        for code, source in failures:
            payment.fail(payment.attempt(), code, source)
        return payment.give_up(NO_ROUTE).scenario("route_fails")

    def refused(self, value_msat: int | None = None) -> Scenario:
        """The recipient refuses: the reason is written while the HTLC is still outstanding."""
        payment = self._payments.invoice(value_msat)
        return payment.refuse(payment.attempt()).scenario("refused")

    def probe(self, value_msat: int | None = None) -> Scenario:
        """A payment of a random hash, which the recipient refuses, sent to learn whether a payment would arrive."""
        payment = self._payments.bare(Kind.PROBE, value_msat)
        return payment.refuse(payment.attempt()).scenario("probe")

    def storm(self, *, failures: int = 21, held: int = 2) -> Scenario:
        """A payment split and retried until no route is left; parts that arrived fail after two minutes."""
        payment = self._payments.invoice(400_000_000)
        arrived = []
        for turn in range(failures + held):
            attempt = payment.attempt(hops=2, parts=held + 2, delay_s=0.02)
            if turn in (1, 3):
                arrived.append(attempt)
            else:
                payment.fail(attempt, _TEMPORARY, 1, 0.2)
        arrived += [payment.attempt(hops=2, parts=held + 2) for _ in range(held - len(arrived))]
        payment.give_up(NO_ROUTE)
        delay_s = _MPP_TIMEOUT_S
        for attempt in arrived:
            payment.fail(attempt, _MPP_TIMEOUT, _RECIPIENT, delay_s).give_up(TIMEOUT)
            delay_s = 0.01
        return payment.scenario("storm")

    # Payments whose HTLC is held.

    def held_then_settled(self, held_s: float = 30.0, value_msat: int | None = None) -> Scenario:
        """Held, then settled. After the payment's timeout it has two terminal updates, the second with a reason."""
        payment = self._payments.invoice(value_msat)
        payment.settle(payment.attempt(), held_s)
        if held_s > _PAYMENT_TIMEOUT_S:
            payment.give_up(TIMEOUT, 0.01)
        return payment.scenario("held_then_settled")

    def held_then_cancelled(self, held_s: float = 30.0, value_msat: int | None = None) -> Scenario:
        """Held, then cancelled. After the payment's timeout a second terminal update overwrites the reason."""
        payment = self._payments.invoice(value_msat)
        payment.refuse(payment.attempt(), held_s)
        if held_s > _PAYMENT_TIMEOUT_S:
            payment.give_up(TIMEOUT, 0.002)
        return payment.scenario("held_then_cancelled")

    def cancelled_by_caller(self, held_s: float = 10.0, value_msat: int | None = None) -> Scenario:
        """The caller ends the call while the HTLC is held; lnd writes that reason after the recipient cancelled."""
        payment = self._payments.invoice(value_msat)
        return payment.refuse(payment.attempt(), held_s).give_up(CANCELED, 0.002).scenario("cancelled_by_caller")

    def stuck(self, value_msat: int | None = None) -> Scenario:
        """A `SendToRoute` whose attempt failed temporarily: in flight for ever, without an outstanding HTLC."""
        payment = self._payments.bare(Kind.OTHER, value_msat)
        payment.fail(payment.attempt(), _TEMPORARY, 1)
        return payment.scenario("stuck", finish=False)

    # Rebalances, SendToRoute and retries.

    def rebalance(self, value_msat: int | None = None, *, fails: bool = False) -> Scenario:
        """A payment in a circle back to the node itself; with `fails` its attempt fails and no route is left."""
        payment = self._payments.rebalance(value_msat)
        attempt = payment.attempt()
        if fails:
            payment.fail(attempt, _TEMPORARY, 2).give_up(NO_ROUTE)
        else:
            payment.settle(attempt)
        return payment.scenario("rebalance")

    def rebalance_without_route(self, value_msat: int | None = None) -> Scenario:
        """No attempt, as most rebalances end: only the payee of the invoice shows that it is one."""
        return self._payments.rebalance(value_msat).give_up(NO_ROUTE).scenario("rebalance_without_route")

    def send_to_route(self, value_msat: int | None = None, *, fails: bool = False, refused: bool = False) -> Scenario:
        """One attempt along a given route. If it fails, the payment fails, and the attempt stays in the database."""
        payment = self._payments.bare(Kind.PROBE if refused else Kind.OTHER, value_msat)
        attempt = payment.attempt()
        if refused:
            payment.refuse(attempt)
        elif fails:
            payment.fail(attempt, _TEMPORARY, 1).give_up(ERROR, 0.001)
        else:
            payment.settle(attempt)
        return payment.scenario("send_to_route", finish=False)

    def retried_hash(self, value_msat: int | None = None, *, pause_s: float = 5.0, failures: int = 1) -> Scenario:
        """Runs without a route, then a run of the same invoice that succeeds; each erases the one before in lnd."""
        payment: ScenarioBuilder = self._payments.invoice(value_msat)
        for _ in range(failures):
            payment.give_up(NO_ROUTE).finish().create(pause_s)
        payment.settle(payment.attempt())
        return payment.scenario("retried_hash")
