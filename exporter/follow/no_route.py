"""Asks lnd why payments have found no route: a sample of those that failed without any attempt (opt-in)."""

import asyncio

import structlog

from exporter.explain.asker import Asker
from exporter.explain.check import check
from exporter.follow.calls import Calls
from exporter.lnd.client import ExplainingClient, LndError
from exporter.payments.event import NoRouteChecked
from exporter.payments.labels import CallOutcome, Method, NodeState, RouteCheck
from exporter.payments.node import Info
from exporter.payments.payment import NS_PER_S, Run
from exporter.payments.totals import Counter

EVERY_NS = 10 * NS_PER_S
"""From the beginning of a check to that of the next one, at least."""
PAUSE = 20
"""After a check lnd is left alone for so many times as long as it took: checks take at most 1/21 of the time."""
LONGEST_S = 30.0
"""A check that takes longer is given up. lnd may still work on its last search; the pause is ten minutes then."""

BAKE = (
    "lncli bakemacaroon --save_to payments.macaroon"
    " uri:/routerrpc.Router/TrackPayments uri:/routerrpc.Router/TrackPaymentV2"
    " uri:/lnrpc.Lightning/ListPayments uri:/lnrpc.Lightning/GetInfo uri:/lnrpc.Lightning/ListChannels"
    " uri:/lnrpc.Lightning/DecodePayReq uri:/lnrpc.Lightning/QueryRoutes"
)
"""The command that makes a macaroon with all that the exporter calls then."""

_METHODS = {
    "TrackPaymentV2": Method.TRACK_PAYMENT,
    "ListChannels": Method.LIST_CHANNELS,
    "DecodePayReq": Method.DECODE_PAY_REQ,
    "QueryRoutes": Method.QUERY_ROUTES,
}


class NoRouteChecks:
    """Looks into some of the payments of one node that found no route, one at a time.

    It waits for lnd in a task of its own and counts nothing but its verdicts, so no payment is counted later because of
    it. The invoice is in lnd's answer about the payment; it is asked what is in it, and forgotten.
    """

    def __init__(self, calls: Calls, client: ExplainingClient) -> None:
        """`client` is that of `calls`."""
        self._client = client
        self._calls = calls
        self._account = calls.account
        for verdict in RouteCheck:  # other nodes do without these series
            calls.account.ledger.count(Counter.NO_ROUTE_CHECKS, verdict.value, by=0)
        self._log = structlog.get_logger("exporter.follow").bind(node=calls.account.name)
        self._denial_logged = False  # lnd has denied the last check, and the log has reported it

    async def run(self) -> None:
        """Check until cancelled, or until lnd denies it; the next session tries again.

        A payment that ends during a pause isn't looked into: what lnd finds later may have another reason.
        """
        account = self._account
        account.unexplained.clear()
        while True:
            await account.unexplained.wait()
            account.unexplained.clear()
            run, info, started_ns = account.last_unexplained, account.status.info, account.now().mono_ns
            if run is None or info is None or started_ns < account.next_check_ns:
                continue
            try:
                verdict = await self._check(run, info)
            finally:  # also if the session ends meanwhile
                took_ns = account.now().mono_ns - started_ns
                account.next_check_ns = started_ns + max(EVERY_NS, (1 + PAUSE) * took_ns)
            account.apply([NoRouteChecked(verdict)])
            if verdict is RouteCheck.DENIED:
                self._report_denial()
                return
            self._denial_logged = False

    async def _check(self, run: Run, info: Info) -> RouteCheck:
        """Return what lnd finds; `info` is what is known of the node."""
        asker = Asker(self._client, lambda: self._account.now().wall_ns, known_info=info, note_call=self._count)
        try:
            async with asyncio.timeout(LONGEST_S):
                return check(await asker.ask(run.payment_hash), run)
        except LndError as error:
            return RouteCheck.DENIED if error.state is NodeState.DENIED else RouteCheck.FAILED
        except TimeoutError:
            return RouteCheck.FAILED

    def _count(self, call: str, ok: bool) -> None:  # noqa: FBT001 - as `Asker.note_call` passes it
        if method := _METHODS.get(call):
            self._calls.count(method, CallOutcome.OK if ok else CallOutcome.ERROR)

    def _report_denial(self) -> None:
        """Log once that the macaroon doesn't allow checks."""
        if not self._denial_logged:
            self._log.warning(
                "the macaroon doesn't allow DecodePayReq and QueryRoutes: payments without a route are not looked into",
                advice=f"bake one that does, or leave --lnd.explain-no-route out: {BAKE}",
            )
        self._denial_logged = True
