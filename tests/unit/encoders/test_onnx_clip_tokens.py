"""Texts become windows and batches that a text tower can read, and nothing of them is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from florilegium.encoders.onnx_clip.record import TextRules
from florilegium.encoders.onnx_clip.tokens import TextReader, as_inputs
from florilegium.errors import EncoderError
from tests.tiny_onnx import Family, write_tiny_clip

RULES = TextRules(max_tokens=12, pad_id=0, fixed_length=False)


def tokenizer_of(folder: Path, family: Family = "clip") -> str:
    """Return the tokenizer.json of a tiny model, in which each letter is a token."""
    write_tiny_clip(folder, family=family)
    return (folder / "tokenizer.json").read_text(encoding="utf-8")


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    """Return a tokenizer like CLIP's, with a token before and one after each text."""
    return tokenizer_of(tmp_path)


@pytest.fixture
def reader(tokenizer: str) -> TextReader:
    """Return a reader of windows of up to ten letters."""
    return TextReader(tokenizer, RULES)


def test_special_tokens_are_counted(reader: TextReader) -> None:
    assert [reader.count(text) for text in ("", "abc", "red")] == [2, 5, 3]


def test_long_texts_are_counted_whole(reader: TextReader) -> None:
    assert reader.count("x" * 1000) == 1002


def test_a_text_that_fits_is_the_window_that_its_tokenizer_makes(
    reader: TextReader, tokenizer: str
) -> None:
    (windows,) = reader.windows(["abc red"])

    assert windows == [tuple(Tokenizer.from_str(tokenizer).encode("abc red").ids)]


def test_a_long_text_becomes_windows_of_even_size_that_lose_nothing(
    reader: TextReader, tokenizer: str
) -> None:
    text = "abcdefghijklmnopqrstu"  # 21 letters, where ten fit

    (windows,) = reader.windows([text])

    inner = [token for window in windows for token in window[1:-1]]
    plain = Tokenizer.from_str(tokenizer).encode(text, add_special_tokens=False).ids
    assert [len(window) for window in windows] == [9, 9, 9]
    assert inner == plain
    assert {(window[0], window[-1]) for window in windows} == {(windows[0][0], windows[0][-1])}


def test_an_empty_text_is_one_window_of_special_tokens(reader: TextReader) -> None:
    (windows,) = reader.windows([""])

    assert [len(window) for window in windows] == [2]


def test_lone_surrogates_are_read_as_question_marks(reader: TextReader) -> None:
    assert reader.windows(["a\ud800"]) == reader.windows(["a?"])


def test_a_text_that_spells_the_mark_of_its_end_is_read_to_its_own(reader: TextReader) -> None:
    assert reader.windows(["ab<|endoftext|>cd"]) == reader.windows(["abcd"])
    assert reader.count("ab<|endoftext|>cd") == 6


def test_short_windows_pay_for_what_they_need_only(reader: TextReader) -> None:
    windows = [window for some in reader.windows(["abc", "abcdefghij"]) for window in some]

    (short,) = reader.batches(windows[:1], 4)
    (both,) = reader.batches(windows, 4)

    assert short.ids.shape == (1, 8)
    assert both.ids.shape == (2, 12)


def test_a_tower_of_fixed_length_gets_all_positions(tokenizer: str) -> None:
    reader = TextReader(tokenizer, replace(RULES, fixed_length=True, pad_id=7))

    (batch,) = reader.batches([reader.windows(["ab"])[0][0]], 4)

    assert batch.ids.shape == (1, 12)
    assert batch.ids[0, 4:].tolist() == [7] * 8
    assert batch.mask[0].tolist() == [1] * 4 + [0] * 8


def test_padding_stands_before_the_text_where_the_model_was_trained_so(tokenizer: str) -> None:
    rules = replace(RULES, fixed_length=True, pad_id=7, pad_left=True)
    reader = TextReader(tokenizer, rules)
    window = reader.windows(["ab"])[0][0]

    (batch,) = reader.batches([window], 4)

    assert batch.ids[0].tolist() == [7] * 8 + list(window)
    assert batch.mask[0].tolist() == [0] * 8 + [1] * 4


def test_batches_hold_every_window_once(reader: TextReader) -> None:
    texts = ["x" * (length % 11) for length in range(23)]
    windows = [window for some in reader.windows(texts) for window in some]

    batches = list(reader.batches(windows, 5))

    assert sorted(place for batch in batches for place in batch.positions) == list(range(23))
    assert max(len(batch.positions) for batch in batches) == 5
    for batch in batches:
        for row, place in enumerate(batch.positions):
            kept = batch.ids[row][batch.mask[row] == 1]
            assert tuple(kept.tolist()) == windows[place]


def test_a_batch_has_no_more_tokens_than_memory_allows(tokenizer: str) -> None:
    reader = TextReader(tokenizer, replace(RULES, max_tokens=512))
    windows = [reader.windows(["x" * 500])[0][0]] * 16

    sizes = [len(batch.positions) for batch in reader.batches(windows, 16)]

    assert sizes == [4, 4, 4, 4]


def test_canonical_texts_lose_capitals_punctuation_and_double_spaces(tmp_path: Path) -> None:
    rules = replace(RULES, lowercase=True, canonical=True, max_tokens=64)
    reader = TextReader(tokenizer_of(tmp_path, "siglip"), rules)

    assert reader.windows(["  A, b! "]) == reader.windows(["a b"])


def test_other_texts_keep_their_punctuation(reader: TextReader) -> None:
    assert reader.windows(["a, b"]) != reader.windows(["a b"])


def test_a_graph_with_a_mask_gets_both(reader: TextReader) -> None:
    (batch,) = reader.batches([reader.windows(["ab"])[0][0]], 1)

    inputs = as_inputs(batch, ["attention_mask", "input_ids"])

    np.testing.assert_array_equal(inputs["attention_mask"], batch.mask)
    np.testing.assert_array_equal(inputs["input_ids"], batch.ids)


def test_a_file_that_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(EncoderError, match="cannot be read"):
        TextReader("{}", RULES)


def test_a_limit_without_room_for_a_text_is_refused(tokenizer: str) -> None:
    with pytest.raises(EncoderError, match="none for a text"):
        TextReader(tokenizer, replace(RULES, max_tokens=2))
