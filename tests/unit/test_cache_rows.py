"""Keys and vectors come back as they were, and no change of a row has its checksum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from florilegium.cache_rows import checksum, pack_key, pack_vector, unpack_key, unpack_vector
from florilegium.types import Embeddings

HASH = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("key", "size"), [(HASH, 16), (f"{HASH}#12", 19), ("f" * 32, 16), ("0" * 32, 16)]
)
def test_keys_of_hashes_take_half_of_their_digits(key: str, size: int) -> None:
    assert len(pack_key(key)) == size
    assert unpack_key(pack_key(key)) == key


@given(st.text(st.characters()) | st.from_regex(r"[0f]{31,33}#?", fullmatch=True))
def test_every_key_comes_back(key: str) -> None:
    assert unpack_key(pack_key(key)) == key


@given(st.lists(st.text("0f#", max_size=40) | st.just("0" * 32), unique=True, min_size=2))
def test_different_keys_stay_different(keys: list[str]) -> None:
    assert len({pack_key(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("packed", [b"", b"\xff", bytes(16) + b"\xff\xfe", b"x" * 15 + b"\xc3"])
def test_bytes_that_no_key_gives_are_told_in_some_way(packed: bytes) -> None:
    assert isinstance(unpack_key(packed), str)


@given(arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32) | st.just(0.0)))
def test_every_vector_comes_back_bit_by_bit(vector: Embeddings) -> None:
    found = unpack_vector(pack_vector(vector), dim=len(vector))

    assert found.tobytes() == vector.tobytes()
    assert found.dtype == np.float32


def test_zeros_at_the_end_take_no_room() -> None:
    vector = np.zeros(1664, dtype=np.float32)
    vector[:384] = 1 / 3

    assert len(pack_vector(vector)) == 4 * 384
    assert pack_vector(np.zeros(8, dtype=np.float32)) == b""
    assert len(pack_vector(np.asarray([1, -0.0], dtype=np.float32))) == 8


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_bit_changes_the_checksum(content: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, 8 * len(content) - 1))
    broken = bytearray(content)
    broken[position // 8] ^= 1 << position % 8

    assert checksum("encoder", bytes(broken), 3) != checksum("encoder", content, 3)


def test_the_checksum_knows_where_one_value_ends() -> None:
    sums = {
        checksum(*parts)
        for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("a", "b", "c"), ("ab", "d"))
    }

    assert len(sums) == 6
    assert checksum("a", b"b", 12) == checksum("a", "b", "12")
