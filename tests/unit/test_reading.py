"""A file gives its bytes, or an error that names it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.errors import FileTooLargeError, SourceGoneError, UnreadableFileError
from florilegium.ids import hash_bytes
from florilegium.reading import check_unchanged, hash_source, read_source
from florilegium.types import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "a.txt").write_bytes(b"12345")
    return Source(root=tmp_path, path="a.txt", size=5, modified_ns=0, content_hash="")


def test_a_file_at_the_limit_is_read_whole(source: Source) -> None:
    assert read_source(source, max_bytes=5, hint="") == b"12345"


def test_a_file_over_the_limit_is_refused_with_its_size(source: Source) -> None:
    with pytest.raises(FileTooLargeError, match=r"'a\.txt' has 5 bytes, more than .* 4") as refused:
        read_source(source, max_bytes=4, hint="Split it.")

    assert refused.value.hint == "Split it."


def test_a_file_that_grew_since_it_was_listed_is_refused_too(source: Source) -> None:
    with pytest.raises(FileTooLargeError, match="has 5 bytes"):
        read_source(replace(source, size=1), max_bytes=4, hint="")


def test_a_file_that_is_gone_is_named(source: Source) -> None:
    with pytest.raises(UnreadableFileError, match=r"'gone\.txt' cannot be read: No such file"):
        read_source(replace(source, path="gone.txt"), max_bytes=4, hint="")


def test_a_pipe_that_took_the_place_of_a_file_is_refused_at_once(source: Source) -> None:
    source.file.unlink()
    os.mkfifo(source.file)

    with pytest.raises(UnreadableFileError, match=r"'a\.txt' is no regular file any more"):
        read_source(source, max_bytes=4, hint="")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 1])
def test_a_file_is_hashed_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a.bin").write_bytes(data)

    found = hash_source(tmp_path / "a.bin", name="a.bin", max_bytes=size, hint="")

    assert found == hash_bytes(data)


def test_a_file_that_is_too_large_to_hash_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as stream:
        stream.truncate(100_000_000_000)  # sparse: it takes no room
    started = time.monotonic()

    with pytest.raises(FileTooLargeError, match=r"'a\.jpg' has 100000000000 bytes") as refused:
        hash_source(tmp_path / "a.jpg", name="a.jpg", max_bytes=64_000_000, hint="Split it.")

    assert refused.value.hint == "Split it."
    assert time.monotonic() - started < 20  # reading it takes minutes


def test_a_file_that_grows_while_it_is_hashed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.bin").write_bytes(b"12345")
    fstat = os.fstat

    def small(descriptor: int) -> os.stat_result:
        found = list(fstat(descriptor))
        found[6] = 1
        return os.stat_result(found)

    monkeypatch.setattr("florilegium.reading.os.fstat", small)

    with pytest.raises(FileTooLargeError, match="has 5 bytes"):
        hash_source(tmp_path / "a.bin", name="a.bin", max_bytes=4, hint="")


def test_what_cannot_be_hashed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"'gone\.bin' cannot be read: No such file"):
        hash_source(tmp_path / "gone.bin", name="gone.bin", max_bytes=4, hint="")
    with pytest.raises(UnreadableFileError, match=r"'\.' is no regular file"):
        hash_source(tmp_path, name=".", max_bytes=4, hint="")


@pytest.fixture
def ingested(source: Source) -> Source:
    """Return the file as a catalog has it."""
    modified = source.file.stat().st_mtime_ns
    return replace(source, modified_ns=modified, content_hash=hash_bytes(b"12345"))


def test_a_file_of_the_size_and_time_that_are_known_is_not_read(ingested: Source) -> None:
    check_unchanged(replace(ingested, content_hash="of something else"))


def test_a_file_that_was_only_touched_is_the_same(ingested: Source) -> None:
    check_unchanged(replace(ingested, modified_ns=1))


@pytest.mark.parametrize("content", [b"54321", b"1234567"])
def test_a_file_with_another_content_is_another(ingested: Source, content: bytes) -> None:
    ingested.file.write_bytes(content)
    os.utime(ingested.file, ns=(1, 1))

    with pytest.raises(SourceGoneError, match=r"'a\.txt' has become another file"):
        check_unchanged(ingested)


def test_a_file_that_was_removed_is_gone(ingested: Source) -> None:
    for path in ("gone.txt", "a.txt/inside.txt"):
        with pytest.raises(SourceGoneError, match="is not there any more"):
            check_unchanged(replace(ingested, path=path))
