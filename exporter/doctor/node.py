"""Examines one node: connects step by step, then makes each call of the exporter once, in its cheapest form."""

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, encrypted, host_and_port
from exporter.doctor import answers
from exporter.doctor.finding import Area, Finding, NodeReport, Verdict
from exporter.doctor.macaroon import (
    DECODE,
    GET_INFO,
    LIST_CHANNELS,
    LIST_PAYMENTS,
    QUERY_ROUTES,
    TRACK_PAYMENT,
    TRACK_PAYMENTS,
    Call,
    judge_answers,
    judge_contents,
    other_failures,
)
from exporter.lnd import reach
from exporter.lnd.client import NOT_READY, ExaminedClient, LndError
from exporter.macaroon import decode, read_contents
from exporter.payments.findings import RouteQuery
from exporter.payments.labels import Interruption, Mode, NodeState
from exporter.payments.node import Info
from exporter.payments.payment import Payment

T = TypeVar("T")

NODE_S = 15.0
"""Seconds for a node; after that what has been found is all there is. Twice as long through a proxy, as Tor is slow."""
STEP_S = 5.0
"""Seconds for each step of the connection, and for each question; twice as long through a proxy."""
PAGE = 100
"""Payments in the page whose time is measured."""
_NO_HASH = "00" * 32
"""The hash of no payment."""
_NO_KEY = "02" + "00" * 32
"""The key of no node."""


class NotOnTime(Exception):
    """A step or a question took longer than `STEP_S`."""


class Examination:
    """The examination of one node. `findings` grows while `run` runs."""

    def __init__(self, node: NodeConfig, client: ExaminedClient) -> None:
        """Take a client that isn't connected yet."""
        self.findings: list[Finding] = []
        self._node = node
        self._client = client
        self._host, self._port = host_and_port(node.address)
        self._slow = 2 if node.proxy else 1
        self._presented: reach.Presented | None = None
        self._info: Info | None = None

    @property
    def report(self) -> NodeReport:
        """What has been found so far."""
        return NodeReport(self._node.name, self._node.address, self._node.transport, tuple(self.findings))

    async def run(self) -> None:
        """Examine the node, within `NODE_S`, and close the client."""
        limit_s = NODE_S * self._slow
        try:
            async with asyncio.timeout(limit_s):
                await self._examine()
        except TimeoutError:
            what = f"not everything was answered within {limit_s:.0f} s: the rest was not asked"
            self._find(Area.TIME, Verdict.PROBLEM, what, "is lnd's machine overloaded, or the network slow?")
        finally:
            await self._client.close()

    async def _examine(self) -> None:
        for warning in self._node.address_warnings:
            self._find(Area.SETTINGS, Verdict.WARNING, warning)
        if await self._reach() and await self._answers_as_lnd():
            await self._ask()

    def _find(self, area: Area, verdict: Verdict, what: str, to_do: str = "", **values: str | float) -> None:
        self.findings.append(Finding(area, verdict, what, to_do, values))

    async def _in_time(self, awaited: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(STEP_S * self._slow):
                return await awaited
        except TimeoutError:
            raise NotOnTime from None

    async def _step(self, area: Area, failure: str, to_do: str, step: Awaitable[T]) -> T | None:
        """Return the result of a step of the connection; None if it failed, after noting why."""
        try:
            return await self._in_time(step)
        except NotOnTime:
            self._find(area, Verdict.PROBLEM, f"{failure}: no answer within {STEP_S * self._slow:.0f} s", to_do)
        except LndError as error:
            self._find(area, Verdict.PROBLEM, failure, error.advice)
        return None

    # The connection.

    async def _reach(self) -> bool:
        """Look up the host, connect to it, see its certificate. Return whether it can be reached."""
        host, port, proxy = self._host, self._port, self._node.proxy
        if proxy is not None:
            proxy_host, proxy_port = host_and_port(proxy)
            first = await self._connect(proxy_host, proxy_port, Area.PROXY)
            if first is None:
                return False
            first.close()
            step = reach.connect_through(proxy, host, port, STEP_S * self._slow)
            to_do = "does the proxy know the host, is lnd running? A Tor circuit may take longer: try again"
            connection = await self._step(Area.CONNECTION, f"the proxy doesn't get to {host}:{port}", to_do, step)
            if connection is not None:
                self._find(Area.CONNECTION, Verdict.OK, f"the proxy gets to {host}:{port}")
        else:
            connection = await self._connect(host, port, Area.ADDRESS)
        if connection is None:
            return False
        if not encrypted(self._node.address):
            connection.close()
            return True
        protocol = "h2" if self._node.transport == GRPC else "http/1.1"
        names = self._node.tls_cert, self._node.tls_server_name
        try:
            self._presented = await self._in_time(reach.shake_hands(connection, host, *names, protocol))
        except (LndError, NotOnTime):
            pass  # the client fails as well, and knows why
        else:
            self._find(Area.TLS, Verdict.OK, f"{self._presented.version} with the server")
        return True

    async def _connect(self, host: str, port: int, area: Area) -> Any:
        """Return a socket that is connected to lnd or to the proxy; None if there is none, after noting why."""
        to_do = "is this machine's DNS right? `getent ahosts HOST` asks it"
        proxy = area is Area.PROXY
        step = reach.look_up(host, port, proxy=proxy)
        found = await self._step(area, f"{host} can't be looked up", to_do, step)
        if not found:
            return None
        ips = list(dict.fromkeys(address.ip for address in found))
        if ips != [host]:
            self._find(area, Verdict.OK, f"{host} is {', '.join(ips)}")
        began = time.monotonic()
        connecting = area if proxy else Area.CONNECTION
        connect = reach.connect(found, STEP_S * self._slow - 0.5, proxy=proxy)
        opened = await self._step(connecting, f"no connection to {host}:{port}", "", connect)
        if opened is None:
            return None
        took_ms = (time.monotonic() - began) * 1000
        failed = "".join(f"; {ip} doesn't answer ({why})" for ip, why in opened.failed.items())
        what = f"connected to {opened.ip} port {port}{failed}"
        self._find(connecting, Verdict.OK, what, seconds=took_ms / 1000)
        return opened.socket

    async def _answers_as_lnd(self) -> bool:
        """Return whether lnd answers the exporter's own client, which trusts only the configured certificate."""
        try:
            await self._in_time(self._client.connect())
            state = await self._in_time(self._first_state())
        except NotOnTime:
            what = f"it doesn't answer within {STEP_S * self._slow:.0f} s"
            self._find(Area.LND, Verdict.PROBLEM, what, "is its machine overloaded? Restart lnd if it stays so")
            return False
        except LndError as error:
            self._refused(error)
            return False
        if self._presented is not None and self._presented.certificate is not None:
            name = self._node.tls_server_name or self._host
            self.findings.append(answers.certificate(self._presented.certificate, name, dt.datetime.now(dt.UTC)))
        if state is not NodeState.READY:
            self._find(Area.WALLET, Verdict.PROBLEM, "lnd doesn't accept calls yet", NOT_READY[state][1])
            self._judge_macaroon()
            return False
        return True

    async def _first_state(self) -> NodeState:
        async with aclosing(self._client.states()) as states:
            return await anext(states)

    def _refused(self, error: LndError) -> None:
        """Note why the first answer isn't one of lnd's."""
        if error.cause is not Interruption.CERTIFICATE:
            self._find(Area.LND, Verdict.PROBLEM, "what answers there isn't lnd, or isn't ready", error.advice)
        elif self._presented is None:
            self._find(Area.TLS, Verdict.PROBLEM, "no TLS with the server", error.advice)
        else:
            shown = self._presented.certificate
            names = ", ".join([*shown.names, *map(str, shown.addresses)]) if shown else ""
            made = f"; the server's is made for {names}, until {shown.ends:%Y-%m-%d}" if shown and names else ""
            self._find(Area.CERTIFICATE, Verdict.PROBLEM, f"TLS doesn't trust the certificate{made}", error.advice)

    # The calls.

    def _judge_macaroon(self) -> None:
        self.findings += judge_contents(self._contents(), dt.datetime.now(dt.UTC))

    def _contents(self) -> Any:
        """Return what the macaroon says of itself; None if it can't be read."""
        try:
            binary = decode(self._node.macaroon.read_bytes())
        except OSError:  # it was there a moment ago
            return None
        return read_contents(binary) if binary is not None else None

    async def _ask(self) -> None:
        """Make the calls, and judge what lnd answers."""
        client, contents = self._client, self._contents()
        calls: dict[Call, Coroutine[Any, Any, Any]] = {
            GET_INFO: self._get_info(),
            LIST_PAYMENTS: client.payments(limit=1, newest_first=True),
            TRACK_PAYMENT: client.payment(_NO_HASH),
            LIST_CHANNELS: client.channels(),
        }
        if self._node.mode != Mode.TRACK and not TRACK_PAYMENTS.allowed_by(contents):
            # If it is allowed, lnd scans all its payments for it, so it is called only to be told that it is denied.
            calls[TRACK_PAYMENTS] = self._subscribe()
        if self._node.explain_no_route:
            calls[DECODE] = client.invoice("none")
            calls[QUERY_ROUTES] = client.find_route(RouteQuery(_NO_KEY, 1000))
        results = await asyncio.gather(*map(self._answer, calls.values()))
        errors = dict(zip(calls, results, strict=True))
        if not any(error is None or error.state is NodeState.DENIED for error in results):
            self._judge_macaroon()
            self.findings += other_failures(errors)
            return
        self._find(Area.WALLET, Verdict.OK, "unlocked: lnd accepts calls")
        self._judge_macaroon()
        self.findings += judge_answers(errors, self._node.mode)
        self.findings += other_failures(errors)
        if self._info is not None:
            self.findings += answers.version(self._info, rest=self._node.transport != GRPC)
            self.findings += answers.chain(self._info)
        payments = await self._list() if errors[LIST_PAYMENTS] is None else ()
        try:
            ahead = await self._in_time(client.clock())
        except (LndError, NotOnTime):
            self._find(Area.CLOCK, Verdict.UNKNOWN, "lnd didn't answer when it was asked for the time")
        else:
            self.findings.append(answers.clock(ahead, payments, time.time()))

    async def _answer(self, call: Coroutine[Any, Any, Any]) -> LndError | None:
        """Return why a call failed, None if lnd has answered it: that it knows no such payment or node is an answer."""
        try:
            await self._in_time(call)
        except NotOnTime:
            advice = f"no answer within {STEP_S * self._slow:.0f} s: is lnd's machine overloaded?"
            return LndError(Interruption.TIMEOUT, NodeState.UNREACHABLE, advice)
        except LndError as error:
            return None if error.cause is Interruption.OTHER and error.state is NodeState.READY else error
        return None

    async def _get_info(self) -> None:
        self._info = await self._client.info(STEP_S * self._slow)

    async def _subscribe(self) -> None:
        """Subscribe to all payments; return if lnd doesn't refuse that."""
        try:
            async with asyncio.timeout(1.0 * self._slow), aclosing(self._client.updates(final_only=True)) as updates:
                await anext(updates)
        except TimeoutError:
            return

    async def _list(self) -> tuple[Payment, ...]:
        """Measure a page of the newest payments, and look into it; return it."""
        began = time.monotonic()
        try:
            page = await self._in_time(self._client.payments(limit=PAGE, newest_first=True))
        except NotOnTime:
            what = f"the newest {PAGE} payments were not listed within {STEP_S * self._slow:.0f} s"
            self._find(Area.PAGE, Verdict.WARNING, what, "is lnd's disk slow, its machine overloaded?")
            return ()
        except LndError as error:
            self._find(Area.PAGE, Verdict.PROBLEM, "lnd doesn't list its payments", error.advice)
            return ()
        payments = page.payments
        self.findings.append(answers.page(len(payments), time.monotonic() - began))
        if payments:
            kept = answers.kept_attempts(payments, answers.release_of(self._info))
            self.findings.append(answers.attempts(kept, len(payments)))
        return payments
