"""Parts of a text, compressed one by one and used again in any order, are one file that every reader accepts."""

import gzip
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.gzipped import NO_PARTS, Part, Parts, Writer, member, text_of

TEXT = st.one_of(st.binary(max_size=300), st.integers(0, 100_000).map(lambda n: b"0123456789 " * (n // 11)))


def written(texts: Sequence[bytes]) -> tuple[list[Part], Parts]:
    """Return texts as parts, and all as one."""
    writer = Writer()
    return [writer.write(text) for text in texts], writer.parts()


@given(st.lists(TEXT, max_size=3), TEXT)
def test_parts_are_one_member(texts: list[bytes], last: bytes) -> None:
    """Any parts, also empty ones; its checksum and its length are those of the whole text."""
    file = member(written(texts)[1], last)
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    whole = b"".join(texts) + last
    assert reader.decompress(file) == whole
    assert (reader.eof, reader.unused_data) == (True, b"")
    assert gzip.decompress(file) == text_of(file) == whole


@given(st.lists(TEXT, min_size=1, max_size=4), st.data())
def test_parts_of_another_text(texts: list[bytes], data: st.DataObject) -> None:
    """Parts are written again in any order between new ones; the file is that of the text that they make."""
    parts, _ = written(texts)
    writer, whole = Writer(), b""
    for place in data.draw(st.lists(st.integers(0, 2 * len(parts) - 1), max_size=6)):
        text = texts[place // 2]
        whole += text
        if place % 2:
            writer.write_again(parts[place // 2])
        else:
            assert writer.write(text)[1:] == (len(text), zlib.crc32(whole[: -len(text) or None]), zlib.crc32(whole))
        assert writer.parts()[1:] == (len(whole), zlib.crc32(whole))
    assert text_of(member(writer.parts(), b"")) == whole


@given(st.lists(TEXT, min_size=1))
def test_a_part_refers_to_nothing_before_it(texts: list[bytes]) -> None:
    """It is decompressed alone, whatever was compressed before."""
    parts, _ = written([*texts, *texts])
    assert [zlib.decompressobj(-zlib.MAX_WBITS).decompress(part.deflated) for part in parts] == [*texts, *texts]


def test_parts_are_what_was_written_until_then() -> None:
    """What is written later isn't added to them."""
    writer = Writer()
    writer.write(b"one ")
    before = writer.parts()
    writer.write(b"two ")
    assert [text_of(member(parts, b"end")) for parts in (NO_PARTS, before, writer.parts())] == [
        b"end",
        b"one end",
        b"one two end",
    ]


def test_the_same_text_is_always_compressed_alike() -> None:
    """By each writer."""
    text = b"lnd_payments_started_total 1.0\n" * 1000
    assert written([text]) == written([text])


def test_the_program_gzip_reads_it(tmp_path: Path) -> None:
    """It verifies the checksum and the length, too."""
    file = tmp_path / "page.gz"
    file.write_bytes(member(written([b"one\n" * 9999])[1], b"two\n"))
    subprocess.run(["gzip", "-t", file], check=True)
    read = subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout
    assert read == b"one\n" * 9999 + b"two\n"
