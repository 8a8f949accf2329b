"""Which words a text is found by, in English, in scripts without spaces, and in between."""

from __future__ import annotations

import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.lexical import STOP_WORDS, _stem, characters, content_tokens, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roses", ["rose"]),
        ("watering the flowers", ["water", "flower"]),
        ("Pruning PRUNED prunes", ["prune", "prune", "prune"]),
        ("berries", ["berri"]),
        ("1962 roses, 3 sorts", ["1962", "rose", "3", "sort"]),
        ("red-rose_bush/leaf", ["red", "rose", "bush", "leaf"]),
    ],
)
def test_english_words_are_stemmed(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_words_keep_their_order_and_number() -> None:
    assert tokens("rose tulip rose") == ["rose", "tulip", "rose"]


@pytest.mark.parametrize(
    "text", ["", "   \n", "?!…", "***", "the", "What is this?", "HOW DO I", "_"]
)
def test_what_says_nothing_has_no_words(text: str) -> None:
    assert tokens(text) == []


def test_no_stop_word_is_indexed() -> None:
    assert tokens(" ".join(STOP_WORDS)) == []


@pytest.mark.parametrize("mark", ["'", "’"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rose's", ["rose"]),
        ("What's a rose?", ["rose"]),
        ("It's here, they're there, I'm, you'll, we've, he'd", []),
        ("don't", ["don"]),
        ("flowers' scent", ["flower", "scent"]),
        ("'rose'", ["rose"]),
        ("o'clock", ["o", "clock"]),
        ("O'Keeffe", ["o", "keeff"]),
        ("l'eau d'Artagnan", ["l", "eau", "d", "artagnan"]),
        ("rose's花园", ["rose", "花园"]),
        ("rose'花园", ["rose", "花园"]),
        ("rose'slender", ["rose", "slender"]),
    ],
)
def test_english_endings_at_an_apostrophe_go_and_words_stay(
    text: str, words: list[str], mark: str
) -> None:
    assert tokens(text.replace("'", mark)) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("café", "cafe"),
        ("Äpfel", "apfel"),
        ("Straße", "STRASSE"),
        ("ＲＯＳＥ１２", "rose12"),
        ("𝐑𝐨𝐬𝐞𝐬", "roses"),
        ("𝐓𝐡𝐞", "the"),
        ("ﬂower", "flower"),
        ("ﾊﾞﾗ", "バラ"),
        ("Σίσυφος", "σισυφοσ"),
    ],
)
def test_ways_to_write_a_word_are_one_word(one: str, other: str) -> None:
    assert tokens(one) == tokens(other)


@pytest.mark.parametrize("text", ["café Äpfel", "バラが咲く", "장미꽃", "hoa hồng đỏ"])
def test_composed_and_decomposed_text_have_the_same_words(text: str) -> None:
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))


def test_signs_that_stand_for_letters_are_small_letters() -> None:
    assert tokens("Fleur™") == ["fleurtm"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("玫瑰花", ["玫瑰", "瑰花"]),
        ("玫瑰", ["玫瑰"]),
        ("花", ["花"]),
        ("玫瑰，牡丹。兰", ["玫瑰", "牡丹", "兰"]),
        ("バラの花", ["バラ", "ラの", "の花"]),
        ("장미꽃", ["장미", "미꽃"]),
        ("𠮷野", ["𠮷野"]),
    ],
)
def test_scripts_without_spaces_become_pairs_of_characters(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_japanese_voicing_marks_are_no_accents() -> None:
    assert tokens("バラ") != tokens("ハラ")
    assert tokens("がく") != tokens("かく")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("玫瑰rose花园", ["玫瑰", "rose", "花园"]),
        ("Rosa玫瑰s", ["rosa", "玫瑰", "s"]),
        ("the花", ["花"]),
        ("2024年6月", ["2024", "年", "6", "月"]),
        ("роза и лилия", ["роза", "и", "лилия"]),
    ],
)
def test_scripts_are_cut_where_they_meet(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_characters_are_those_of_scripts_without_spaces() -> None:
    assert characters("red 玫瑰, ﾊﾞ 꽃") == ["玫", "瑰", "バ", "꽃"]
    assert characters("red rose") == []


def test_broken_unicode_does_no_harm() -> None:
    assert tokens("rose\ud800tulip") == ["rose", "tulip"]


@given(text=st.text(max_size=60))
def test_words_hold_nothing_that_a_query_language_could_misread(text: str) -> None:
    for word in tokens(text):
        assert word
        assert not any(sign.isspace() or sign in "\"'’*^():-+{}\0" for sign in word)


@given(one=st.text(max_size=30), other=st.text(max_size=30))
def test_lines_do_not_change_each_others_words(one: str, other: str) -> None:
    assert tokens(f"{one}\n{other}") == tokens(one) + tokens(other)


def test_a_word_without_end_is_found_by_how_it_begins() -> None:
    assert tokens("a" * 1_000_000) == tokens("a" * 100)


def test_threads_do_not_mix_up_their_words() -> None:
    words = [f"{first}{middle}ings" for first in "bcdfghjklmnprst" for middle in ("arrow", "end")]
    _stem.cache_clear()
    wanted = {word: tokens(word) for word in words}
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            _stem.cache_clear()
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(tokens, words * 4))
            assert found == [wanted[word] for word in words * 4]
    finally:
        sys.setswitchinterval(switch)


def test_traditional_and_simplified_characters_are_the_same_words() -> None:
    assert tokens("雛菊") == tokens("雏菊") == ["雏菊"]
    assert characters("雛菊") == characters("雏菊")
    assert content_tokens("請問雛菊為什麼怎麼澆水？") == content_tokens("请问雏菊为什么怎么浇水？")
    assert content_tokens("請問雛菊為什麼怎麼澆水？") == ("雏菊", "浇水")
