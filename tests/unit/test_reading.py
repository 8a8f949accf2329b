"""A file gives its bytes, or an error that names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.errors import FileTooLargeError, UnreadableFileError
from florilegium.reading import read_source
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
