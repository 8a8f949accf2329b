"""Claims about what a question leans on."""

from __future__ import annotations

import pytest

from florilegium.questions import is_follow_up, points_at_picture, search_text


@pytest.mark.parametrize(
    "question",
    [
        "And in winter?",
        "Why?",
        "How do I water it?",
        "What about pots?",
        "它有毒吗?",
        "那冬天呢?",
        "Are they poisonous?",
        "In pots?",
        "怎么浇水?",
        "The same, but white",
    ],
)
def test_a_question_that_leans_on_the_one_before_is_a_follow_up(question: str) -> None:
    assert is_follow_up(question)


@pytest.mark.parametrize(
    "question",
    [
        "How deep are tulips planted?",
        "Who named the dahlia?",
        "绿茶用多少度的水冲泡?",
        "Does garlic keep aphids away?",
    ],
)
def test_a_question_that_stands_alone_is_no_follow_up(question: str) -> None:
    assert not is_follow_up(question)


def test_a_follow_up_searches_with_the_question_before() -> None:
    earlier = ["How do I water dahlias?"]

    assert search_text("And in winter?", earlier) == "How do I water dahlias? And in winter?"


def test_a_chain_of_follow_ups_searches_with_the_question_that_stood_alone() -> None:
    earlier = ["Who named the rose?", "How do I water dahlias?", "And in winter?"]

    assert search_text("And in pots?", earlier) == "How do I water dahlias? And in pots?"


def test_a_chain_that_never_stood_alone_searches_with_its_first_question() -> None:
    assert search_text("And in pots?", ["How do I water it?", "Why?"]) == (
        "How do I water it? And in pots?"
    )


@pytest.mark.parametrize("before", ["What is this?", "Which flower is this?", "这是什么花?"])
def test_asking_what_a_picture_shows_brings_nothing_to_the_next_question(before: str) -> None:
    assert search_text("How do I water it?", [before]) == "How do I water it?"


def test_a_question_that_stands_alone_searches_alone() -> None:
    assert search_text(" Who named the dahlia? ", ["How do I water roses?"]) == (
        "Who named the dahlia?"
    )


def test_nothing_before_a_follow_up_leaves_it_alone() -> None:
    assert search_text("And in winter?", ["", " "]) == "And in winter?"
    assert search_text("", ["How do I water roses?"]) == ""


@pytest.mark.parametrize(
    "question",
    [
        "In which month do I plant tulips?",
        "For how long do I boil an egg?",
        "On what soil do roses grow?",
        "Are there poisonous plants for cats?",
        "How do I prune roses so that they bloom?",
        "On which instrument are strings tuned with pegs?",
    ],
)
def test_a_question_that_names_all_it_is_about_stands_alone(question: str) -> None:
    assert not is_follow_up(question)
    assert not points_at_picture(question)


@pytest.mark.parametrize(
    "question",
    [
        "How do I care for it?",
        "What is this?",
        "And in winter?",
        "这种植物怎么养？",
        "這種植物怎麼養？",
        "图片里是什么？",
        "圖片裡是什麼？",
        "What is in the photo?",
    ],
)
def test_a_question_that_points_is_about_its_picture(question: str) -> None:
    assert points_at_picture(question)


@pytest.mark.parametrize(
    "question",
    [
        "In which year did Galileo publish his book?",
        "How can gardeners keep moss out of their lawn?",
        "土耳其的郁金香什么时候开花?",
        "其他玫瑰怎么修剪?",
        "尤其是玫瑰怎么修剪?",
    ],
)
def test_a_word_that_points_within_its_question_makes_no_follow_up(question: str) -> None:
    assert not is_follow_up(question)
    assert not points_at_picture(question)


@pytest.mark.parametrize(
    "question", ["How do I water them?", "When did she live?", "它们怎么浇水?", "其花期是什么时候?"]
)
def test_a_word_that_points_back_makes_one(question: str) -> None:
    assert is_follow_up(question)
