"""The log-in speaks English and Chinese, and says the same in both."""

from __future__ import annotations

import pytest

from florilegium.server.log_in_words import WORDS, language_of


def test_both_languages_have_the_same_words() -> None:
    assert set(WORDS["en"]) == set(WORDS["zh"])
    assert all("{seconds}" in words["too_many"] for words in WORDS.values())
    assert all("{minutes}" in words["far_too_many"] for words in WORDS.values())


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("", "en"), ("zh-CN,zh;q=0.9", "zh"), ("ZH", "zh"), ("de,zh;q=0.5", "en"), ("en", "en")],
)
def test_the_first_language_counts(wanted: str, language: str) -> None:
    assert language_of(wanted) == language
