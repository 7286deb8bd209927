"""Errors of lnd, gRPC and REST, made into causes, node states and advice for a person.

lnd says nearly everything as status UNKNOWN with a text, so texts are matched first (`texts`), then the status.
"""

import re
import textwrap

import grpc

from exporter.lnd.client import LndError, PaymentNotFound
from exporter.lnd.texts import MACAROON, TEXTS, Row
from exporter.payments.labels import Interruption, NodeState

_QUOTED = 200  # characters of a foreign text that are shown
# What long words of a foreign text may be: macaroons, preimages, invoices.
_TOKEN = re.compile(r"[0-9A-Za-z+/=_-]{40,}")
# What would be a command to a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# An HTTP status instead of gRPC's own: the answer is not lnd's. Over REST we say it so (`refusal`).
_HTTP_STATUS = "received http2 header with status: "
# What gRPC puts before the error that matters.
_PREAMBLE = re.compile(r"^failed to connect to all addresses; last error: \w+: ((ipv[46]|unix):\S+: )?")


_CODES: dict[grpc.StatusCode, Row] = {
    grpc.StatusCode.UNAVAILABLE: Row(
        "",
        Interruption.UNREACHABLE,
        NodeState.UNREACHABLE,
        "lnd can't be reached: is it running, is the address right?",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: Row(
        "", Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd took too long to answer: is its machine overloaded?"
    ),
    grpc.StatusCode.UNIMPLEMENTED: Row(
        "", Interruption.UNIMPLEMENTED, NodeState.READY, "this lnd lacks a call: TrackPayments needs lnd 0.16 or newer"
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: Row(
        "", Interruption.TOO_LARGE, NodeState.READY, "an answer of lnd was larger than 200 MiB: please report it"
    ),
    grpc.StatusCode.UNAUTHENTICATED: Row("", Interruption.DENIED, NodeState.DENIED, MACAROON),
    grpc.StatusCode.PERMISSION_DENIED: Row("", Interruption.DENIED, NodeState.DENIED, MACAROON),
}
_MISSING = "lnd doesn't know this payment: is the hash right, was it this node that paid, has it been deleted?"
# It answers and lets us in; what it says is new to us.
_OTHER = Row(
    "",
    Interruption.OTHER,
    NodeState.READY,
    "lnd answered with an error that is not known here: look into its log, and please report it",
)


def translate(code: grpc.StatusCode, details: str) -> LndError:
    """What a gRPC status makes of a node, with lnd's own words shortened and without anything that may be secret.

    NOT_FOUND is `PaymentNotFound`: lnd says it of payments only.
    """
    lower = details.lower().replace(_HTTP_STATUS, "http ")
    row = next((row for row in TEXTS if row.text in lower), None) or _CODES.get(code, _OTHER)
    words = _CONTROL.sub(" ", _TOKEN.sub("...", _PREAMBLE.sub("", details)))
    words = textwrap.shorten(words, _QUOTED, placeholder=" ...")
    said = f" ({code.name}: {words})" if words else f" ({code.name})"
    if code is grpc.StatusCode.NOT_FOUND:
        return PaymentNotFound(row.cause, row.state, _MISSING + said)
    return LndError(row.cause, row.state, row.advice + said)


def ended(method: str) -> LndError:
    """A stream that only its reader may end has ended with status OK."""
    return LndError(
        Interruption.ENDED,
        NodeState.READY,
        f"lnd ended the stream {method} without an error: it is opened again, nothing to do",
    )


def foreign(words: str = "", state: NodeState = NodeState.UNREACHABLE) -> LndError:
    """Something answers, but not as any lnd would; `words` are short, and of our own. `ready`: lnd is there as well."""
    said = f" ({words})" if words else ""
    advice = f"what answers doesn't speak as lnd does: is the address right?{said}"
    return LndError(Interruption.OTHER, state, advice)
