"""docs/lnd.md lists every field and enum value of lnd's messages and its use: as in lnd's protos and in ours."""

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
Types = dict[str, DescriptorProto | EnumDescriptorProto]


def rows(heading: str) -> list[list[str]]:
    """Return the table of a section without its header; the cells without their backticks."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_one_section_for_each_message_and_enum() -> None:
    """And no other section."""
    assert re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE) == [*MESSAGES, *ENUMS]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_of_lnds_is_listed(lnds_own: Types, name: str) -> None:
    """In lnd's order, each with a meaning."""
    message = lnds_own[name]
    assert isinstance(message, DescriptorProto)
    assert [field for field, *_ in rows(name)] == [field.name for field in message.field]
    assert all(meaning for *_, meaning in rows(name))


def declared(descriptor: FileDescriptor, name: str) -> set[str]:
    """Return the fields of a message in our protos."""
    message = ours(descriptor).get(name)
    return {field.name for field in message.field} if isinstance(message, DescriptorProto) else set()


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_are_declared_if_they_are_used(name: str) -> None:
    """And no others are: for the exporter in lnd.proto, for `track` in track.proto."""
    used = {field: {use for use in uses.split(", ") if use} for field, uses, _ in rows(name)}
    assert set().union(*used.values()) <= OURS | {"track"}
    assert {field for field, uses in used.items() if uses & OURS} == declared(lnd_pb2.DESCRIPTOR, name)
    assert {field for field, uses in used.items() if "track" in uses} == declared(track_pb2.DESCRIPTOR, name)


@pytest.mark.parametrize("name", ENUMS)
def test_every_enum_value_is_listed(lnds_own: Types, name: str) -> None:
    """With what it becomes here; and what an unknown one becomes, which a newer lnd may add."""
    theirs, table, other = ENUMS[name]
    enum = lnds_own[theirs]
    assert isinstance(enum, EnumDescriptorProto)
    expected = [[value.name, str(table.get(value.number, other))] for value in enum.value]
    assert rows(name) == [*expected, ["any other", str(other)]]
