"""Protobuf's wire format by hand, for the fields that lnd sends and `protos/lnd.proto` doesn't declare."""

_MORE = 0x80  # set on every byte of a varint but the last
_LENGTH_DELIMITED = 2


def varint(value: int) -> bytes:
    """Encode a number in groups of seven bits, lowest first."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(field: int, value: int) -> bytes:
    """Encode a field that holds an integer or a bool; 0 is not sent, as in proto3."""
    return varint(field << 3) + varint(value) if value else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """Encode a field that holds bytes, a string or a message."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(value)) + value
