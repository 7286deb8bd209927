"""Parts of a text, compressed apart, are one gzip member that every reader accepts."""

import gzip
import subprocess
import zlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.gzipped import compress, crc_with, member, text_of

TEXT = st.one_of(st.binary(max_size=300), st.integers(0, 100_000).map(lambda n: b"0123456789 " * (n // 11)))


@given(TEXT, TEXT)
def test_parts_are_one_member(first: bytes, last: bytes) -> None:
    """Any parts, also empty ones; its checksum and its length are those of the whole text."""
    file = member(compress(first), compress(last))
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(file) == first + last
    assert (reader.eof, reader.unused_data) == (True, b"")
    assert gzip.decompress(file) == text_of(file) == first + last


@given(st.lists(TEXT))
def test_checksum_of_many_parts(texts: list[bytes]) -> None:
    """It is that of the whole text."""
    crc = 0
    for text in texts:
        crc = crc_with(crc, compress(text))
    assert crc == zlib.crc32(b"".join(texts))


def test_the_same_text_is_always_compressed_alike() -> None:
    """Whatever was compressed before."""
    text = b"lnd_payments_started_total 1.0\n" * 1000
    assert compress(text) == compress(text)


def test_the_program_gzip_reads_it(tmp_path: Path) -> None:
    """It verifies the checksum and the length, too."""
    file = tmp_path / "page.gz"
    file.write_bytes(member(compress(b"one\n" * 9999), compress(b"two\n")))
    subprocess.run(["gzip", "-t", file], check=True)
    read = subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout
    assert read == b"one\n" * 9999 + b"two\n"
