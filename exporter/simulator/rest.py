"""How lnd's REST writes messages, refusals and requests: the JSON of grpc-gateway."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.lnd.rpc import track_pb2

_STATUS: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_WORDS = {"true": True, "false": False}


class Refused(Exception):
    """A call came to an end that is not OK."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """The HTTP status of an answer that is none."""
        return _STATUS.get(self.code, 500)

    @property
    def error(self) -> dict[str, object]:
        """As it stands in JSON."""
        return {"code": self.code.value[0], "message": self.text, "details": []}


class Caller:
    """What the service may know of the one who asks over REST (`service.Context`)."""

    def __init__(self, macaroons: list[str]) -> None:
        """Take the values of the header `Grpc-Metadata-Macaroon`."""
        self._metadata = [("macaroon", macaroon) for macaroon in macaroons]

    def invocation_metadata(self) -> list[tuple[str, str]]:
        """The macaroon, if there is one."""
        return self._metadata

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call."""
        raise Refused(code, details)


def request(kind: type[Message], words: Mapping[str, str]) -> bytes:
    """The message that a path and a query stand for; raises `Refused`. What it doesn't know is passed over."""
    said = {name: _WORDS.get(word, word) for name, word in words.items()}
    try:
        return json_format.ParseDict(said, kind(), ignore_unknown_fields=True).SerializeToString()
    except json_format.ParseError as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"type mismatch, error: {error}") from None


def line(said: object) -> bytes:
    """JSON without blanks, and the end of a line."""
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def words(kind: type[Message], data: bytes) -> dict[str, Any]:
    """A message as an object: unset fields are there, too, and so are preimages."""
    message = kind.FromString(data)
    said = _words(message)
    payments = message.payments if isinstance(message, pb.ListPaymentsResponse) else [message]
    for payment, spoken in zip(payments, said.get("payments", [said]), strict=True):
        if isinstance(payment, pb.Payment):
            _complete(_words(track_pb2.Payment.FromString(payment.SerializeToString())), spoken)
    return said


def _words(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _complete(more: dict[str, Any], said: dict[str, Any]) -> None:
    """What the messages of the exporter don't declare, those of `track` do; and null for messages that are absent."""
    said["payment_preimage"] = more["payment_preimage"]
    for attempt, spoken in zip(more["htlcs"], said["htlcs"], strict=True):
        spoken["preimage"] = attempt["preimage"]
        spoken.setdefault("failure", None)
        hops = attempt.get("route", {}).get("hops", ())
        for known, hop in zip(hops, spoken.get("route", {}).get("hops", ()), strict=True):
            hop.update(known)
            hop.setdefault("amp_record", None)
