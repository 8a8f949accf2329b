from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from florilegium.excerpts import best_excerpt, cut, query_terms

FILLER = "The garden is wide and the wall is old. " * 10
CHINESE_FILLER = "花园很大，围墙很旧。" * 20


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert best_excerpt("Sow it\n\nin autumn.", "water") == "Sow it in autumn."


def test_without_words_in_common_the_beginning_is_shown() -> None:
    assert best_excerpt(FILLER, "violin", width=20) == "The garden is wide…"


def test_the_sentence_with_the_words_of_the_query_is_shown() -> None:
    text = FILLER + "Water dahlias twice a week. " + FILLER

    assert best_excerpt(text, "how to water dahlias", width=30) == "…Water dahlias twice a week.…"


def test_other_forms_of_a_word_match() -> None:
    text = FILLER + "Water it twice. " + FILLER

    assert best_excerpt(text, "watering", width=40).startswith("…Water it twice.")


def test_two_words_together_beat_one_word_earlier() -> None:
    text = "Water is wet. " + FILLER + "Water the tubers. " + FILLER

    assert best_excerpt(text, "water tubers", width=30).startswith("…Water the tubers.")


def test_a_match_at_the_end_fills_the_width() -> None:
    excerpt = best_excerpt(FILLER + "It keeps out cats.", "cats", width=50)

    assert excerpt.endswith("It keeps out cats.")
    assert 35 < cell_len(excerpt) <= 50


def test_chinese_is_found_without_spaces() -> None:
    text = CHINESE_FILLER + "木柱立在石础上可以防潮。" + CHINESE_FILLER

    assert best_excerpt(text, "木柱怎样防潮", width=30).startswith("…木柱立在石础上可以防潮。")


def test_wide_characters_count_double() -> None:
    assert cut("木柱防潮防腐", width=9) == "木柱防潮…"


def test_a_cut_falls_between_words() -> None:
    assert cut("water the dahlias", width=13) == "water the…"


def test_a_cut_after_a_comma_drops_it() -> None:
    assert cut("water, then wait", width=9) == "water…"


def test_words_of_a_query_are_lower_case_and_not_too_short() -> None:
    assert query_terms("Is it a Cat, a CAT?") == ["cat"]


def test_chinese_queries_give_pairs_of_characters() -> None:
    assert query_terms("木柱防潮 tea") == ["木柱", "柱防", "防潮", "tea"]


def test_one_chinese_character_is_a_term() -> None:
    assert query_terms("茶") == ["茶"]


@pytest.mark.parametrize("query", ["(", "\\", "[a", "*"])
def test_queries_are_no_patterns(query: str) -> None:
    assert best_excerpt(FILLER, query, width=20) == "The garden is wide…"


@given(
    text=st.text(alphabet="ab .茶柱ẞİ。\n", max_size=300),
    query=st.text(alphabet="ab 茶柱İ", max_size=20),
    width=st.integers(min_value=10, max_value=60),
)
def test_no_excerpt_is_wider_than_asked(text: str, query: str, width: int) -> None:
    assert cell_len(best_excerpt(text, query, width=width)) <= width


def test_a_text_of_nothing_but_the_query_is_shown_quickly() -> None:
    started = time.monotonic()

    assert best_excerpt("rose " * 100_000, "rose").startswith("rose rose")
    assert time.monotonic() - started < 10
