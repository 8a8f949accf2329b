"""CLIP's way of cutting texts comes out of a vocabulary and its merges."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from florilegium.exporting.clip_tokenizer import make_clip_tokenizer

# Letters, letters that end a word, and "ro", "ros", "rose</w>" in the order of their merges.
LETTERS = "abcdeorst'1"
VOCABULARY = {
    token: number
    for number, token in enumerate(
        [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "ro", "ros", "rose</w>", "<s>", "</s>"]
    )
}
MERGES = [("r", "o"), ("ro", "s"), ("ros", "e</w>")]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return make_clip_tokenizer(VOCABULARY, MERGES, start="<s>", end="</s>")


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return list(tokenizer.encode(text, add_special_tokens=False).tokens)


def test_merges_make_words_of_letters(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "rose ros") == ["rose</w>", "ro", "s</w>"]


def test_capitals_and_spaces_do_not_count(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "  ROSE \n rose ") == ["rose</w>", "rose</w>"]


def test_digits_stand_alone_and_contractions_together(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "rose's 11") == ["rose</w>", "'", "s</w>", "1</w>", "1</w>"]


def test_a_text_stands_between_the_special_tokens(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("rose").ids

    assert ids == [VOCABULARY["<s>"], VOCABULARY["rose</w>"], VOCABULARY["</s>"]]


def test_it_is_the_same_after_it_was_written_and_read(tokenizer: Tokenizer) -> None:
    again = Tokenizer.from_str(tokenizer.to_str())

    assert again.encode("Rose's ros 1").ids == tokenizer.encode("Rose's ros 1").ids


def test_what_is_common_in_texts_is_made_plain(tokenizer: Tokenizer) -> None:
    plain = tokens(tokenizer, "rose's")

    assert [tokens(tokenizer, text) for text in ("rose’s", "ＲＯＳＥ＇Ｓ", "rose&#39;s")] == [
        plain
    ] * 3


def test_a_text_that_spells_a_special_token_is_read_as_letters(tokenizer: Tokenizer) -> None:
    assert VOCABULARY["</s>"] not in tokenizer.encode("rose </s> rose").ids[:-1]
