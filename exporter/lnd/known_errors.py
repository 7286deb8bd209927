"""The table of known error texts of lnd, gRPC, TLS and proxies, with cause, node state and advice for each."""

from typing import NamedTuple

from exporter.lnd.client import NOT_READY
from exporter.payments.labels import Interruption, NodeState


class KnownError(NamedTuple):
    """An error text and what it means."""

    text: str
    """Part of the error text, in lower case."""
    cause: Interruption
    state: NodeState
    advice: str
    """What the user should do."""


def _not_ready(text: str, state: NodeState) -> KnownError:
    cause, advice = NOT_READY[state]
    return KnownError(text, cause, state, advice)


def _unreachable(text: str, advice: str) -> KnownError:
    return KnownError(text, Interruption.UNREACHABLE, NodeState.UNREACHABLE, advice)


def _stopping(text: str) -> KnownError:
    advice = "lnd is shutting down: start it again"
    return KnownError(text, Interruption.SHUTTING_DOWN, NodeState.UNREACHABLE, advice)


def _denied(text: str, advice: str) -> KnownError:
    return KnownError(text, Interruption.DENIED, NodeState.DENIED, advice)


def _certificate(text: str, advice: str) -> KnownError:
    return KnownError(text, Interruption.CERTIFICATE, NodeState.UNREACHABLE, advice)


def _unimplemented(text: str, advice: str) -> KnownError:
    return KnownError(text, Interruption.UNIMPLEMENTED, NodeState.READY, advice)


MACAROON = "lnd refuses the macaroon: bake one that allows TrackPayments, TrackPaymentV2, ListPayments and GetInfo"
_DAMAGED_MACAROON = "the macaroon file is damaged: copy it from lnd again"
_FIREWALL = (
    "this machine doesn't allow the exporter to connect: check its firewall, and SELinux or whatever else confines it"
)
_WRONG_NAME = (
    "lnd's certificate is not made for this address: add it with `tlsextraip` or `tlsextradomain` to lnd.conf, "
    "delete tls.cert and tls.key, restart lnd and copy the new tls.cert here; or give the name that it has as "
    "--lnd.tls-server-name"
)
_FOREIGN_CA = (
    "the certificate is signed by a CA that isn't trusted here, and is not lnd's own tls.cert: is there a proxy in "
    "front of lnd? If this system trusts its certificate, give --lnd.tls-cert=system, if not, its CA's certificate"
)
_NOT_GRPC = (
    "the answer is not from lnd's gRPC: is this its REST port (usually 8080)? gRPC is usually on 10009. A proxy in "
    "between must speak HTTP/2 on both sides (nginx: `listen ... ssl http2`, `grpc_pass`)"
)
_PROXY_UNREACHABLE = (
    "the proxy in front of lnd doesn't reach it: is lnd running, does the proxy have its address, and forward gRPC or "
    "REST, whichever is used (nginx: `grpc_pass grpcs://`, `proxy_pass https://`)?"
)
_PROXY_TIMEOUT = (
    "the proxy in front of lnd timed out. A quiet node sends nothing for hours: set the timeout to a day (nginx: "
    "`grpc_read_timeout`, for REST `proxy_read_timeout`), or use --lnd.transport=websocket, which has pings"
)
_PROXY_REFUSES = (
    "the proxy in front of lnd refuses the request, not lnd itself: does it want a password, or allow only some "
    "addresses or paths?"
)
_REDIRECT = (
    "the answer is a redirect, which is not followed with the macaroon: is the address right, https:// included?"
)

KNOWN_ERRORS: tuple[KnownError, ...] = (
    # The operating system. These come first: lnd answers "permission denied", too.
    _unreachable("error: permission denied", _FIREWALL),
    _unreachable("[errno 13]", _FIREWALL),
    _unreachable("operation not permitted", _FIREWALL),
    # lnd itself.
    _not_ready("wallet not created", NodeState.NO_WALLET),
    _not_ready("wallet locked", NodeState.LOCKED),
    _not_ready("unknown service lnrpc.lightning", NodeState.LOCKED),  # before 0.13 a locked lnd has no such service
    _not_ready("waiting to start", NodeState.STARTING),
    _not_ready("process of starting", NodeState.STARTING),
    _stopping("shutting down"),
    _stopping("connection is closing"),
    _denied("permission denied", MACAROON),
    _denied(
        "macaroon has expired",
        "the macaroon has expired by lnd's clock: is the clock right (`date`)? Then bake a new one, without --timeout",
    ),
    _denied(
        "macaroon locked to different ip",
        "the macaroon is bound to another IP address than the one that lnd sees: behind a proxy or NAT that is theirs, "
        "and over REST and WebSocket always that of lnd's own machine. Bake one without --ip_address, or use gRPC",
    ),
    _denied(
        "no middleware registered",
        "the macaroon is for a program beside lnd, such as litd, that isn't connected to lnd: start that program, "
        "or bake a macaroon without --custom_caveat_name",
    ),
    _denied("root key", "the macaroon was revoked: bake a new one"),
    _denied(
        "verification failed",
        "the macaroon is not of this node, or of a database that it no longer has: bake a new one on this node",
    ),
    _denied("cannot determine data format", _DAMAGED_MACAROON),
    _denied("empty macaroon", _DAMAGED_MACAROON),
    _denied("unmarshal", _DAMAGED_MACAROON),
    _denied("not satisfied", "the macaroon has a condition that isn't met: bake one without conditions"),
    _denied("macaroon", MACAROON),
    _unimplemented(
        "unknown service routerrpc",
        "this lnd was built without its service `routerrpc`: use a release, or build it with the tag `routerrpc`",
    ),
    KnownError(
        "context canceled",
        Interruption.ENDED,
        NodeState.READY,
        "lnd closed the stream, as it does when a ping of its own isn't answered within 5 s: it is opened again",
    ),
    # Answers of QueryRoutes, besides that there is no route.
    KnownError(
        "introduction point as own node",
        Interruption.OTHER,
        NodeState.READY,
        "the invoice hides its recipient behind this very node, for which lnd looks for no route",
    ),
    KnownError(
        "unknown required feature",
        Interruption.OTHER,
        NodeState.READY,
        "the recipient requires a feature that this lnd doesn't know: update lnd",
    ),
    # Certificates. Errors with `x509` are Go's: lnd's REST port reports its own connection to lnd.
    _unreachable(
        "x509",
        "lnd's REST port doesn't get through to lnd itself. Before 0.17.4 this happens from 24 h after the start on if "
        "lnd.conf has `tlsencryptkey`: restart lnd, update it, or use gRPC",
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
    _certificate("certificate is not valid for", _WRONG_NAME),
    _certificate("hostname verification", _WRONG_NAME),
    _certificate("issuer certificate", _FOREIGN_CA),
    _certificate("first certificate", _FOREIGN_CA),
    _certificate("in certificate chain", _FOREIGN_CA),
    _certificate(
        "certificate_verify_failed",
        "the server's certificate isn't trusted here: --lnd.tls-cert must be a copy of lnd's current tls.cert. "
        "But with `tlsencryptkey` in lnd.conf lnd uses a temporary one while its wallet is locked: then don't copy it, "
        "unlock the wallet (`lncli --tlscertpath=.../tls.cert.tmp unlock`)",
    ),
    # The server isn't lnd's gRPC.
    _unreachable("alpn", _NOT_GRPC),
    _unreachable("no_application_protocol", _NOT_GRPC),
    _unreachable("data frame with end_stream", _NOT_GRPC),  # a proxy's page; gRPC doesn't report its HTTP status then
    _certificate(
        "ssl_error_ssl",
        "no TLS connection: is this lnd's gRPC port (usually 10009) and the certificate its current tls.cert?",
    ),
    # The rest is reported only over REST, or written by us (`network_errors`, `http_errors`).
    _certificate(
        "[ssl",
        "no TLS connection: is this lnd's REST port (usually 8080)? If lnd is configured without TLS there, "
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
        "lnd closed the connection: is it stopping, or is this its gRPC port (usually 10009)? REST is usually on 8080",
    ),
    _unreachable(
        "no address:",
        "this machine finds no address for the host in --lnd.address: is the name right, does `getent ahosts HOST` "
        "find it? Containers rarely know names of the network around them, such as umbrel.local: give an IP address",
    ),
    _unreachable("connect to proxy", "the proxy of --lnd.proxy can't be reached: is it running, is its address right?"),
    _unreachable("authentication", "the proxy of --lnd.proxy wants another user or password"),
    _unreachable("socks version", "the server at --lnd.proxy is not a SOCKS5 proxy: is its port right?"),
    _unreachable("the proxy:", "the proxy of --lnd.proxy doesn't reach lnd: is lnd running, is its address right?"),
    _unimplemented(
        "no such path",
        "this lnd lacks a call: is the path in the address right? TrackPayments needs lnd 0.16 or newer",
    ),
    # A proxy in front of lnd answered. `errors.from_status` rewrites gRPC's text to "http ...", too.
    _unreachable("http 504", _PROXY_TIMEOUT),
    _unreachable("http 524", _PROXY_TIMEOUT),
    _unreachable("rst_stream", _PROXY_TIMEOUT),  # the same within a stream
    _unreachable("http 5", _PROXY_UNREACHABLE),
    _unreachable("http 401", _PROXY_REFUSES),
    _unreachable("http 403", _PROXY_REFUSES),
    _unreachable("http 407", _PROXY_REFUSES),
    _unreachable("http 429", "the proxy in front of lnd limits requests: raise its limit for the exporter"),
    _unreachable("http 30", _REDIRECT),
    _unreachable(
        "http 404",
        "the server has nothing at this path: is the address right, with its path? A proxy in front of lnd must "
        "forward all paths of gRPC or REST",
    ),
    _unreachable("http 4", "the server isn't lnd: is the address right?"),
)
"""Searched in this order: the first whose text is part of the error text applies."""
