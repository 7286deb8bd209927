"""What lnd answers when it doesn't answer: every text that real nodes were seen to send."""

import grpc
import pytest

from exporter.lnd.trouble import translate
from exporter.payments.labels import Interruption as Cause
from exporter.payments.labels import NodeState as State

C = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "details", "cause", "state"),
    [
        (C.UNKNOWN, "wallet locked, unlock it to enable full RPC access", Cause.LOCKED, State.LOCKED),
        (C.UNKNOWN, "wallet not created, create one to enable full RPC access", Cause.NO_WALLET, State.NO_WALLET),
        (C.UNKNOWN, "waiting to start, RPC services not available", Cause.STARTING, State.STARTING),
        (
            C.UNKNOWN,
            "the RPC server is in the process of starting up, but not yet ready to accept calls",
            Cause.STARTING,
            State.STARTING,
        ),
        (C.UNKNOWN, "permission denied", Cause.DENIED, State.DENIED),
        (C.UNKNOWN, "expected 1 macaroon, got 0", Cause.DENIED, State.DENIED),
        (C.UNKNOWN, "cannot determine data format of binary-encoded macaroon", Cause.DENIED, State.DENIED),
        (
            C.UNKNOWN,
            "verification failed: signature mismatch after caveat verification",
            Cause.DENIED,
            State.DENIED,
        ),
        (
            C.UNKNOWN,
            "cannot retrieve macaroon: cannot get macaroon: root key with id 7 doesn't exist",
            Cause.DENIED,
            State.DENIED,
        ),
        (C.UNKNOWN, "unmarshal v2: section 1: unexpected field", Cause.DENIED, State.DENIED),
        (C.UNKNOWN, "empty macaroon data", Cause.DENIED, State.DENIED),
        (C.UNKNOWN, "routerrpc server shutting down", Cause.SHUTTING_DOWN, State.UNREACHABLE),
        (C.UNKNOWN, "invalid hash length of 3, want 32", Cause.OTHER, State.READY),
        (C.NOT_FOUND, "payment isn't initiated", Cause.OTHER, State.READY),
        (C.UNKNOWN, "", Cause.OTHER, State.READY),
        (
            C.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:10009: connection refused",
            Cause.UNREACHABLE,
            State.UNREACHABLE,
        ),
        (
            C.UNAVAILABLE,
            "Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:SSL routines:CERTIFICATE_VERIFY_FAILED",
            Cause.CERTIFICATE,
            State.UNREACHABLE,
        ),
        (C.UNAVAILABLE, "Hostname Verification Check failed.", Cause.CERTIFICATE, State.UNREACHABLE),
        (C.UNAVAILABLE, "keepalive watchdog timeout", Cause.UNREACHABLE, State.UNREACHABLE),
        (C.UNAVAILABLE, "Socket closed", Cause.UNREACHABLE, State.UNREACHABLE),
        (C.DEADLINE_EXCEEDED, "Deadline Exceeded", Cause.TIMEOUT, State.UNREACHABLE),
        (
            C.UNIMPLEMENTED,
            "unknown method TrackPayments",
            Cause.UNIMPLEMENTED,
            State.READY,
        ),
        (C.RESOURCE_EXHAUSTED, "Received message larger than max (1 vs. 2)", Cause.TOO_LARGE, State.READY),
        (C.UNAUTHENTICATED, "", Cause.DENIED, State.DENIED),
        (C.PERMISSION_DENIED, "", Cause.DENIED, State.DENIED),
        (C.INTERNAL, "something new", Cause.OTHER, State.READY),
    ],
)
def test_translation(code: grpc.StatusCode, details: str, cause: Cause, state: State) -> None:
    """Each answer has its cause and its node state, and comes with what to do and lnd's own words."""
    trouble = translate(code, details)
    assert (trouble.cause, trouble.state) == (cause, state)
    assert code.name in trouble.advice
    assert details[:60] in trouble.advice or "error:" in details


def test_foreign_words_carry_no_secret() -> None:
    """Texts of lnd are quoted short, and without anything long enough to be a macaroon, a preimage or an invoice."""
    preimage, invoice, macaroon = "9f" * 32, "lnbc2500u1" + "pvjluez" * 20, "0201036c6e64" + "ab" * 80
    advice = translate(
        grpc.StatusCode.UNKNOWN, f"bad {preimage} of {invoice} and {macaroon} " + "so it is " * 90
    ).advice
    assert not any(secret[:41] in advice for secret in (preimage, invoice, macaroon))
    assert "bad ... of ... and ..." in advice
    assert len(advice) < 400
