"""Ids and hashes: exact values, so that an index of today is understood tomorrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.ids import hash_bytes, hash_file, item_id, item_of, record_id, sha256_file


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "cae66941d9efbd404e4d88758ea67670"),
        (b"rose", "56570a07a134e0e56770b95e8734d1aa"),
    ],
)
def test_a_hash_is_the_blake2b_128_of_the_bytes(data: bytes, digest: str) -> None:
    assert hash_bytes(data) == digest


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_has_the_hash_of_its_bytes_whatever_its_size(tmp_path: Path, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    file = tmp_path / "data"
    file.write_bytes(data[:size])

    assert hash_file(file) == hash_bytes(data[:size])


def test_a_file_that_is_not_there_raises_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hash_file(tmp_path / "absent")


def test_the_id_of_an_item_never_changes() -> None:
    assert item_id("a/rose.txt", 3) == "ae57df2174389263e1ccfd59875e5569"


def test_path_and_number_are_kept_apart_in_an_id() -> None:
    ids = {item_id("a", 11), item_id("a1", 1), item_id("a", 1), item_id("A", 1)}

    assert len(ids) == 4


def test_a_path_that_is_no_unicode_has_an_id() -> None:
    # What the system gives for a name with the byte ff.
    assert len(item_id("bad\udcff.txt", 0)) == 32


def test_the_id_of_a_record_begins_with_its_items() -> None:
    assert record_id("abc", "window", 2) == "abc:window:2"


def test_a_record_tells_its_item() -> None:
    assert item_of(record_id("a:b", "card", 12)) == "a:b"


def test_the_sha256_of_a_file_is_the_one_that_hubs_give(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")

    assert sha256_file(tmp_path / "empty") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
