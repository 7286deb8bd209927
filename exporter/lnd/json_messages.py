"""Converts the JSON of lnd's REST API into the protobuf messages of gRPC, so that `decode` serves both."""

import base64
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
T = TypeVar("T")

Convert = Callable[[Any], Any]
"""Turns a JSON value into an argument for the constructor of a message; raises TypeError or ValueError."""

_UNKNOWN_VALUE = -1  # stands for an enum value that a newer lnd has added: no enum of lnd's has this number


class Malformed(Exception):
    """The text isn't JSON, or the JSON isn't the expected message."""


class RawPaymentsPage(msgspec.Struct):
    """A page of payments, each still unparsed: a large page is parsed in batches. lnd always sends both fields."""

    payments: list[msgspec.Raw]
    last_index_offset: str


def parse(text: bytes | str | msgspec.Raw, kind: type[T] | Any = Any) -> Any:
    """Parse JSON of any type, or of type `kind`; raises `Malformed`, also if it is nested too deeply."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Malformed from None


def message(kind: type[M], value: object) -> M:
    """Convert a parsed JSON object into a message; raises `Malformed`. Fields that our protos lack are ignored.

    lnd writes 64-bit integers as strings, bytes in base64, enum values as names, and null for an absent message.
    """
    try:
        return kind(**_fields(kind.DESCRIPTOR, value))
    except (TypeError, ValueError):
        raise Malformed from None


def _fields(descriptor: Any, value: Any) -> dict[str, Any]:
    """Return the arguments for the constructor of a message."""
    given = _of_type(dict, value)
    return {name: convert(field) for name, convert in _converters(descriptor) if (field := given.get(name)) is not None}


@cache
def _converters(descriptor: Any) -> tuple[tuple[str, Convert], ...]:
    """Return name and converter of each field of a message. The cache has one entry for each message in our protos."""
    return tuple((field.name, _converter(field)) for field in descriptor.fields)


def _converter(field: FieldDescriptor) -> Convert:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        to_key, to_value = (_single(entry.fields_by_name[name]) for name in ("key", "value"))
        return lambda value: {to_key(k): to_value(v) for k, v in _of_type(dict, value).items()}
    single = _single(field)
    repeated = field.default_value == []  # the newer attribute for it needs a newer protobuf than the oldest we allow
    return (lambda value: [single(item) for item in _of_type(list, value)]) if repeated else single


def _single(field: FieldDescriptor) -> Convert:
    """Return the converter for one value of a field, also for an item of a list or map."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return partial(_fields, field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return partial(_enum_number, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes
    return _SIMPLE.get(field.cpp_type, _integer)


def _enum_number(enum: Any, value: Any) -> int:
    """Return the number of an enum value, given by name or number; `_UNKNOWN_VALUE` for an unknown name."""
    if isinstance(value, str):
        known = enum.values_by_name.get(value)
        return _UNKNOWN_VALUE if known is None else known.number
    return _integer(value)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value) if value != "" else b""  # most are empty: decoding would take four times as long


def _integer(value: Any) -> int:
    return int(value if type(value) is str else _of_type(int, value))


def _of_type(kind: type[T], value: Any) -> T:
    """Return the value if it has exactly this type, else raise TypeError: `True` must not pass for an integer."""
    if type(value) is not kind:
        raise TypeError
    return value


_SIMPLE: dict[int, Convert] = {
    FieldDescriptor.CPPTYPE_STRING: _string,
    FieldDescriptor.CPPTYPE_BOOL: partial(_of_type, bool),
}
