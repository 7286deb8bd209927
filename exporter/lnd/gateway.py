"""JSON, as lnd's REST writes it, into the messages that gRPC brings: one set of rules decodes both."""

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
"""A value in JSON into what the constructor of a message takes; raises TypeError or ValueError."""

_NEW_WORD = -1  # the number of a word that a newer lnd has invented: no enum of lnd's has it


class Malformed(Exception):
    """No JSON, or no message."""


class Listed(msgspec.Struct):
    """A page of payments whose payments are not yet read: a large page is read bit by bit. lnd always names both."""

    payments: list[msgspec.Raw]
    last_index_offset: str


def parse(text: bytes | str | msgspec.Raw, kind: type[T] | Any = Any) -> Any:
    """Any JSON, or of that kind; raises `Malformed`, also for what is nested too deeply."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Malformed from None


def message(kind: type[M], said: object) -> M:
    """The message that an object in JSON stands for; raises `Malformed`. Fields that we don't declare are passed over.

    lnd writes 64-bit integers as strings, bytes in base64, enums as words, and null where a message is absent.
    """
    try:
        return kind(**_fields(kind.DESCRIPTOR, said))
    except (TypeError, ValueError):
        raise Malformed from None


def _fields(descriptor: Any, said: Any) -> dict[str, Any]:
    """The arguments of a message's constructor."""
    told = _a(dict, said)
    return {name: convert(value) for name, convert in _converters(descriptor) if (value := told.get(name)) is not None}


@cache
def _converters(descriptor: Any) -> tuple[tuple[str, Convert], ...]:
    """How to convert each field of a message; as many entries as we declare messages."""
    return tuple((field.name, _converter(field)) for field in descriptor.fields)


def _converter(field: FieldDescriptor) -> Convert:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = (_single(entry.fields_by_name[name]) for name in ("key", "value"))
        return lambda said: {key(k): value(v) for k, v in _a(dict, said).items()}
    single = _single(field)
    repeated = field.default_value == []  # newer ways to ask need a protobuf newer than ours must be
    return (lambda said: [single(one) for one in _a(list, said)]) if repeated else single


def _single(field: FieldDescriptor) -> Convert:
    """For one value, also within a list or a map."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return partial(_fields, field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return partial(_word, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64decode
    return _SIMPLE.get(field.cpp_type, _number)


def _word(enum: Any, said: Any) -> int:
    """The number of a word; of one that we don't know, a number that we don't know either."""
    if isinstance(said, str):
        known = enum.values_by_name.get(said)
        return _NEW_WORD if known is None else known.number
    return _number(said)


def _number(said: Any) -> int:
    return int(said if type(said) is str else _a(int, said))


def _a(kind: type[T], said: Any) -> T:
    """What was said, if it is of just this kind: for Python `True` is an integer, for lnd it is none."""
    if type(said) is not kind:
        raise TypeError
    return said


_SIMPLE: dict[int, Convert] = {
    FieldDescriptor.CPPTYPE_STRING: partial(_a, str),
    FieldDescriptor.CPPTYPE_BOOL: partial(_a, bool),
}
