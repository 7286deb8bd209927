"""The JSON of lnd's REST interface (grpc-gateway): requests, messages and errors."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.lnd.rpc import track_pb2

_HTTP_STATUS: dict[grpc.StatusCode, int] = {
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
_BOOLEANS = {"true": True, "false": False}


class CallFailed(Exception):
    """A call ended with a status other than OK."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def http_status(self) -> int:
        """The HTTP status of the error."""
        return _HTTP_STATUS.get(self.code, 500)

    @property
    def error(self) -> dict[str, object]:
        """The error as a JSON object."""
        return {"code": self.code.value[0], "message": self.text, "details": []}


class RestContext:
    """The context of a call over REST (`service.CallContext`)."""

    def __init__(self, macaroons: list[str]) -> None:
        """Take the values of the header `Grpc-Metadata-Macaroon`."""
        self._metadata = [("macaroon", macaroon) for macaroon in macaroons]

    def invocation_metadata(self) -> list[tuple[str, str]]:
        """Return the macaroons as gRPC metadata."""
        return self._metadata

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call: raise `CallFailed`."""
        raise CallFailed(code, details)


def request(kind: type[Message], parameters: Mapping[str, str]) -> bytes:
    """Return the serialised request of a path and a query; unknown parameters are ignored, as in lnd.

    Raises `CallFailed` if a value has the wrong type.
    """
    fields = {name: _BOOLEANS.get(value, value) for name, value in parameters.items()}
    try:
        return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True).SerializeToString()
    except json_format.ParseError as error:
        raise CallFailed(grpc.StatusCode.INVALID_ARGUMENT, f"type mismatch, error: {error}") from None


def json_line(value: object) -> bytes:
    """Return a value as JSON without blanks, and a line feed."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def message_json(kind: type[Message], data: bytes) -> dict[str, Any]:
    """Return a serialised message as a JSON object; as in lnd, with its unset fields and with preimages."""
    message = kind.FromString(data)
    fields = _fields(message)
    payments = message.payments if isinstance(message, pb.ListPaymentsResponse) else [message]
    for payment, payment_fields in zip(payments, fields.get("payments", [fields]), strict=True):
        if isinstance(payment, pb.Payment):
            _complete(payment_fields, _fields(track_pb2.Payment.FromString(payment.SerializeToString())))
    return fields


def _fields(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _complete(payment: dict[str, Any], more: dict[str, Any]) -> None:
    """Add the fields that `lnd.proto` doesn't declare but `track.proto` does (`more`), and null for absent messages."""
    payment["payment_preimage"] = more["payment_preimage"]
    for attempt, more_attempt in zip(payment["htlcs"], more["htlcs"], strict=True):
        attempt["preimage"] = more_attempt["preimage"]
        attempt.setdefault("failure", None)
        more_hops = more_attempt.get("route", {}).get("hops", ())
        for hop, more_hop in zip(attempt.get("route", {}).get("hops", ()), more_hops, strict=True):
            hop.update(more_hop)
            hop.setdefault("amp_record", None)
