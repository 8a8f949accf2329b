from __future__ import annotations

import re
import string
from dataclasses import replace

import pytest

from florilegium.answers import Candidate, Identification
from florilegium.cli.answer_words import WORDS, describe_identification, say

ROSE = Candidate(name="玫瑰", share=0.7)
BY_VOTE = Identification(candidates=(ROSE,), chosen=ROSE, by="vote")


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_say_the_same_values(key: str) -> None:
    values = [
        {field for _, field, _, _ in string.Formatter().parse(said) if field}
        for said in WORDS[key].values()
    ]

    assert set(WORDS[key]) == {"en", "zh"}
    assert values[0] == values[1]


@pytest.mark.parametrize("key", WORDS)
def test_chinese_words_are_chinese(key: str) -> None:
    words = re.sub(r"\{[^}]*\}", "", WORDS[key]["zh"])

    assert not re.search(r"[A-Za-z(),:]", words)
    assert key in {"hit", "note"} or re.search(r"[\u4e00-\u9fff]", words)


@pytest.mark.parametrize(
    ("identification", "english", "chinese"),
    [
        (BY_VOTE, "the nearest pictures say 玫瑰, with 70% of the votes",
         "最相近的图片认为是“玫瑰”，得票 70%"),
        (replace(BY_VOTE, note="x"), "the nearest pictures say 玫瑰, with 70% of the votes (x)",
         "最相近的图片认为是“玫瑰”，得票 70%（x）"),
        (replace(BY_VOTE, by="known"), "it is in the library: 玫瑰", "就在资料库中：玫瑰"),
        (replace(BY_VOTE, by="model"), "the chat model chose 玫瑰", "语言模型选定“玫瑰”"),
        (replace(BY_VOTE, by="model", chosen=None),
         "the chat model found that none of the names fits", "语言模型认为候选名称都不符合"),
        (replace(BY_VOTE, chosen=None), "no near picture has a name", "相近的图片都没有名称"),
    ],
)  # fmt: skip
def test_who_identified_the_picture_is_said(
    identification: Identification, english: str, chinese: str
) -> None:
    assert describe_identification(identification) == english
    assert describe_identification(identification, "zh") == chinese


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("weather", "zh")
