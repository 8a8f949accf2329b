"""The embedding cache on real files: nothing is lost, mixed up or written half."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from florilegium.cache import CaptionRecord, EmbeddingCache, check_embeddings, encode_texts
from florilegium.errors import EncoderError, StoreError
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Embeddings, Modality, Purpose


def vector(*numbers: float) -> Embeddings:
    return np.asarray(numbers, dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EmbeddingCache]:
    """Return an empty cache."""
    cache = EmbeddingCache(tmp_path / "cache.db")
    yield cache
    cache.close()


def rows_in(tmp_path: Path) -> int:
    """Return how many vectors the file holds, as another process sees it."""
    connection = sqlite3.connect(tmp_path / "cache.db")
    count = connection.execute("SELECT count(*) FROM embeddings").fetchone()[0]
    connection.close()
    return int(count)


# -- keeping --


def test_a_vector_comes_back_bit_by_bit(cache: EmbeddingCache) -> None:
    kept = vector(0.1, -0.0, 1e-45, 3.4028235e38, 1 / 3)

    cache.put("f", {"k": kept})

    found = cache.get("f", ["k"], dim=5)["k"]
    assert found.dtype == np.float32
    assert found.tobytes() == kept.tobytes()


def test_vectors_of_other_bytes_and_widths_are_kept_as_numbers(cache: EmbeddingCache) -> None:
    cache.put("f", {"big": vector(0.5, 0.25).astype(">f4"), "row": np.eye(2, dtype=np.float32)[1]})

    found = cache.get("f", ["big", "row"], dim=2)

    assert {key: row.tolist() for key, row in found.items()} == {
        "big": [0.5, 0.25],
        "row": [0.0, 1.0],
    }


def test_an_unknown_key_is_left_out(cache: EmbeddingCache) -> None:
    cache.put("f", {"a": vector(1, 0)})

    assert set(cache.get("f", ["a", "b"], dim=2)) == {"a"}
    assert cache.get("f", [], dim=2) == {}


def test_the_vector_of_another_encoder_is_not_returned(cache: EmbeddingCache) -> None:
    cache.put("f", {"a": vector(1, 0)})
    cache.put("g", {"a": vector(0, 1)})

    assert cache.get("f", ["a"], dim=2)["a"].tolist() == [1, 0]
    assert cache.get("g", ["a"], dim=2)["a"].tolist() == [0, 1]
    assert cache.get("h", ["a"], dim=2) == {}


@pytest.mark.parametrize("dim", [1, 3, 8])
def test_a_vector_of_another_length_is_not_returned(cache: EmbeddingCache, dim: int) -> None:
    cache.put("f", {"a": vector(1, 0)})

    assert cache.get("f", ["a"], dim=dim) == {}


def test_a_vector_is_replaced_by_its_key(cache: EmbeddingCache, tmp_path: Path) -> None:
    cache.put("f", {"a": vector(1, 0)})
    cache.put("f", {"a": vector(0, 1)})

    assert cache.get("f", ["a"], dim=2)["a"].tolist() == [0, 1]
    assert rows_in(tmp_path) == 1


def test_what_was_put_is_there_for_another_process_at_once(
    cache: EmbeddingCache, tmp_path: Path
) -> None:
    cache.put("f", {"a": vector(1, 0)})

    other = EmbeddingCache(tmp_path / "cache.db")
    assert other.get("f", ["a"], dim=2)["a"].tolist() == [1, 0]
    other.close()


def test_more_keys_than_one_statement_takes_are_found(cache: EmbeddingCache) -> None:
    cache.put("f", {str(i): vector(i) for i in range(1201)})

    found = cache.get("f", [str(i) for i in range(1201)], dim=1)

    assert [int(found[str(i)][0]) for i in range(1201)] == list(range(1201))


# -- failing --


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"roses are red " * 100)

    with pytest.raises(StoreError, match=r"'.*cache\.db' cannot be opened") as caught:
        EmbeddingCache(tmp_path / "cache.db")

    assert "may be deleted" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        EmbeddingCache(tmp_path / "absent" / "cache.db")


def test_after_closing_everything_fails_as_ours(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache.db")
    cache.close()

    with pytest.raises(StoreError, match="failed") as caught:
        cache.get("f", ["a"], dim=2)
    assert caught.value.hint is not None
    with pytest.raises(StoreError, match="failed"):
        cache.put("f", {"a": vector(1, 0)})


# -- encoding through it --


class RecordingEncoder(FakeEncoder):
    """A fake encoder that remembers which texts came together, and for what."""

    def __init__(self) -> None:
        super().__init__(dim=16)
        self.batches: list[list[str]] = []
        self.purposes: set[Purpose] = set()

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        self.batches.append(list(texts))
        self.purposes.add(purpose)
        return super().encode_texts(texts, purpose=purpose)


class BrokenEncoder(FakeEncoder):
    """A fake encoder whose rows are replaced by others for texts that hold the word `bad`."""

    def __init__(self, rows: Embeddings) -> None:
        super().__init__(dim=16)
        self._rows = rows

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        if any("bad" in text for text in texts):
            return self._rows
        return super().encode_texts(texts, purpose=purpose)


def test_rows_are_those_of_the_encoder_in_the_order_of_the_texts(cache: EmbeddingCache) -> None:
    texts = ["red", "green", "blue"]
    encoder = FakeEncoder(dim=16)

    rows, ran = encode_texts(encoder, texts, cache=cache, batch_size=2)

    assert (rows.shape, ran) == ((3, 16), 3)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, encoder.encode_texts(texts, purpose="document"))


def test_no_texts_give_no_rows_and_call_nobody(cache: EmbeddingCache) -> None:
    encoder = RecordingEncoder()

    rows, ran = encode_texts(encoder, [], cache=cache, batch_size=2)

    assert (rows.shape, ran, encoder.batches) == ((0, 16), 0, [])


def test_what_is_known_is_not_encoded_again(cache: EmbeddingCache) -> None:
    encoder = RecordingEncoder()
    first, _ = encode_texts(encoder, ["red", "blue"], cache=cache, batch_size=8)

    again, ran = encode_texts(encoder, ["blue", "green", "red"], cache=cache, batch_size=8)

    assert (ran, encoder.batches) == (1, [["red", "blue"], ["green"]])
    assert np.array_equal(again[[2, 0]], first)


def test_a_text_that_comes_twice_is_encoded_once(cache: EmbeddingCache) -> None:
    encoder = RecordingEncoder()

    rows, ran = encode_texts(encoder, ["red", "blue", "red", "red"], cache=cache, batch_size=8)

    assert (ran, encoder.batches) == (2, [["red", "blue"]])
    assert np.array_equal(rows[[2, 3]], rows[[0, 0]])
    assert not np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (9, [5])]
)
def test_no_batch_is_larger_than_asked(
    cache: EmbeddingCache, batch_size: int, sizes: list[int]
) -> None:
    encoder = RecordingEncoder()

    encode_texts(encoder, list("abcde"), cache=cache, batch_size=batch_size)

    assert [len(batch) for batch in encoder.batches] == sizes


def test_texts_are_encoded_as_documents(cache: EmbeddingCache) -> None:
    encoder = RecordingEncoder()

    encode_texts(encoder, ["red"], cache=cache, batch_size=1)

    assert encoder.purposes == {"document"}


def test_another_encoder_encodes_anew(cache: EmbeddingCache) -> None:
    encode_texts(FakeEncoder(dim=16), ["red"], cache=cache, batch_size=1)
    other = FakeEncoder(dim=32)

    rows, ran = encode_texts(other, ["red"], cache=cache, batch_size=1)

    assert (rows.shape, ran, other.calls[Modality.TEXT]) == ((1, 32), 1, 1)


def test_texts_that_differ_in_one_sign_are_different(cache: EmbeddingCache) -> None:
    texts = ["rose", "rose ", "Rose", "", "\0", "ros\ud800"]

    _, ran = encode_texts(FakeEncoder(dim=16), texts, cache=cache, batch_size=8)

    assert ran == 6


BAD_ROWS = {
    "not a number": (np.full((1, 16), np.nan, dtype=np.float32), "not finite"),
    "infinite": (np.full((1, 16), np.inf, dtype=np.float32), "not finite"),
    "too few rows": (np.zeros((0, 16), dtype=np.float32), r"shape \(0, 16\), not \(1, 16\)"),
    "too many rows": (np.zeros((2, 16), dtype=np.float32), r"shape \(2, 16\), not \(1, 16\)"),
    "too narrow": (np.zeros((1, 15), dtype=np.float32), r"shape \(1, 15\), not \(1, 16\)"),
    "one dimension": (np.zeros(16, dtype=np.float32), r"shape \(16,\), not \(1, 16\)"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_rows_that_cannot_be_right_stop_and_are_not_written(
    cache: EmbeddingCache, tmp_path: Path, rows: Embeddings, message: str
) -> None:
    with pytest.raises(EncoderError, match=message) as caught:
        encode_texts(BrokenEncoder(rows), ["bad"], cache=cache, batch_size=1)

    assert "'fake:16'" in caught.value.message
    assert "nothing was written" in (caught.value.hint or "")
    assert rows_in(tmp_path) == 0


def test_batches_before_a_failure_are_kept(cache: EmbeddingCache, tmp_path: Path) -> None:
    broken = BrokenEncoder(BAD_ROWS["not a number"][0])

    with pytest.raises(EncoderError):
        encode_texts(broken, ["red", "bad", "blue"], cache=cache, batch_size=1)

    assert rows_in(tmp_path) == 1
    assert encode_texts(FakeEncoder(dim=16), ["red"], cache=cache, batch_size=1)[1] == 0


def test_a_single_bad_number_is_noticed() -> None:
    rows = np.zeros((3, 16), dtype=np.float32)
    rows[2, 15] = np.nan

    with pytest.raises(EncoderError, match="not finite"):
        check_embeddings(rows, count=3, encoder=FakeEncoder(dim=16))


def test_good_rows_are_returned_as_they_are() -> None:
    rows = np.zeros((3, 16), dtype=np.float32)

    assert check_embeddings(rows, count=3, encoder=FakeEncoder(dim=16)) is rows


def test_hashes_are_kept_and_plain_pictures_remembered(
    cache: EmbeddingCache, tmp_path: Path
) -> None:
    many = {f"{i}": bytes([i % 250 + 1]) * 80 for i in range(1200)}
    cache.put_hashes({**many, "plain": None})
    cache.put_hashes({"0": b"new"})

    assert cache.hashes([*many, "plain", "unknown"]) == {**many, "0": b"new"}
    assert cache.hashed(["plain", "unknown", "7"]) == {"plain", "7"}


def test_hashes_of_another_algorithm_are_not_returned(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put_hashes({"a": b"old"})

    monkeypatch.setattr("florilegium.cache.ALGORITHM", "another")

    assert cache.hashes(["a"]) == {}
    assert cache.hashed(["a"]) == set()


# -- captions --


def test_captions_are_kept_by_picture_and_recipe(cache: EmbeddingCache) -> None:
    seen = CaptionRecord(text="A rose.", max_tokens=200)
    failed = CaptionRecord(error_code="caption_empty", tried=2, max_tokens=100)
    cache.put_caption("r", "a", seen)
    cache.put_caption("r", "b", failed)
    cache.put_caption("other", "a", failed)

    assert cache.captions("r", ["a", "b", "c"]) == {"a": seen, "b": failed}
    assert cache.captions("other", ["a", "b"]) == {"a": failed}
    assert cache.captions("none", ["a"]) == {}


def test_a_caption_that_came_after_a_failure_takes_its_place(cache: EmbeddingCache) -> None:
    cache.put_caption("r", "a", CaptionRecord(error_code="caption_empty", max_tokens=9))
    cache.put_caption("r", "a", CaptionRecord(text="A rose.", tried=2, max_tokens=9))

    assert cache.captions("r", ["a"])["a"].text == "A rose."


def test_more_captions_than_sqlite_takes_variables_are_found(cache: EmbeddingCache) -> None:
    cache.put_caption("r", "1200", CaptionRecord(text="A rose.", max_tokens=9))

    assert list(cache.captions("r", [str(n) for n in range(1500)])) == ["1200"]


@pytest.mark.parametrize(("text", "code"), [("", ""), ("x", "y")])
def test_a_caption_is_a_text_or_the_code_of_an_error_and_never_both(text: str, code: str) -> None:
    with pytest.raises(ValueError, match="either"):
        CaptionRecord(text=text, error_code=code, max_tokens=9)
