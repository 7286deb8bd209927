"""The error for each text that real nodes, gRPC, Python and proxies were seen to send."""

import grpc
import pytest

from exporter.lnd.errors import from_status
from exporter.payments.labels import Interruption as Cause
from exporter.payments.labels import NodeState as State

C = grpc.StatusCode
STARTING_UP = "the RPC server is in the process of starting up, but not yet ready to accept calls"
NO_ROOT_KEY = "cannot retrieve macaroon: cannot get macaroon: root key with id 7 doesn't exist"
MISMATCH = "verification failed: signature mismatch after caveat verification"
GARBAGE = "cannot determine data format of binary-encoded macaroon"
FAILED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:10009: "
VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
NOT_FOR = "IP address mismatch, certificate is not valid for '10.0.0.1'."
TO_HTTPS = "Client sent an HTTP request to an HTTPS server."
HUNG_UP = "closed without an answer: Server disconnected"
PROXY = "the proxy: "
UNVERIFIED = "Ssl handshake failed: SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED"
HANDSHAKE = "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"
CAVEAT = 'caveat "{}" not satisfied: '
EXPIRED = CAVEAT.format("time-before 2026-11-28T15:29:37.2Z") + "macaroon has expired"
BOUND = CAVEAT.format("ipaddr 10.1.2.3") + "macaroon locked to different IP address"
LITD = (
    CAVEAT.format("lnd-custom x y")
    + "cannot accept macaroon with custom caveat 'x', no middleware registered to handle it"
)
STATUS = "Received http2 header with status: "
PAGE = "Stream removed (Data frame with END_STREAM flag received)"
CUT = "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))"
INNER = 'connection error: desc = "transport: authentication handshake failed: x509: certificate has expired"'

AWAY = Cause.UNREACHABLE, State.UNREACHABLE
OTHER = Cause.CERTIFICATE, State.UNREACHABLE

TABLE = [
    # status, text, cause, state, part of the advice
    (C.UNKNOWN, "wallet locked, unlock it to enable full RPC access", Cause.LOCKED, State.LOCKED, "lncli unlock"),
    (C.UNKNOWN, "wallet not created, create one", Cause.NO_WALLET, State.NO_WALLET, "lncli create"),
    (C.UNKNOWN, "waiting to start, RPC services not available", Cause.STARTING, State.STARTING, "wait"),
    (C.UNKNOWN, STARTING_UP, Cause.STARTING, State.STARTING, "wait"),
    (C.UNKNOWN, "permission denied", Cause.DENIED, State.DENIED, "bake one that allows TrackPayments"),
    (C.UNKNOWN, "expected 1 macaroon, got 0", Cause.DENIED, State.DENIED, "bake one that allows TrackPayments"),
    (C.UNKNOWN, GARBAGE, Cause.DENIED, State.DENIED, "copy it from lnd again"),
    (C.UNKNOWN, "unmarshal v2: section 1: unexpected field", Cause.DENIED, State.DENIED, "copy it from lnd again"),
    (C.UNKNOWN, "empty macaroon data", Cause.DENIED, State.DENIED, "copy it from lnd again"),
    (C.UNKNOWN, MISMATCH, Cause.DENIED, State.DENIED, "not of this node"),
    (C.UNKNOWN, NO_ROOT_KEY, Cause.DENIED, State.DENIED, "was revoked: bake a new one"),
    (C.UNAUTHENTICATED, "", Cause.DENIED, State.DENIED, "bake one that allows TrackPayments"),
    (C.PERMISSION_DENIED, "", Cause.DENIED, State.DENIED, "bake one that allows TrackPayments"),
    (C.UNKNOWN, "routerrpc server shutting down", Cause.SHUTTING_DOWN, State.UNREACHABLE, "start it again"),
    (C.UNAVAILABLE, FAILED + "connection refused", Cause.UNREACHABLE, State.UNREACHABLE, "is it running"),
    (C.UNAVAILABLE, "Socket closed", Cause.UNREACHABLE, State.UNREACHABLE, "is it running"),
    (C.UNAVAILABLE, "Stream removed (ping timeout)", Cause.UNREACHABLE, State.UNREACHABLE, "is it running"),
    (C.UNAVAILABLE, FAILED + UNVERIFIED, Cause.CERTIFICATE, State.UNREACHABLE, "copy of lnd's current tls.cert"),
    (C.UNAVAILABLE, "Hostname Verification Check failed.", Cause.CERTIFICATE, State.UNREACHABLE, "tlsextradomain"),
    (C.UNAVAILABLE, FAILED + "SSL_ERROR_SSL: WRONG_VERSION", Cause.CERTIFICATE, State.UNREACHABLE, "gRPC port"),
    (C.UNAVAILABLE, "missing selected ALPN property.", Cause.UNREACHABLE, State.UNREACHABLE, "REST port"),
    (
        C.UNAVAILABLE,
        VERIFY + "self-signed certificate",
        Cause.CERTIFICATE,
        State.UNREACHABLE,
        "copy of lnd's current tls",
    ),
    (C.UNAVAILABLE, VERIFY + NOT_FOR, Cause.CERTIFICATE, State.UNREACHABLE, "tlsextradomain"),
    (C.UNAVAILABLE, "[SSL: WRONG_VERSION_NUMBER] wrong version", Cause.CERTIFICATE, State.UNREACHABLE, "write http://"),
    (C.UNAVAILABLE, "HTTP 400 " + TO_HTTPS, Cause.UNREACHABLE, State.UNREACHABLE, "leave out http://"),
    (C.UNAVAILABLE, HUNG_UP, Cause.UNREACHABLE, State.UNREACHABLE, "gRPC port (usually 10009)"),
    (C.UNAVAILABLE, "HTTP 504", Cause.UNREACHABLE, State.UNREACHABLE, "--lnd.transport=websocket"),
    (C.UNAVAILABLE, PROXY + "Couldn't connect to proxy x:1", Cause.UNREACHABLE, State.UNREACHABLE, "is it running"),
    (C.UNAVAILABLE, PROXY + "Authentication failed", Cause.UNREACHABLE, State.UNREACHABLE, "another user or password"),
    (
        C.UNAVAILABLE,
        PROXY + "Unexpected SOCKS version number: 72",
        Cause.UNREACHABLE,
        State.UNREACHABLE,
        "not a SOCKS5",
    ),
    (C.UNAVAILABLE, PROXY + "TTL expired", Cause.UNREACHABLE, State.UNREACHABLE, "doesn't reach lnd"),
    (C.CANCELLED, "grpc: the client connection is closing", Cause.SHUTTING_DOWN, State.UNREACHABLE, "start it again"),
    (C.CANCELLED, "context canceled", Cause.ENDED, State.READY, "opened again"),
    (C.UNIMPLEMENTED, "no such path", Cause.UNIMPLEMENTED, State.READY, "the path in the address"),
    (C.DEADLINE_EXCEEDED, "Deadline Exceeded", Cause.TIMEOUT, State.UNREACHABLE, "overloaded"),
    (C.UNIMPLEMENTED, "unknown method TrackPayments", Cause.UNIMPLEMENTED, State.READY, "0.16 or newer"),
    (C.RESOURCE_EXHAUSTED, "Received message larger than max (1 vs. 2)", Cause.TOO_LARGE, State.READY, "report it"),
    (C.UNKNOWN, "invalid hash length of 3, want 32", Cause.OTHER, State.READY, "report it"),
    (C.NOT_FOUND, "payment isn't initiated", Cause.OTHER, State.READY, "has it been deleted"),
    (C.INTERNAL, "something new", Cause.OTHER, State.READY, "report it"),
    (C.UNKNOWN, "", Cause.OTHER, State.READY, "report it"),
    # Firewalls, certificates, conditions of macaroons, old versions of lnd: as gRPC, Python and lnd report them.
    (C.UNAVAILABLE, "connect failed: addr: ipv4:10.9.9.9:1 error: Permission denied", *AWAY, "firewall"),
    (C.UNAVAILABLE, "[Errno 13] Permission denied", *AWAY, "firewall"),
    (C.UNAVAILABLE, "[Errno 1] Operation not permitted", *AWAY, "firewall"),
    (C.UNAVAILABLE, HANDSHAKE + "CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", *OTHER, "clocks of both"),
    (C.UNAVAILABLE, VERIFY + "certificate has expired", *OTHER, "clocks of both"),
    (C.UNAVAILABLE, HANDSHAKE + "CERTIFICATE_VERIFY_FAILED: certificate is not yet valid: OK", *OTHER, "timedatectl"),
    (C.UNAVAILABLE, VERIFY + "certificate is not yet valid", *OTHER, "timedatectl"),
    (C.UNAVAILABLE, HANDSHAKE + "CERTIFICATE_VERIFY_FAILED: self signed certificate: OK", *OTHER, "unlock the wallet"),
    (C.UNAVAILABLE, VERIFY + "self-signed certificate", *OTHER, "unlock the wallet"),
    (C.UNAVAILABLE, VERIFY + "unable to get local issuer certificate", *OTHER, "--lnd.tls-cert=system"),
    (C.UNAVAILABLE, VERIFY + "self-signed certificate in certificate chain", *OTHER, "--lnd.tls-cert=system"),
    (C.UNAVAILABLE, INNER, *AWAY, "REST port doesn't get through to lnd itself"),
    (C.UNKNOWN, EXPIRED, Cause.DENIED, State.DENIED, "without --timeout"),
    (C.UNKNOWN, BOUND, Cause.DENIED, State.DENIED, "without --ip_address"),
    (C.UNKNOWN, LITD, Cause.DENIED, State.DENIED, "such as litd"),
    (C.UNKNOWN, CAVEAT.format("x") + "caveat not recognized", Cause.DENIED, State.DENIED, "without conditions"),
    (C.UNKNOWN, "server is still in the process of starting", Cause.STARTING, State.STARTING, "wait"),
    (C.UNIMPLEMENTED, "unknown service lnrpc.Lightning", Cause.LOCKED, State.LOCKED, "lncli unlock"),
    (C.UNIMPLEMENTED, "unknown service routerrpc.Router", Cause.UNIMPLEMENTED, State.READY, "without its service"),
    # A proxy in front of lnd, over gRPC; as gRPC reports answers of nginx 1.22.
    (C.UNAVAILABLE, STATUS + "504", *AWAY, "grpc_read_timeout"),
    (C.INTERNAL, CUT, *AWAY, "grpc_read_timeout"),
    (C.UNAVAILABLE, STATUS + "502", *AWAY, "in front of lnd doesn't reach it"),
    (C.UNKNOWN, STATUS + "500", *AWAY, "in front of lnd doesn't reach it"),
    (C.UNKNOWN, STATUS + "520", *AWAY, "in front of lnd doesn't reach it"),
    (C.UNAUTHENTICATED, STATUS + "401", *AWAY, "in front of lnd refuses"),
    (C.PERMISSION_DENIED, STATUS + "403", *AWAY, "in front of lnd refuses"),
    (C.UNIMPLEMENTED, STATUS + "404", *AWAY, "nothing at this path"),
    (C.UNAVAILABLE, STATUS + "429", *AWAY, "raise its limit"),
    (C.UNKNOWN, STATUS + "302", *AWAY, "is a redirect"),
    (C.INTERNAL, STATUS + "400", *AWAY, "isn't lnd"),
    (C.UNKNOWN, PAGE, *AWAY, "not from lnd's gRPC"),
    (C.UNAVAILABLE, HANDSHAKE + "TLSV1_ALERT_NO_APPLICATION_PROTOCOL", *AWAY, "HTTP/2 on both sides"),
    # The same over REST, in our own texts.
    (C.UNAVAILABLE, "HTTP 403 at /v1/state", *AWAY, "in front of lnd refuses"),
    (C.UNAVAILABLE, "HTTP 400 at /v1/state: The plain HTTP request was sent to HTTPS port", *AWAY, "write https://"),
]


@pytest.mark.parametrize(("code", "details", "cause", "state", "advice"), TABLE)
def test_cause_state_and_advice(code: grpc.StatusCode, details: str, cause: Cause, state: State, advice: str) -> None:
    """The advice quotes the text at its end."""
    error = from_status(code, details)
    text = details.removeprefix(FAILED)
    quoted = f" ({code.name}: {text})" if text else f" ({code.name})"
    assert (error.cause, error.state) == (cause, state)
    assert advice in error.advice.removesuffix(quoted)
    assert error.advice.endswith(quoted)


def test_quoted_text_has_no_secret() -> None:
    """It is shortened, and has nothing long enough to be a macaroon, a preimage or an invoice."""
    preimage, invoice, macaroon = "9f" * 32, "lnbc2500u1" + "pvjluez" * 20, "0201036c6e64" + "ab" * 80
    details = f"bad {preimage} of {invoice} and {macaroon} " + "so it is " * 90
    advice = from_status(grpc.StatusCode.UNKNOWN, details).advice
    assert not any(secret[:41] in advice for secret in (preimage, invoice, macaroon))
    assert "bad ... of ... and ..." in advice
    assert len(advice) < 400


def test_quoted_text_has_no_control_characters() -> None:
    """A server may send anything, and the text is shown on terminals: escape codes are removed."""
    advice = from_status(grpc.StatusCode.UNKNOWN, "no\x1b[2J\x1b]0;title\x07way\x9b31m\nat all").advice
    assert advice.endswith("(UNKNOWN: no [2J ]0;title way 31m at all)")
