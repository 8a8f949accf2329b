from __future__ import annotations

import pytest

from florilegium.languages import can_read, language_of, reply_language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("When do tulips flower?", "en"),
        ("Wann blühen Tulpen?", "en"),
        ("郁金香什么时候开花？", "zh"),
        ("iPhone 怎么用", "zh"),
        ("Rosa chinensis 月季", "en"),
        ("赤い薔薇", "ja"),
        ("チューリップ", "ja"),
        ("东京的の字招牌写着日本料理店的名字", "zh"),
        ("장미는 언제 피나요?", "ko"),
        ("Когда цветут тюльпаны?", "ru"),
        ("متى تزهر الورود؟", "ar"),
        ("מתי פורחים ורדים?", "he"),
        ("Πότε ανθίζουν;", "el"),
        ("ดอกกุหลาบ", "th"),
        ("गुलाब", "hi"),
        ("1998", "en"),
        ("", "en"),
    ],
)
def test_the_dominant_script_names_the_language(text: str, code: str) -> None:
    assert language_of(text) == code


def test_a_reader_of_english_cannot_read_chinese() -> None:
    english = frozenset({"en"})

    assert can_read(english, "rose")
    assert not can_read(english, "玫瑰")


def test_a_reader_of_any_language_reads_all() -> None:
    assert can_read(None, "玫瑰")


def test_numbers_can_be_read_by_anybody() -> None:
    assert can_read(frozenset({"zh"}), "1998 – 2004")


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("为什么?", "zh"),
        ("Roundup 对蜜蜂有害吗?", "zh"),
        ("雛菊何時開花", "zh"),
        ("バラとは何ですか", "en"),
        ("Why?", "en"),
        ("", "en"),
    ],
)
def test_a_question_with_a_chinese_character_is_answered_in_chinese(
    question: str, language: str
) -> None:
    assert reply_language(question) == language
