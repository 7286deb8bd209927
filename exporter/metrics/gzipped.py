"""Compresses parts of a text apart from each other, and joins them to one gzip member."""

import zlib
from struct import pack
from typing import NamedTuple

# Level 1 compresses a page to a tenth; level 6 to a sixteenth, in four times the time.
_LEVEL = 1
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # deflate, no flags, no time, fastest level, unknown system
_END = b"\x03\0"  # an empty last block
_ALL_ONES = 0xFFFFFFFF


class Part(NamedTuple):
    """A compressed text that can follow any other."""

    deflated: bytes
    """Raw deflate without a last block; it ends at a byte's end and refers to nothing before it."""
    length: int
    """Bytes of the text."""
    crc: int
    """CRC-32 of the text."""


EMPTY = Part(b"", 0, 0)


def compress(text: bytes) -> Part:
    """Return the compressed text; an empty one needs nothing."""
    if not text:
        return EMPTY
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
    return Part(deflated, len(text), zlib.crc32(text))


def crc_with(crc: int, part: Part) -> int:
    """Return the CRC-32 of a text that a part follows, by the CRC-32 of the text. Takes 0.4 us for 1000 bytes.

    It is the CRC-32 of the part, xor what zeros of its length make of the text's. zlib inverts a CRC-32 before and
    after, so that is undone.
    """
    return part.crc ^ zlib.crc32(bytes(part.length), crc ^ _ALL_ONES) ^ _ALL_ONES


def member(first: Part, last: Part) -> bytes:
    """Return a gzip file with one member: several are allowed, but curl and browsers read only the first."""
    trailer = pack("<II", crc_with(first.crc, last), (first.length + last.length) & _ALL_ONES)
    return b"".join((_HEADER, first.deflated, last.deflated, _END, trailer))


def text_of(file: bytes) -> bytes:
    """Return the text of a gzip file."""
    return zlib.decompress(file, wbits=zlib.MAX_WBITS | 16)
