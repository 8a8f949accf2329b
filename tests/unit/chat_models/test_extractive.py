"""Claims about which sentences are quoted, and how."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from florilegium.chat_models.extractive import ExtractiveChatModel, open_chat_model
from florilegium.config import ChatConfig
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import (
    ChatOptions,
    Delta,
    Embeddings,
    EncoderInfo,
    Message,
    Modality,
    Purpose,
    SourcePart,
    TextPart,
)

DAHLIA = """# The ball dahlia

![An orange dahlia, watered in summer](flower.jpg)

The flower in the picture is a dahlia. Dahlias grow wild in Mexico.

Watering

Water dahlias deeply two or three times a week. Wet leaves invite mildew.
"""
FIRST = "Tulips are planted in autumn."
SECOND = "Tulips are planted deep."
TULIP = f"{FIRST} {SECOND}"
ROSE = "Roses like clay. Water new roses every morning in their first summer."
TEA = "绿茶采摘后很快加热。细嫩的绿茶适合80摄氏度左右的水。红茶可用90摄氏度的水。"


class PointingEncoder(FakeEncoder):
    """Give chosen texts chosen cosines with everything that is a query."""

    def __init__(
        self, cosines: Mapping[str, float], languages: frozenset[str] | None = None
    ) -> None:
        super().__init__(dim=32)
        self._cosines = cosines
        self._languages = languages
        self.seen: list[str] = []

    @property
    def info(self) -> EncoderInfo:
        return EncoderInfo(
            id="pointing",
            fingerprint="0",
            dim=2,
            modalities=frozenset({Modality.TEXT}),
            max_text_tokens=99,
            languages=self._languages,
        )

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        if purpose == "query":
            return np.tile(np.array([1, 0], np.float32), (len(texts), 1))
        self.seen += texts
        cosines = np.array([self._cosines.get(text, 0.0) for text in texts])
        rows = np.column_stack([cosines, np.sqrt(1 - cosines**2)])
        return cast("Embeddings", rows.astype(np.float32))


def make_source(number: int, text: str, title: str = "notes") -> SourcePart:
    return SourcePart(number=number, title=title, path=f"{number}.txt", text=text)


def deltas_of(
    question: str,
    *sources: SourcePart,
    model: ExtractiveChatModel | None = None,
    earlier: Sequence[str] = (),
    max_tokens: int = 512,
) -> list[Delta]:
    messages: list[Message] = []
    for text in earlier:
        messages.append(Message(role="user", parts=(TextPart(text=text),)))
        messages.append(Message(role="assistant", parts=(TextPart(text="Yes."),)))
    messages.append(Message(role="user", parts=(*sources, TextPart(text=question))))
    model = model or ExtractiveChatModel()
    return list(model.stream(messages, options=ChatOptions(max_tokens=max_tokens)))


def reply(question: str, *texts: str, model: ExtractiveChatModel | None = None) -> str:
    sources = [make_source(number, text) for number, text in enumerate(texts, start=1)]
    return "".join(delta.text for delta in deltas_of(question, *sources, model=model))


def test_the_sentence_that_holds_the_words_of_the_question_is_quoted_and_cited() -> None:
    assert reply("Where do dahlias grow wild?", DAHLIA, ROSE) == (
        "Dahlias grow wild in Mexico. [1]"
    )


def test_a_source_is_cited_by_its_number() -> None:
    assert reply("Who likes clay?", DAHLIA, ROSE) == "Roses like clay. [2]"


def test_sentences_come_in_reading_order_whatever_their_score() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({FIRST: 0.6, SECOND: 0.7}))

    said = reply("How are tulips planted?", TULIP, model=model)

    assert said == "Tulips are planted in autumn. [1] Tulips are planted deep. [1]"


def test_each_sentence_is_a_delta_and_the_last_one_says_stop() -> None:
    deltas = deltas_of("How are tulips planted?", make_source(1, TULIP))

    assert [delta.text for delta in deltas] == [
        "Tulips are planted in autumn. [1]",
        " Tulips are planted deep. [1]",
    ]
    assert [delta.finish_reason for delta in deltas] == [None, "stop"]


def test_a_chinese_question_is_answered_in_the_words_of_the_source() -> None:
    assert reply("细嫩的绿茶用多热的水?", TEA) == "细嫩的绿茶适合80摄氏度左右的水。[1]"


def test_between_chinese_sentences_and_their_citations_there_is_no_space() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({"绿茶怕光。": 0.6, "绿茶怕潮！": 0.7}))

    said = reply("绿茶怎么存放?", "绿茶怕光。绿茶怕潮！", model=model)

    assert said == "绿茶怕光。[1]绿茶怕潮！[1]"


def test_a_citation_does_not_become_a_link_of_markdown() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({"绿茶怕光。": 0.6, "(绿茶怕潮！)": 0.7}))

    said = reply("绿茶怎么存放?", "绿茶怕光。", "(绿茶怕潮！)", model=model)

    assert said == "绿茶怕光。[1] (绿茶怕潮！) [2]"


def test_a_sentence_with_a_picture_in_it_is_quoted_without_the_picture() -> None:
    text = "The old cat ![a cat](cat.jpg) eats <img src=x onerror=alert(1)> dry food. Tea is hot."

    assert reply("What does the cat eat?", text) == "The old cat eats dry food. [1]"


@pytest.mark.parametrize("question", ["watering", "An orange dahlia watered in summer?"])
def test_headings_and_pictures_are_never_quoted(question: str) -> None:
    said = reply(question, DAHLIA)

    assert "#" not in said
    assert "![" not in said
    assert "Watering" not in said


def test_the_line_that_repeats_the_title_is_not_quoted() -> None:
    source = make_source(
        1, "All about tea leaves.\nTea leaves fear light.", "All about tea leaves."
    )

    (delta,) = deltas_of("What about tea leaves?", source)

    assert delta.text == "Tea leaves fear light. [1]"


def test_items_of_a_list_are_quoted_without_their_mark() -> None:
    assert reply("When to prune?", "- Water weekly\n- Prune in March\n- Feed in May") == (
        "Prune in March [1]"
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "The rose grows - slowly - in clay.",
        "The **old** rose has 5 * 3 petals.",
        "The rose was planted in 1923. It has version 2. of the label.",
    ],
)
def test_signs_within_a_sentence_are_quoted_as_they_are(sentence: str) -> None:
    assert sentence.split(". ")[0] in reply("What about the rose?", f"{sentence} Tea is hot.")


def test_a_hard_wrapped_sentence_is_quoted_on_one_line() -> None:
    wrapped = (
        "Tubers that were dug up after the first frost are stored in\n"
        "a dark place until spring comes again."
    )

    assert reply("Where are tubers stored?", wrapped) == (f"{wrapped.replace(chr(10), ' ')} [1]")


def test_an_articles_own_reference_numbers_are_left_out() -> None:
    assert reply("Who likes clay?", "Roses like clay.[3] So they say.") == "Roses like clay. [1]"


def test_what_was_said_already_is_not_said_again() -> None:
    assert reply("Who likes clay?", "Roses like clay.", "Roses like clay!") == (
        "Roses like clay. [1]"
    )


def test_no_more_than_three_sentences_are_quoted() -> None:
    text = " ".join(f"Roses like clay of the {n}th kind{n}." for n in range(4, 10))

    assert len(deltas_of("Which roses like clay?", make_source(1, text))) == 3


def test_of_equal_sentences_that_of_the_better_source_is_quoted() -> None:
    assert reply("Who likes clay?", "Roses like clay.", "Dahlias hate wet clay.") == (
        "Roses like clay. [1]"
    )


@pytest.mark.parametrize(
    "question", ["What is this?", "Which flower is this?", "这是什么花?", "What is it?", ""]
)
def test_asked_what_something_is_it_quotes_how_the_best_source_begins(question: str) -> None:
    said = reply(question, DAHLIA, "A flower bed is a bed of flowers.")

    assert said == "The flower in the picture is a dahlia. [1] Dahlias grow wild in Mexico. [1]"


def test_what_something_is_comes_from_a_text_before_a_picture() -> None:
    said = reply("What is this?", "Picture: rose; a red rose", "Roses like clay.")

    assert said == "Roses like clay. [2]"


def test_when_there_are_only_pictures_their_cards_are_quoted() -> None:
    said = reply("What is this?", "Picture: rose; a red rose", "Picture: tulip")

    assert said == "Picture: rose; a red rose [1]"


def test_a_picture_is_quoted_when_its_card_alone_holds_the_words() -> None:
    assert reply("Where is the windmill?", "Roses like clay.", "Picture: old windmill") == (
        "Picture: old windmill [2]"
    )


def test_a_question_in_traditional_characters_is_answered_from_simplified_ones() -> None:
    assert reply("細嫩的綠茶用多熱的水？", TEA) == reply("细嫩的绿茶用多热的水？", TEA)


def test_a_follow_up_is_answered_with_the_question_before_in_mind() -> None:
    text = "Dahlias need sun. Dahlias are dug up in winter. Roses stay outside in winter."

    (delta,) = deltas_of("And in winter?", make_source(1, text), earlier=["How do I keep dahlias?"])

    assert delta.text == "Dahlias are dug up in winter. [1]"


def test_a_question_that_leans_is_answered_from_the_first_article_alone() -> None:
    dahlia = "In winter dig the tubers up. They like sun."
    camera = "In winter batteries give less energy."

    assert reply("And in winter?", dahlia, camera) == "In winter dig the tubers up. [1]"
    assert "batteries" in reply("What do batteries give in winter?", dahlia, camera)


def test_a_question_that_leans_is_answered_from_elsewhere_when_it_must() -> None:
    dahlia, camera = "They like sun.", "In winter batteries give less energy."

    assert reply("And in winter?", dahlia, camera) == "In winter batteries give less energy. [2]"


def test_two_questions_in_one_are_each_answered_and_of_the_same_thing() -> None:
    dahlia = make_source(1, DAHLIA, title="The ball dahlia")
    other = make_source(2, ROSE, title="Roses")

    deltas = deltas_of("Which flower is this and how do I water it?", dahlia, other)
    said = "".join(delta.text for delta in deltas)

    assert "The flower in the picture is a dahlia. [1]" in said
    assert "Water dahlias deeply two or three times a week. [1]" in said
    assert "[2]" not in said


def test_without_sources_it_says_that_nothing_answers() -> None:
    assert reply("Why?") == "Nothing in this library answers that."
    assert reply("为什么?") == "资料库中没有能回答这个问题的内容。"


def test_when_no_sentence_answers_it_says_so() -> None:
    (delta,) = deltas_of("Which volcano erupted?", make_source(1, DAHLIA))

    assert delta == Delta(text="Nothing in this library answers that.", finish_reason="stop")


def test_the_encoder_finds_a_sentence_that_shares_no_word() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({"Wet leaves invite mildew.": 0.7}))

    assert reply("Which disease threatens?", DAHLIA, model=model) == (
        "Wet leaves invite mildew. [1]"
    )


def test_a_sentence_that_is_far_for_the_encoder_too_is_not_quoted() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({"Wet leaves invite mildew.": 0.1}))

    assert reply("Which disease threatens?", DAHLIA, model=model) == (
        "Nothing in this library answers that."
    )


def test_an_encoder_is_not_shown_what_it_cannot_read() -> None:
    texts = PointingEncoder({}, languages=frozenset({"en"}))
    model = ExtractiveChatModel(texts=texts)

    said = reply("细嫩的绿茶用多热的水?", TEA, model=model)
    reply("Who likes clay?", TEA, "Roses like clay.", model=model)

    assert said == "细嫩的绿茶适合80摄氏度左右的水。[1]"
    assert texts.seen == ["Roses like clay."]


def test_the_best_sentence_is_kept_when_not_all_have_room() -> None:
    model = ExtractiveChatModel(texts=PointingEncoder({FIRST: 0.6, SECOND: 0.7}))

    deltas = deltas_of("How are tulips planted?", make_source(1, TULIP), model=model, max_tokens=12)

    assert deltas == [Delta(text="Tulips are planted deep. [1]", finish_reason="length")]


def test_a_first_sentence_that_is_too_long_is_cut_and_still_cited() -> None:
    (delta,) = deltas_of("Who likes clay?", make_source(1, "Roses like clay."), max_tokens=5)

    assert delta.text == "Roses like … [1]"
    assert delta.finish_reason == "length"


@pytest.mark.parametrize(
    ("sentence", "max_tokens", "cut"),
    [
        ("Old walls in lime mortar stand for long.", 9, "Old walls in lime … [1]"),
        ("Rhododendrons like acid soil.", 5, "Rhododendr … [1]"),
        ("老墙是用石灰砂浆砌成的,需要用石灰砂浆修补。", 8, "老墙是用 … [1]"),
        ("老墙是用石灰砂浆砌成的,需要用石灰砂浆修补。", 1, "老 … [1]"),
        ("蓝色 triangle有三个角,也有三条边。", 11, "蓝色 triangle有三 … [1]"),
    ],
)  # fmt: skip
def test_a_sentence_is_cut_between_words(sentence: str, max_tokens: int, cut: str) -> None:
    source = make_source(1, sentence)
    (delta,) = deltas_of(sentence, source, max_tokens=max_tokens)

    assert delta.text == cut


def test_nothing_comes_after_the_stream_was_closed() -> None:
    question = Message(
        role="user",
        parts=(make_source(1, TULIP), TextPart(text="How are tulips planted?")),
    )
    stream = cast(
        "Generator[Delta]", ExtractiveChatModel().stream([question], options=ChatOptions())
    )
    next(stream)

    stream.close()

    assert list(stream) == []


def test_it_opens_by_name_without_an_encoder(tmp_path: Path) -> None:
    model = open_chat_model("", config=ChatConfig(), texts=None, cache_folder=tmp_path)

    assert model.info.id == "extractive"
    assert model.info.max_images == 0
    assert model.info.context_tokens is None
