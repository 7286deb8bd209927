"""Compresses parts of a text apart from each other, and joins them to one gzip member."""

import zlib
from collections.abc import Iterable
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


def join(parts: Iterable[Part]) -> Part:
    """Return what `compress` might return for all texts in a row. Takes some 0.4 us for each 1000 bytes of them.

    The CRC-32 of two texts is that of the second, xor what zeros of its length make of the CRC-32 of the first.
    zlib inverts a CRC-32 at the start and at the end, so it is inverted before and after.
    """
    deflated, length, crc = [], 0, 0
    for part in parts:
        deflated.append(part.deflated)
        crc = part.crc ^ zlib.crc32(bytes(part.length), crc ^ _ALL_ONES) ^ _ALL_ONES if length else part.crc
        length += part.length
    return Part(b"".join(deflated), length, crc)


def member(parts: Iterable[Part]) -> bytes:
    """Return a gzip file with one member: several are allowed, but curl and browsers read only the first."""
    whole = join(parts)
    return b"".join((_HEADER, whole.deflated, _END, pack("<II", whole.crc, whole.length & _ALL_ONES)))


def text_of(file: bytes) -> bytes:
    """Return the text of a gzip file."""
    return zlib.decompress(file, wbits=zlib.MAX_WBITS | 16)
