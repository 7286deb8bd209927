"""Parts of a text, compressed apart, are one gzip member that every reader accepts."""

import gzip
import subprocess
import zlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.gzipped import EMPTY, compress, join, member, text_of

TEXTS = st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 100_000).map(lambda n: b"0123456789 " * (n // 11))))


@given(TEXTS)
def test_parts_are_one_member(texts: list[bytes]) -> None:
    """Any parts, in any order, with empty ones among them; its checksum and its length are those of the whole text."""
    file, text = member(map(compress, texts)), b"".join(texts)
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(file) == text
    assert (reader.eof, reader.unused_data) == (True, b"")
    assert gzip.decompress(file) == text_of(file) == text


@given(TEXTS, st.integers(0, 5))
def test_joined_parts_are_a_part(texts: list[bytes], place: int) -> None:
    """It can be joined again."""
    parts = [compress(text) for text in texts]
    assert join([join(parts[:place]), join(parts[place:])]) == join(parts)
    assert join(parts)[1:] == (len(b"".join(texts)), zlib.crc32(b"".join(texts)))
    assert join([]) == EMPTY


def test_the_same_text_is_always_compressed_alike() -> None:
    """Whatever was compressed before."""
    text = b"lnd_payments_started_total 1.0\n" * 1000
    assert compress(text) == compress(text)


def test_the_program_gzip_reads_it(tmp_path: Path) -> None:
    """It verifies the checksum and the length, too."""
    file = tmp_path / "page.gz"
    file.write_bytes(member(compress(text) for text in (b"one\n" * 9999, b"", b"two\n")))
    subprocess.run(["gzip", "-t", file], check=True)
    read = subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout
    assert read == b"one\n" * 9999 + b"two\n"
