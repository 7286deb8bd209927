"""Our protos agree with the generated code, and with the .proto files of the lnd release that the tests run."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

from exporter.lnd.rpc import lnd_pb2, track_pb2, why_pb2

if sys.version_info >= (3, 14):
    pytest.skip("the pinned grpcio-tools has no wheel for this Python", allow_module_level=True)

ROOT = Path(__file__).parents[2]


def protoc(*arguments: str) -> None:
    """Run the pinned compiler."""
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


@pytest.mark.parametrize(
    ("package", "files"), [("lnd", ["lnd.proto", "track.proto", "why.proto"]), ("backfill", ["remote.proto"])]
)
def test_generated_code_is_up_to_date(tmp_path: Path, package: str, files: list[str]) -> None:
    """`make protos` would change nothing."""
    rpc = ROOT / "exporter" / package / "rpc"
    protoc(f"-I{ROOT / 'protos'}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", *files)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in rpc.iterdir() if "_pb2" in path.name and path.is_file()}
    for name in names:
        assert (rpc / name).read_text() == (tmp_path / name).read_text(), "run `make protos`"


@pytest.fixture(scope="module")
def lnds_own(
    lnd_protos: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, DescriptorProto | EnumDescriptorProto]:
    """Every message and enum of lnd's own protos, by its name there."""
    target = tmp_path_factory.mktemp("protos") / "lnd.binpb"
    files = ("lightning.proto", "stateservice.proto", "routerrpc/router.proto")
    protoc(f"-I{lnd_protos}", f"--descriptor_set_out={target}", *files)
    found: dict[str, DescriptorProto | EnumDescriptorProto] = {}
    for file in FileDescriptorSet.FromString(target.read_bytes()).file:
        found |= types(file)
    return found


def types(file: FileDescriptorProto) -> dict[str, DescriptorProto | EnumDescriptorProto]:
    """Return messages and enums of a file by name, nested ones as `Outer.Inner`, without the package."""
    found: dict[str, DescriptorProto | EnumDescriptorProto] = {enum.name: enum for enum in file.enum_type}
    for message in file.message_type:
        found[message.name] = message
        found |= {f"{message.name}.{enum.name}": enum for enum in message.enum_type}
        found |= {f"{message.name}.{inner.name}": inner for inner in message.nested_type}
    return found


def ours(descriptor: FileDescriptor) -> dict[str, DescriptorProto | EnumDescriptorProto]:
    """Return the messages and enums of one of our protos, by name."""
    return types(FileDescriptorProto.FromString(descriptor.serialized_pb))


def fields(message: DescriptorProto) -> dict[str, tuple[object, ...]]:
    """Return number, type and label of each field; the name of a message type without its package."""
    return {f.name: (f.number, f.type, f.label, f.type_name.rpartition(".")[2]) for f in message.field}


OURS = {"lnd": lnd_pb2.DESCRIPTOR, "track": track_pb2.DESCRIPTOR, "why": why_pb2.DESCRIPTOR}


@pytest.mark.parametrize("descriptor", OURS.values(), ids=OURS)
def test_messages_and_enums_agree_with_lnds(
    lnds_own: dict[str, DescriptorProto | EnumDescriptorProto], descriptor: FileDescriptor
) -> None:
    """Each field has lnd's name, number and type; each enum has all of lnd's values."""
    for name, declared in ours(descriptor).items():
        theirs = lnds_own[name]
        if isinstance(declared, DescriptorProto):
            assert isinstance(theirs, DescriptorProto)
            known = fields(theirs)
            assert fields(declared) == {field: known.get(field) for field in fields(declared)}, name
        else:
            assert {v.name: v.number for v in declared.value} == {v.name: v.number for v in theirs.value}, name  # type: ignore[union-attr]


def test_only_track_declares_preimages() -> None:
    """The exporter itself can't read one by mistake."""
    declared = {
        field
        for descriptor in (lnd_pb2.DESCRIPTOR, why_pb2.DESCRIPTOR)
        for message in ours(descriptor).values()
        if isinstance(message, DescriptorProto)
        for field in fields(message)
    }
    assert [field for field in declared if "preimage" in field] == []
    users = [
        path
        for path in (ROOT / "exporter").rglob("*.py")
        if "track_pb2" in path.read_text() and path.parent.name != "rpc"
    ]
    assert {str(path.relative_to(ROOT / "exporter")) for path in users} == {
        "lean.py",  # only its name
        "lnd/details.py",
        "lnd/payment_streams.py",
        "simulator/rest_json.py",
    }


def test_methods_exist_in_lnds_protos(lnd_protos: Path) -> None:
    """They are called by path; with these messages, and streaming in this direction."""
    text = {
        name: " ".join((lnd_protos / name).read_text().split())
        for name in ("lightning.proto", "stateservice.proto", "routerrpc/router.proto")
    }
    for file, signature in (
        ("routerrpc/router.proto", "rpc TrackPayments (TrackPaymentsRequest) returns (stream lnrpc.Payment);"),
        ("routerrpc/router.proto", "rpc TrackPaymentV2 (TrackPaymentRequest) returns (stream lnrpc.Payment);"),
        ("lightning.proto", "rpc ListPayments (ListPaymentsRequest) returns (ListPaymentsResponse);"),
        ("lightning.proto", "rpc GetInfo (GetInfoRequest) returns (GetInfoResponse);"),
        ("lightning.proto", "rpc ListChannels (ListChannelsRequest) returns (ListChannelsResponse);"),
        ("lightning.proto", "rpc DecodePayReq (PayReqString) returns (PayReq);"),
        ("lightning.proto", "rpc QueryRoutes (QueryRoutesRequest) returns (QueryRoutesResponse);"),
        ("lightning.proto", "rpc GetNodeInfo (NodeInfoRequest) returns (NodeInfo);"),
        ("stateservice.proto", "rpc SubscribeState (SubscribeStateRequest) returns (stream SubscribeStateResponse);"),
    ):
        assert signature in text[file]
