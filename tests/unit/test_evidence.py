"""Claims about the gate: the words of a question, their coverage, and the confidence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from florilegium.evidence import (
    Evidence,
    ImageEvidence,
    TextEvidence,
    asked_guess,
    coverage,
    rarity,
    weigh,
)
from florilegium.lexical import content_tokens
from florilegium.types import Label


def even(_word: str) -> float:
    return 1.0


def confidence(cosine: float | None, covered: float | None) -> float:
    return weigh(TextEvidence(cosine=cosine, coverage=covered, unrelated=0.08), None).confidence


def test_the_words_of_a_question_are_stems_without_stop_words_each_once() -> None:
    assert content_tokens("How do I water the roses, and which rose?") == ("water", "rose")


def test_a_question_of_stop_words_has_no_content() -> None:
    assert content_tokens("What is this?") == ()
    assert content_tokens("这是什么?") == ()


def test_asking_words_of_chinese_are_left_out_and_do_not_join_their_neighbours() -> None:
    assert content_tokens("绿茶怎么冲泡?") == ("绿茶", "冲泡")


def test_coverage_is_the_share_of_words_that_are_there() -> None:
    assert coverage("How to water tulip bulbs?", "Water the bulb.", even) == pytest.approx(2 / 3)


def test_rare_words_count_more_in_coverage() -> None:
    weights = {"water": 1.0, "dahlia": 3.0}

    assert coverage("water dahlias", "All about dahlias.", weights.__getitem__) == 0.75


def test_coverage_of_chinese_counts_pairs_of_characters() -> None:
    assert coverage("绿茶的水温?", "绿茶适合八十度。", even) == 0.5


def test_coverage_is_none_without_content_words() -> None:
    assert coverage("What is it?", "Anything.", even) is None


def test_coverage_is_none_when_no_word_has_weight() -> None:
    assert coverage("water", "water", lambda _word: 0.0) is None


def test_rarity_is_that_of_bm25() -> None:
    idf = rarity(["a rose", "two roses", "one tulip"])

    assert idf("rose") == pytest.approx(math.log(1 + 1.5 / 2.5))
    assert idf("tulip") == pytest.approx(math.log(1 + 2.5 / 1.5))
    assert idf("lily") == pytest.approx(math.log(1 + 3.5 / 0.5))


def test_nothing_found_is_no_confidence() -> None:
    assert weigh(None, None) == Evidence(confidence=0.0, reasons=("Nothing was found to weigh.",))
    assert confidence(None, None) == 0.0


@pytest.mark.parametrize(
    ("cosine", "covered"), [(0.7, 1.0), (0.66, 0.7), (0.5, 0.8), (0.7, None), (None, 0.8)]
)
def test_a_text_that_matches_is_enough(cosine: float | None, covered: float | None) -> None:
    assert confidence(cosine, covered) > 0.5


@pytest.mark.parametrize(
    ("cosine", "covered"), [(0.3, 0.2), (0.2, 0.6), (0.45, 0.1), (0.3, None), (None, 0.25)]
)
def test_a_text_about_something_else_is_not_enough(
    cosine: float | None, covered: float | None
) -> None:
    assert confidence(cosine, covered) < 0.5


def test_confidence_rises_with_the_cosine_and_with_the_coverage() -> None:
    assert confidence(0.4, 0.5) < confidence(0.5, 0.5) < confidence(0.5, 0.6)
    assert confidence(None, 0.4) < confidence(None, 0.5)
    assert confidence(0.5, None) < confidence(0.6, None)


def test_a_cosine_counts_from_what_the_encoder_gives_unrelated_texts() -> None:
    high = weigh(TextEvidence(cosine=0.8, coverage=0.3, unrelated=0.75), None)
    low = weigh(TextEvidence(cosine=0.8, coverage=0.3, unrelated=0.1), None)

    assert high.confidence < 0.5 < low.confidence


def test_extreme_numbers_stay_in_range() -> None:
    assert confidence(-1.0, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert confidence(1.0, 1.0) == pytest.approx(1.0, abs=1e-4)
    odd = weigh(TextEvidence(cosine=-1.0, coverage=0.0, unrelated=0.99), None)
    assert 0.0 <= odd.confidence <= 1.0


def test_a_near_picture_is_enough_and_a_far_one_is_not() -> None:
    near = weigh(None, ImageEvidence(cosine=0.75, margin=3.0, unrelated=0.4))
    far = weigh(None, ImageEvidence(cosine=0.4, margin=3.0, unrelated=0.4))

    assert far.confidence < 0.5 < near.confidence


def test_the_margin_of_a_picture_is_told_and_not_weighed() -> None:
    narrow = weigh(None, ImageEvidence(cosine=0.7, margin=1.5, unrelated=0.4))
    wide = weigh(None, ImageEvidence(cosine=0.7, margin=6.0, unrelated=0.4))

    assert narrow.confidence == wide.confidence
    assert narrow.reasons == (
        "The nearest picture has a cosine of 0.70, 1.5 standard deviations above the others.",
    )


def test_a_recognised_picture_carries_a_question_whose_words_are_not_found() -> None:
    image = ImageEvidence(cosine=0.8, margin=4.0, unrelated=0.4)

    both = weigh(TextEvidence(cosine=0.1, coverage=0.0, unrelated=0.08), image)

    assert both.confidence == weigh(None, image).confidence


def test_words_that_are_found_carry_a_question_with_an_unknown_picture() -> None:
    text = TextEvidence(cosine=0.7, coverage=1.0, unrelated=0.08)

    both = weigh(text, ImageEvidence(cosine=0.2, margin=1.0, unrelated=0.4))

    assert both.confidence == weigh(text, None).confidence


def test_the_reasons_name_the_numbers() -> None:
    evidence = weigh(TextEvidence(cosine=0.714, coverage=0.831, unrelated=0.08), None)

    assert evidence.reasons == (
        "The best text has a cosine of 0.71 with the question.",
        "It holds 83% of the question's words, weighted by rarity.",
    )


def test_what_was_not_measured_is_not_told() -> None:
    evidence = weigh(TextEvidence(cosine=None, coverage=0.5, unrelated=0.08), None)

    assert evidence.reasons == ("It holds 50% of the question's words, weighted by rarity.",)


@pytest.mark.parametrize(
    ("question", "text", "share"),
    [
        (
            "夏天玫瑰怎么浇水？",
            "夏天每周给玫瑰浇两次水",
            0.75,
        ),  # 夏天 天玫 玫瑰 浇水: 1 ½ 1 ½ … of 4
        ("茶怎么泡？", "绿茶泡两三分钟", 1.0),
        ("小提琴怎么调音？", "夏天每周给玫瑰浇两次水", 0.0),
    ],
)
def test_chinese_words_are_covered_though_other_characters_stand_between(
    question: str, text: str, share: float
) -> None:
    assert coverage(question, text, even) == share


def test_a_pair_that_is_no_word_is_not_rarer_than_its_characters() -> None:
    rare = {"天玫": 9.0, "天": 1.0, "玫": 2.0}

    share = coverage("天玫", "玫瑰", lambda word: rare.get(word, 0.0))

    assert share == 0.0
    assert coverage("天玫 rose", "a rose", lambda word: {**rare, "rose": 2.0}.get(word, 0.0)) == 0.5


def test_a_picture_is_no_evidence_for_a_question_about_something_else() -> None:
    words = TextEvidence(cosine=0.1, coverage=0.0, unrelated=0.08)
    picture = ImageEvidence(cosine=0.98, margin=3.0, unrelated=0.4)

    about = weigh(words, picture, about_picture=True)
    other = weigh(words, picture, about_picture=False)

    assert about.confidence > 0.9
    assert other.confidence < 0.1
    assert "does not point at the picture" in other.reasons[-1]


def test_reasons_are_given_in_chinese() -> None:
    words = TextEvidence(cosine=0.1, coverage=0.25, unrelated=0.08)
    picture = ImageEvidence(cosine=0.98, margin=3.0, unrelated=0.4)

    weighed = weigh(words, picture, about_picture=False, language="zh")

    assert weighed.reasons == (
        "最佳文本与问题的余弦相似度为 0.10。",
        "其中含有问题用词的 25%（按罕见程度加权）。",
        "最相近的图片余弦相似度为 0.98，比其余图片高 3.0 个标准差。",
        "问题并未提到这张图片，因此只衡量文字。",
    )
    assert weigh(None, replace(picture, margin=None), language="zh").reasons == (
        "这张图片就在资料库中。",
    )
    assert weigh(None, None, language="zh").reasons == ("没有找到可供衡量的内容。",)


# -- guesses at pictures --

DAISY = Label(name="daisy", synonyms=("oxeye daisy",), chinese=("雏菊", "菊花"), weight=0.9)
TRAM = Label(name="tram", synonyms=("streetcar",), chinese=("有轨电车", "电车", "车"), weight=0.8)


@pytest.mark.parametrize(
    "question",
    [
        "daisy",
        "Daisies",
        "Show me a photo of a daisy",
        "Are there any pictures of oxeye daisies?",
        "What does a daisy look like?",
        "雏菊",
        "雛菊",
        "有雏菊的图片吗？",
        "有没有雛菊的照片",
        "请给我看一张菊花的图片",
        "雏菊长什么样？",
    ],
)
def test_a_guess_is_evidence_where_it_is_all_that_is_asked_for(question: str) -> None:
    assert asked_guess(question, "IMG 1", [TRAM, DAISY]) == DAISY


@pytest.mark.parametrize(
    "question",
    [
        "How much does a daisy cost?",
        "When do daisies bloom?",
        "雏菊的价格是多少？",
        "雏菊怎么浇水？",
        "图片",
        "Show me a picture",
        "What is this?",
        "玫瑰",
        "",
    ],
)
def test_a_guess_is_no_evidence_of_anything_else(question: str) -> None:
    assert asked_guess(question, "IMG 1", [TRAM, DAISY]) is None


def test_what_people_say_of_a_picture_may_be_asked_for_together_with_a_guess() -> None:
    assert asked_guess("a daisy in the snow", "snow", [DAISY]) == DAISY
    assert asked_guess("a daisy in the snow", "garden", [DAISY]) is None
    # Nothing is left for a guess to say.
    assert asked_guess("snow", "snow", [DAISY]) is None


def test_asking_words_within_a_name_belong_to_the_name() -> None:
    assert asked_guess("有轨电车", "", [TRAM]) == TRAM


def test_guesses_that_answer_alike_count_together() -> None:
    tabby = Label(name="tabby", synonyms=("cat",), chinese=("虎斑猫", "猫"), weight=0.3)
    lynx = Label(name="lynx", synonyms=("cat",), chinese=("猞猁", "猫"), weight=0.5)
    dog = Label(name="dog", chinese=("狗",), weight=0.2)

    for question in ("a photo of a cat", "猫的照片"):
        asked = asked_guess(question, "", [tabby, lynx, dog])

        assert asked is not None
        assert asked.name == "lynx"
        assert asked.weight == pytest.approx(0.8)
    assert asked_guess("tabby", "", [tabby, lynx, dog]) == tabby


@pytest.mark.parametrize("weight", [0.0, 0.35, 0.9])
def test_a_guess_is_believed_as_far_as_its_encoder_is_sure(weight: float) -> None:
    guess = replace(DAISY, weight=weight)
    text = TextEvidence(cosine=None, coverage=0.0, unrelated=0.08, guess=guess)

    evidence = weigh(text, None)

    assert evidence.confidence == max(weight, confidence(None, 0.0))
    assert f"such as 'daisy'; such guesses have a share of {weight:.0%}" in evidence.reasons[-1]
    assert "“雏菊”" in weigh(text, None, language="zh").reasons[-1]
