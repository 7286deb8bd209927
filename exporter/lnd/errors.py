"""Turns errors of lnd, gRPC and REST into `LndError`: a cause, a node state and advice.

lnd reports nearly every error as status UNKNOWN with a text, so the text is matched first (`known_errors`), then the
status.
"""

import re
import textwrap

import grpc

from exporter.lnd.client import LndError, PaymentNotFound, RouteNotFound
from exporter.lnd.known_errors import KNOWN_ERRORS, MACAROON, KnownError
from exporter.payments.findings import NoRoute
from exporter.payments.labels import Interruption, NodeState

_QUOTED = 200  # characters of a foreign text that are quoted at most
# Long words in a foreign text may be macaroons, preimages or invoices.
_TOKEN = re.compile(r"[0-9A-Za-z+/=_-]{40,}")
# Control characters could be commands to the terminal that shows the text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# gRPC received an HTTP status instead of its own: lnd didn't send that answer. `http_errors` writes it as "HTTP 502".
_HTTP_STATUS = "received http2 header with status: "
# gRPC puts this before the error that matters.
_PREAMBLE = re.compile(r"^failed to connect to all addresses; last error: \w+: ((ipv[46]|unix):\S+: )?")


_CODES: dict[grpc.StatusCode, KnownError] = {
    grpc.StatusCode.UNAVAILABLE: KnownError(
        "",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "lnd can't be reached: is it running, is the address right?",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: KnownError(
        "", Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd took too long to answer: is its machine overloaded?"
    ),
    grpc.StatusCode.UNIMPLEMENTED: KnownError(
        "",
        Interruption.UNIMPLEMENTED,
        NodeState.READY,
        "this lnd lacks a call: TrackPayments needs lnd 0.16 or newer",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: KnownError(
        "", Interruption.TOO_LARGE, NodeState.READY, "an answer of lnd was larger than 200 MiB: please report it"
    ),
    grpc.StatusCode.UNAUTHENTICATED: KnownError("", Interruption.DENIED, NodeState.DENIED, MACAROON),
    grpc.StatusCode.PERMISSION_DENIED: KnownError("", Interruption.DENIED, NodeState.DENIED, MACAROON),
}
_NO_ROUTE = {
    "unable to find a path to destination": NoRoute.NO_PATH,
    "insufficient local balance": NoRoute.INSUFFICIENT_BALANCE,
}
"""Texts with which `QueryRoutes` says that there is no route (lnd: routing/payment_session.go)."""
_NOT_FOUND = "lnd doesn't know this payment: is the hash right, did this node pay it, has it been deleted?"
# lnd answers and accepts the macaroon, so it is ready; only the error is new to us.
_OTHER = KnownError(
    "",
    Interruption.OTHER,
    NodeState.READY,
    "lnd answered with an unknown error: look into its log, and please report it",
)


def from_status(code: grpc.StatusCode, details: str) -> LndError:
    """Return the error for a gRPC status; its advice quotes `details`, shortened and without possible secrets.

    NOT_FOUND becomes `PaymentNotFound`: lnd uses this status for payments only.
    """
    if details in _NO_ROUTE:
        return RouteNotFound(_NO_ROUTE[details], f"lnd has found no route ({details})")
    lower = details.lower().replace(_HTTP_STATUS, "http ")
    known = next((known for known in KNOWN_ERRORS if known.text in lower), None) or _CODES.get(code, _OTHER)
    text = _CONTROL.sub(" ", _TOKEN.sub("...", _PREAMBLE.sub("", details)))
    text = textwrap.shorten(text, _QUOTED, placeholder=" ...")
    quoted = f" ({code.name}: {text})" if text else f" ({code.name})"
    if code is grpc.StatusCode.NOT_FOUND:
        return PaymentNotFound(known.cause, known.state, _NOT_FOUND + quoted)
    return LndError(known.cause, known.state, known.advice + quoted)


def stream_ended(method: str) -> LndError:
    """Return the error for a stream that ended with status OK, although only its reader should end it."""
    return LndError(
        Interruption.ENDED,
        NodeState.READY,
        f"lnd ended the stream {method} without an error: it is opened again, nothing to do",
    )


def not_lnd(text: str = "", state: NodeState = NodeState.UNREACHABLE) -> LndError:
    """Return the error for an answer that no lnd would give.

    `text` is short and our own, for it is quoted as it is. `state` is `ready` if lnd itself can be reached as well.
    """
    quoted = f" ({text})" if text else ""
    advice = f"the answer is not one of lnd's: is the address right?{quoted}"
    return LndError(Interruption.OTHER, state, advice)
