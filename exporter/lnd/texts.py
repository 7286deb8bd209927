"""The table of error texts of lnd, gRPC, TLS and what stands in between, and what each means."""

from typing import NamedTuple

from exporter.lnd.client import WAITING
from exporter.payments.labels import Interruption, NodeState


class Row(NamedTuple):
    """A text and what it makes of a node."""

    text: str
    """In lower case; part of what is said."""
    cause: Interruption
    state: NodeState
    advice: str
    """What a person should do."""


def _waiting(text: str, state: NodeState) -> Row:
    cause, advice = WAITING[state]
    return Row(text, cause, state, advice)


def _unreachable(text: str, advice: str) -> Row:
    return Row(text, Interruption.UNREACHABLE, NodeState.UNREACHABLE, advice)


def _stopping(text: str) -> Row:
    advice = "lnd is shutting down: start it again"
    return Row(text, Interruption.SHUTTING_DOWN, NodeState.UNREACHABLE, advice)


def _denied(text: str, advice: str) -> Row:
    return Row(text, Interruption.DENIED, NodeState.DENIED, advice)


def _certificate(text: str, advice: str) -> Row:
    return Row(text, Interruption.CERTIFICATE, NodeState.UNREACHABLE, advice)


def _lacking(text: str, advice: str) -> Row:
    return Row(text, Interruption.UNIMPLEMENTED, NodeState.READY, advice)


MACAROON = "lnd refuses the macaroon: bake one that allows TrackPayments, TrackPaymentV2, ListPayments and GetInfo"
_BROKEN = "the macaroon file is damaged: copy it from lnd again"
_FORBIDDEN = (
    "this machine doesn't let the exporter connect: look at its firewall, and at SELinux or what else confines it"
)
_OTHER_NAME = (
    "lnd's certificate is not made for this address: add it with `tlsextraip` or `tlsextradomain` to lnd.conf, "
    "delete tls.cert and tls.key, restart lnd and copy the new tls.cert here; or say which name it has by "
    "--lnd.tls-server-name"
)
_FROM_CA = (
    "the certificate was signed by somebody who isn't trusted here, and is not lnd's own tls.cert: does a proxy stand "
    "before lnd? If this system trusts its certificate, give --lnd.tls-cert=system, if not, its CA's certificate"
)
_NO_GRPC = (
    "something answers, but not lnd's gRPC: is this its REST port (usually 8080)? gRPC is usually on 10009. A proxy in "
    "between must speak HTTP/2 on both sides (nginx: `listen ... ssl http2`, `grpc_pass`)"
)
_NO_WAY = (
    "what stands before lnd doesn't reach it: is lnd running, does the proxy have its address, and a way for gRPC or "
    "REST, whichever is used (nginx: `grpc_pass grpcs://`, `proxy_pass https://`)?"
)
_TIRED = (
    "what stands before lnd tired of waiting. A quiet node says nothing for hours: give the proxy a day (nginx: "
    "`grpc_read_timeout`, for REST `proxy_read_timeout`), or take --lnd.transport=websocket, which has pings"
)
_REFUSED = (
    "what stands before lnd refuses, and not lnd, which has other words: does the proxy want a password, or allow some "
    "addresses or paths only?"
)
_ELSEWHERE = (
    "what answers sends us elsewhere, and the macaroon doesn't go there: is the address right, https:// included?"
)

TEXTS: tuple[Row, ...] = (
    # The operating system; lnd uses its words, too.
    _unreachable("error: permission denied", _FORBIDDEN),
    _unreachable("[errno 13]", _FORBIDDEN),
    _unreachable("operation not permitted", _FORBIDDEN),
    # lnd itself.
    _waiting("wallet not created", NodeState.NO_WALLET),
    _waiting("wallet locked", NodeState.LOCKED),
    _waiting("unknown service lnrpc.lightning", NodeState.LOCKED),  # before 0.13 a locked lnd has no such service
    _waiting("waiting to start", NodeState.STARTING),
    _waiting("process of starting", NodeState.STARTING),
    _stopping("shutting down"),
    _stopping("connection is closing"),
    _denied("permission denied", MACAROON),
    _denied(
        "macaroon has expired",
        "the macaroon has expired by lnd's clock: is that right (`date`)? Then bake a new one, without --timeout",
    ),
    _denied(
        "macaroon locked to different ip",
        "the macaroon is bound to another IP address than the one that lnd sees: behind a proxy or NAT that is theirs, "
        "and over REST and WebSocket always that of lnd's own machine. Bake one without --ip_address, or ask over gRPC",
    ),
    _denied(
        "no middleware registered",
        "the macaroon is one for a program beside lnd, such as litd, that isn't connected to lnd: start that program, "
        "or bake a macaroon without --custom_caveat_name",
    ),
    _denied("root key", "the macaroon was revoked: bake a new one"),
    _denied(
        "verification failed",
        "the macaroon is not of this node, or of a database that it no longer has: bake a new one on this node",
    ),
    _denied("cannot determine data format", _BROKEN),
    _denied("empty macaroon", _BROKEN),
    _denied("unmarshal", _BROKEN),
    _denied("not satisfied", "the macaroon has a condition that isn't met: bake one without conditions"),
    _denied("macaroon", MACAROON),
    _lacking(
        "unknown service routerrpc",
        "this lnd was built without its service `routerrpc`: take a release, or build it with the tag `routerrpc`",
    ),
    Row(
        "context canceled",
        Interruption.ENDED,
        NodeState.READY,
        "lnd gave up the stream, as it does when a ping of its own isn't answered within 5 s: it is opened again",
    ),
    # Certificates. Go's word `x509` comes from lnd's REST port, about its own connection to lnd.
    _unreachable(
        "x509",
        "lnd's REST port doesn't get through to lnd itself. Before 0.17.4 that is so from 24 h after the start on, if "
        "lnd.conf has `tlsencryptkey`: restart lnd, update it, or ask over gRPC",
    ),
    _certificate(
        "certificate has expired",
        "by the clock of this machine lnd's certificate has expired. Are the clocks of both machines right (`date`)? "
        "Then renew it: move tls.cert and tls.key of lnd away, restart it, and copy the new tls.cert here",
    ),
    _certificate(
        "not yet valid",
        "by the clock of this machine lnd's certificate isn't valid yet, so one clock is wrong, or was when lnd made "
        "it: set the clocks of both machines right (`timedatectl`). Only if that isn't it, make a new certificate",
    ),
    _certificate("certificate is not valid for", _OTHER_NAME),
    _certificate("hostname verification", _OTHER_NAME),
    _certificate("issuer certificate", _FROM_CA),
    _certificate("first certificate", _FROM_CA),
    _certificate("in certificate chain", _FROM_CA),
    _certificate(
        "certificate_verify_failed",
        "what answers shows a certificate that isn't trusted here: --lnd.tls-cert must be a copy of its present "
        "tls.cert. But with `tlsencryptkey` in lnd.conf lnd shows a temporary one while its wallet is locked: then "
        "don't copy it, unlock the wallet (`lncli --tlscertpath=.../tls.cert.tmp unlock`)",
    ),
    # Something else than lnd's gRPC.
    _unreachable("alpn", _NO_GRPC),
    _unreachable("no_application_protocol", _NO_GRPC),
    _unreachable("data frame with end_stream", _NO_GRPC),  # a page of a proxy's; its HTTP status isn't told then
    _certificate(
        "ssl_error_ssl",
        "no TLS connection: is this lnd's gRPC port (usually 10009) and the certificate its present tls.cert?",
    ),
    # What follows is said over REST only, or by us (`line`, `refusal`).
    _certificate(
        "[ssl",
        "no TLS connection: is this lnd's REST port (usually 8080)? If lnd was told to speak no TLS there, "
        "write http:// in front of the address",
    ),
    _unreachable(
        "http request to an https server", "lnd's REST port speaks TLS: leave out http:// in front of the address"
    ),
    _unreachable(
        "http request was sent to https port", "the proxy speaks TLS there: write https:// in front of the address"
    ),
    _unreachable(
        "closed without an answer",
        "lnd hangs up: is it stopping, or is this its gRPC port (usually 10009)? REST is usually on 8080",
    ),
    _unreachable(
        "no address:",
        "this machine finds no address for the host in --lnd.address: is the name right, does `getent ahosts HOST` "
        "find it? Containers rarely know names of the network around them, such as umbrel.local: give an IP address",
    ),
    _unreachable("connect to proxy", "the proxy of --lnd.proxy can't be reached: is it running, is its address right?"),
    _unreachable("authentication", "the proxy of --lnd.proxy wants another user or password"),
    _unreachable("socks version", "what answers at --lnd.proxy is no SOCKS5 proxy: is its port right?"),
    _unreachable("the proxy:", "the proxy of --lnd.proxy doesn't reach lnd: is lnd running, is its address right?"),
    _lacking(
        "no such path",
        "this lnd lacks a call: is the path in the address right? TrackPayments needs lnd 0.16 or newer",
    ),
    # What stands before lnd answers by itself: `translate` says HTTP for gRPC's words, too.
    _unreachable("http 504", _TIRED),
    _unreachable("http 524", _TIRED),
    _unreachable("rst_stream", _TIRED),  # the same amid a stream
    _unreachable("http 5", _NO_WAY),
    _unreachable("http 401", _REFUSED),
    _unreachable("http 403", _REFUSED),
    _unreachable("http 407", _REFUSED),
    _unreachable("http 429", "what stands before lnd lets no more requests through: raise its limit for the exporter"),
    _unreachable("http 30", _ELSEWHERE),
    _unreachable(
        "http 404",
        "what stands before lnd has nothing there: is the address right, with its path? A proxy must lead all paths "
        "of gRPC or REST to lnd",
    ),
    _unreachable("http 4", "what answers isn't lnd: is the address right?"),
)
"""In the order in which they are looked for: the first that is part of what was said."""
