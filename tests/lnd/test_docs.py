"""docs/lnd.md says what becomes of every field and word of lnd's messages: as lnd has them, and as we declare them."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto

from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2, track_pb2
from exporter.payments.labels import AttemptStatus, Code, Reason, Status
from tests.lnd.test_protos import lnds_own, ours

__all__ = ["lnds_own"]  # the fixture

TEXT = (Path(__file__).parents[2] / "docs" / "lnd.md").read_text()
MESSAGES = ("Payment", "HTLCAttempt", "Route", "Hop", "MPPRecord", "AMPRecord", "Failure", "ChannelUpdate")
ENUMS: dict[str, tuple[str, Mapping[int, StrEnum], StrEnum]] = {
    "PaymentStatus": ("Payment.PaymentStatus", decode._STATUS, Status.IN_FLIGHT),
    "PaymentFailureReason": ("PaymentFailureReason", decode._REASON, Reason.OTHER),
    "HTLCStatus": ("HTLCAttempt.HTLCStatus", decode._ATTEMPT_STATUS, AttemptStatus.IN_FLIGHT),
    "FailureCode": ("Failure.FailureCode", decode._CODE, Code.OTHER),
}
OURS = {"metrics", "decision"}
Words = dict[str, DescriptorProto | EnumDescriptorProto]


def rows(heading: str) -> list[list[str]]:
    """The table of a section, without its titles; the first cell without its quotes."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_section() -> None:
    """One for each message and enum, and no other."""
    assert re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE) == [*MESSAGES, *ENUMS]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field(lnds_own: Words, name: str) -> None:
    """In lnd's order, each with a sentence."""
    message = lnds_own[name]
    assert isinstance(message, DescriptorProto)
    assert [field for field, *_ in rows(name)] == [field.name for field in message.field]
    assert all(meaning for *_, meaning in rows(name))


def declared(descriptor: FileDescriptor, name: str) -> set[str]:
    """The fields of a message of ours."""
    message = ours(descriptor).get(name)
    return {field.name for field in message.field} if isinstance(message, DescriptorProto) else set()


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_used_is_declared(name: str) -> None:
    """And nothing else is: for the exporter in lnd.proto, for `track` in track.proto."""
    used = {field: {word for word in uses.split(", ") if word} for field, uses, _ in rows(name)}
    assert set().union(*used.values()) <= OURS | {"track"}
    assert {field for field, uses in used.items() if uses & OURS} == declared(lnd_pb2.DESCRIPTOR, name)
    assert {field for field, uses in used.items() if "track" in uses} == declared(track_pb2.DESCRIPTOR, name)


@pytest.mark.parametrize("name", ENUMS)
def test_every_word(lnds_own: Words, name: str) -> None:
    """What each becomes, and what becomes of one that a newer lnd invents."""
    theirs, table, other = ENUMS[name]
    enum = lnds_own[theirs]
    assert isinstance(enum, EnumDescriptorProto)
    expected = [[value.name, str(table.get(value.number, other))] for value in enum.value]
    assert rows(name) == [*expected, ["any other", str(other)]]
