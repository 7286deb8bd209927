"""Takes the steps of a connection to one node, and notes which one fails: name, proxy, TCP, TLS, certificate."""

import datetime as dt
import socket
import time
from contextlib import aclosing

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, encrypted, host_and_port
from exporter.doctor import answers
from exporter.doctor.finding import Area, Verdict
from exporter.doctor.notes import Notes, NotOnTime
from exporter.lnd import reach
from exporter.lnd.client import ExaminedClient, LndError
from exporter.payments.labels import Interruption, NodeState

_SPARE_S = 0.5
"""Seconds by which the system is given up earlier than the step, so that its reason is known."""


async def connect(node: NodeConfig, client: ExaminedClient, notes: Notes) -> NodeState | None:
    """Return lnd's state, as it tells the exporter's own client; None if there is no connection, after noting why."""
    opened = await _reach(node, notes)
    if opened is None:
        return None
    shown = None
    if encrypted(node.address):
        protocol = "h2" if node.transport == GRPC else "http/1.1"
        host, _ = host_and_port(node.address)
        try:
            step = reach.shake_hands(opened, host, node.tls_cert, node.tls_server_name, protocol)
            shown = await notes.in_time(step)
        except (LndError, NotOnTime):
            pass  # the client fails as well, and knows why
        else:
            notes.find(Area.TLS, Verdict.OK, f"{shown.version} with the server")
    else:
        opened.close()
    return await _ask_state(node, client, notes, shown)


async def _reach(node: NodeConfig, notes: Notes) -> socket.socket | None:
    """Return a connection to lnd, through the proxy if there is one."""
    host, port = host_and_port(node.address)
    if node.proxy is None:
        return await _connect(host, port, Area.CONNECTION, notes)
    opened = await _connect(*host_and_port(node.proxy), Area.PROXY, notes)
    if opened is None:
        return None
    opened.close()
    to_do = "does the proxy know the host, is lnd running? A Tor circuit may take longer: try again"
    step = reach.connect_through(node.proxy, host, port, notes.step_s)
    opened = await notes.step(Area.CONNECTION, f"the proxy doesn't get to {host}:{port}", to_do, step)
    if opened is not None:
        notes.find(Area.CONNECTION, Verdict.OK, f"the proxy gets to {host}:{port}")
    return opened


async def _connect(host: str, port: int, area: Area, notes: Notes) -> socket.socket | None:
    """Look up a host and connect to it: to lnd or, if the area is `PROXY`, to the proxy."""
    proxy = area is Area.PROXY
    naming = area if proxy else Area.ADDRESS
    to_do = "is this machine's DNS right? `getent ahosts HOST` asks it"
    looking = reach.look_up(host, port, proxy=proxy)
    found = await notes.step(naming, f"{host} can't be looked up", to_do, looking)
    if found is None:
        return None
    ips = list(dict.fromkeys(address.ip for address in found))
    if ips != [host]:
        notes.find(naming, Verdict.OK, f"{host} is {', '.join(ips)}")
    began = time.monotonic()
    connecting = reach.connect(found, notes.step_s - _SPARE_S, proxy=proxy)
    opened = await notes.step(area, f"no connection to {host}:{port}", "", connecting)
    if opened is None:
        return None
    failed = "".join(f"; {ip} doesn't answer ({why})" for ip, why in opened.failed.items())
    notes.find(
        area, Verdict.OK, f"connected to {opened.ip} port {port}{failed}", seconds=round(time.monotonic() - began, 6)
    )
    return opened.socket


async def _ask_state(
    node: NodeConfig, client: ExaminedClient, notes: Notes, shown: reach.Presented | None
) -> NodeState | None:
    """Connect the exporter's own client, which trusts only the configured certificate, and ask for lnd's state."""
    try:
        await notes.in_time(client.connect())
        state = await notes.in_time(_first_state(client))
    except NotOnTime:
        to_do = "is its machine overloaded? Restart lnd if it stays so"
        notes.find(Area.LND, Verdict.PROBLEM, f"it doesn't answer within {notes.step_s:.0f} s", to_do)
        return None
    except LndError as error:
        _note_refusal(error, shown, notes)
        return None
    if shown is not None and shown.certificate is not None:
        name = node.tls_server_name or host_and_port(node.address)[0]
        notes.findings.append(answers.certificate(shown.certificate, name, dt.datetime.now(dt.UTC)))
    return state


async def _first_state(client: ExaminedClient) -> NodeState:
    async with aclosing(client.states()) as states:
        state = await anext(states, None)
    if state is None:
        advice = "the answer ends without lnd's state: is the address right, or is lnd stopping?"
        raise LndError(Interruption.ENDED, NodeState.UNREACHABLE, advice)
    return state


def _note_refusal(error: LndError, shown: reach.Presented | None, notes: Notes) -> None:
    """Note why the first answer isn't one of lnd's."""
    if error.cause is not Interruption.CERTIFICATE:
        notes.find(Area.LND, Verdict.PROBLEM, "what answers there isn't lnd, or isn't ready", error.advice)
    elif shown is None:
        notes.find(Area.TLS, Verdict.PROBLEM, "no TLS with the server", error.advice)
    else:
        one = shown.certificate
        names = answers.made_for(one) if one else ""
        made = f"; the server's is made for {names}, until {one.ends:%Y-%m-%d}" if one and names else ""
        notes.find(Area.CERTIFICATE, Verdict.PROBLEM, f"TLS refuses the certificate{made}", error.advice)
