"""What lnd, gRPC and REST answer when they don't answer: one table into causes, node states and words for a person.

lnd says nearly everything as status UNKNOWN with a text, so texts are matched, in the order of the rows.
"""

import re
import textwrap
from typing import NamedTuple

import grpc

from exporter.lnd.client import WAITING, Missing, Trouble
from exporter.payments.labels import Interruption, NodeState

_QUOTED = 200  # characters of a foreign text that are shown
# What long words of a foreign text may be: macaroons, preimages, invoices.
_TOKEN = re.compile(r"[0-9A-Za-z+/=_-]{40,}")
# What would be a command to a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What gRPC puts before the error that matters.
_PREAMBLE = re.compile(r"^failed to connect to all addresses; last error: \w+: ((ipv[46]|unix):\S+: )?")


class _Row(NamedTuple):
    text: str
    cause: Interruption
    state: NodeState
    advice: str


def _waiting(text: str, state: NodeState) -> _Row:
    cause, advice = WAITING[state]
    return _Row(text, cause, state, advice)


_MACAROON = "lnd refuses the macaroon: bake one that allows TrackPayments, TrackPaymentV2, ListPayments and GetInfo"
_FOREIGN = "the macaroon is not of this node, or of a database that it no longer has: bake a new one on this node"
_REVOKED = "the macaroon was revoked: bake a new one"
_BROKEN = "the macaroon file is damaged: copy it from lnd again"
_STOPPING = "lnd is shutting down: start it again"
_OTHER_NAME = (
    "lnd's certificate is not made for this address: add it with `tlsextraip` or `tlsextradomain` to lnd.conf, "
    "delete tls.cert and tls.key, restart lnd and copy the new tls.cert here; or say which name it has by "
    "--lnd.tls-server-name"
)
_TEXTS: tuple[_Row, ...] = (
    _waiting("wallet not created", NodeState.NO_WALLET),
    _waiting("wallet locked", NodeState.LOCKED),
    _waiting("waiting to start", NodeState.STARTING),
    _waiting("process of starting up", NodeState.STARTING),
    _Row("shutting down", Interruption.SHUTTING_DOWN, NodeState.UNREACHABLE, _STOPPING),
    _Row("connection is closing", Interruption.SHUTTING_DOWN, NodeState.UNREACHABLE, _STOPPING),
    _Row("permission denied", Interruption.DENIED, NodeState.DENIED, _MACAROON),
    _Row("root key", Interruption.DENIED, NodeState.DENIED, _REVOKED),
    _Row("verification failed", Interruption.DENIED, NodeState.DENIED, _FOREIGN),
    _Row("cannot determine data format", Interruption.DENIED, NodeState.DENIED, _BROKEN),
    _Row("empty macaroon", Interruption.DENIED, NodeState.DENIED, _BROKEN),
    _Row("unmarshal", Interruption.DENIED, NodeState.DENIED, _BROKEN),
    _Row("macaroon", Interruption.DENIED, NodeState.DENIED, _MACAROON),
    _Row(
        "certificate is not valid for",
        Interruption.CERTIFICATE,
        NodeState.UNREACHABLE,
        _OTHER_NAME,
    ),
    _Row(
        "certificate_verify_failed",
        Interruption.CERTIFICATE,
        NodeState.UNREACHABLE,
        "lnd presents a certificate that isn't trusted here: --lnd.tls-cert must be a copy of its present tls.cert",
    ),
    _Row(
        "hostname verification",
        Interruption.CERTIFICATE,
        NodeState.UNREACHABLE,
        _OTHER_NAME,
    ),
    _Row(
        "alpn",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "something answers, but not lnd's gRPC: is this its REST port (usually 8080)? gRPC is usually on 10009",
    ),
    _Row(
        "ssl_error_ssl",
        Interruption.CERTIFICATE,
        NodeState.UNREACHABLE,
        "no TLS connection: is this lnd's gRPC port (usually 10009) and the certificate its present tls.cert?",
    ),
    # What follows is said over REST only, or by us (`line`).
    _Row(
        "[ssl",
        Interruption.CERTIFICATE,
        NodeState.UNREACHABLE,
        "no TLS connection: is this lnd's REST port (usually 8080)? If lnd was told to speak no TLS there, "
        "write http:// in front of the address",
    ),
    _Row(
        "http request to an https server",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "lnd's REST port speaks TLS: leave out http:// in front of the address",
    ),
    _Row(
        "closed without an answer",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "lnd hangs up: is it stopping, or is this its gRPC port (usually 10009)? REST is usually on 8080",
    ),
    _Row(
        "no address:",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "this machine finds no address for the host in --lnd.address: is the name right, does `getent ahosts HOST` "
        "find it? Containers rarely know names of the network around them, such as umbrel.local: give an IP address",
    ),
    _Row(
        "connect to proxy",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "the proxy of --lnd.proxy can't be reached: is it running, is its address right?",
    ),
    _Row(
        "authentication",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "the proxy of --lnd.proxy wants another user or password",
    ),
    _Row(
        "socks version",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "what answers at --lnd.proxy is no SOCKS5 proxy: is its port right?",
    ),
    _Row(
        "the proxy:",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "the proxy of --lnd.proxy doesn't reach lnd: is lnd running, is its address right?",
    ),
    _Row(
        "http 50",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "what stands before lnd doesn't reach it, or tired of waiting: is lnd running? A quiet node says nothing for "
        "hours; --lnd.transport=websocket has pings",
    ),
    _Row(
        "no such path",
        Interruption.UNIMPLEMENTED,
        NodeState.READY,
        "this lnd lacks a call: is the path in the address right? TrackPayments needs lnd 0.16 or newer",
    ),
    _Row(
        "context canceled",
        Interruption.ENDED,
        NodeState.READY,
        "lnd gave up the stream, as it does when a ping of its own isn't answered within 5 s: it is opened again",
    ),
)

_CODES: dict[grpc.StatusCode, _Row] = {
    grpc.StatusCode.UNAVAILABLE: _Row(
        "",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "lnd can't be reached: is it running, is the address right?",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: _Row(
        "", Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd took too long to answer: is its machine overloaded?"
    ),
    grpc.StatusCode.UNIMPLEMENTED: _Row(
        "", Interruption.UNIMPLEMENTED, NodeState.READY, "this lnd lacks a call: TrackPayments needs lnd 0.16 or newer"
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: _Row(
        "", Interruption.TOO_LARGE, NodeState.READY, "an answer of lnd was larger than 200 MiB: please report it"
    ),
    grpc.StatusCode.UNAUTHENTICATED: _Row("", Interruption.DENIED, NodeState.DENIED, _MACAROON),
    grpc.StatusCode.PERMISSION_DENIED: _Row("", Interruption.DENIED, NodeState.DENIED, _MACAROON),
}
_MISSING = "lnd doesn't know this payment: is the hash right, was it this node that paid, has it been deleted?"
# It answers and lets us in; what it says is new to us.
_OTHER = _Row(
    "",
    Interruption.OTHER,
    NodeState.READY,
    "lnd answered with an error that is not known here: look into its log, and please report it",
)


def translate(code: grpc.StatusCode, details: str) -> Trouble:
    """What a gRPC status makes of a node, with lnd's own words shortened and without anything that may be secret.

    NOT_FOUND is `Missing`: lnd says it of payments only.
    """
    lower = details.lower()
    row = next((row for row in _TEXTS if row.text in lower), None) or _CODES.get(code, _OTHER)
    words = _CONTROL.sub(" ", _TOKEN.sub("...", _PREAMBLE.sub("", details)))
    words = textwrap.shorten(words, _QUOTED, placeholder=" ...")
    said = f" ({code.name}: {words})" if words else f" ({code.name})"
    if code is grpc.StatusCode.NOT_FOUND:
        return Missing(row.cause, row.state, _MISSING + said)
    return Trouble(row.cause, row.state, row.advice + said)


def ended(method: str) -> Trouble:
    """A stream that only its reader may end has ended with status OK."""
    return Trouble(
        Interruption.ENDED,
        NodeState.READY,
        f"lnd ended the stream {method} without an error: it is opened again, nothing to do",
    )


def foreign(words: str = "") -> Trouble:
    """Something answers, but not as any lnd would; `words` are short, and of our own."""
    said = f" ({words})" if words else ""
    advice = f"what answers doesn't speak as lnd does: is the address right?{said}"
    return Trouble(Interruption.OTHER, NodeState.READY, advice)
