"""How one question may be answered otherwise than the settings say, and what was counted."""

from __future__ import annotations

from florilegium.answers import AnswerOptions, Turn
from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.config import ChatConfig
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatOptions, TokenUsage
from tests.unit.chat_samples import answer_of, ask, make_hit


def test_options_of_a_question_are_for_its_answer_and_not_for_short_replies() -> None:
    model = FakeChatModel(["How do I water roses in winter?", "Rarely [1]."])
    history = (Turn(question="How do I water roses?", answer="Often."),)
    config = ChatConfig(max_tokens=99, temperature=0.5)
    asked = AnswerOptions(max_tokens=8, temperature=1.5, seed=3)

    answer = answer_of(ask("And in winter?", model, history=history, config=config, options=asked))

    assert model.options == [
        ChatOptions(max_tokens=99, temperature=0.0),
        ChatOptions(max_tokens=8, temperature=1.5, seed=3),
    ]
    assert answer.ignored == ()


def test_a_shorter_answer_leaves_more_room_for_sources() -> None:
    hits = [make_hit(f"{n}.txt", "word " * 100) for n in range(5)]
    config = ChatConfig(max_tokens=200)

    def left_out(options: AnswerOptions | None) -> str:
        model = FakeChatModel(context_tokens=700)
        return answer_of(ask("What?", model, hits=hits, config=config, options=options)).notes[0]

    assert left_out(None) == "4 of 5 sources did not fit."
    assert left_out(AnswerOptions(max_tokens=20)) == "3 of 5 sources did not fit."


def test_an_answer_that_reaches_the_limit_of_its_question_says_so() -> None:
    answer = answer_of(
        ask("When?", ExtractiveChatModel(), options=AnswerOptions(max_tokens=6, temperature=1.0))
    )

    assert answer.finish_reason == "length"
    assert "The reply reached its limit of 6 tokens." in answer.notes
    assert answer.ignored == ("temperature",)


def test_options_had_no_effect_where_no_chat_model_spoke() -> None:
    options = AnswerOptions(max_tokens=6)

    assert answer_of(ask("When?", FakeChatModel(), confidence=0.1, options=options)).ignored == (
        "max_tokens",
    )


def test_what_the_chat_model_counted_is_told_with_the_answer() -> None:
    usage = TokenUsage(prompt_tokens=30, completion_tokens=4)

    assert answer_of(ask("When?", FakeChatModel(["In spring [1]."], usage=usage))).usage == usage
    assert answer_of(ask("When?", FakeChatModel(["In spring [1]."]))).usage is None


def test_an_answer_ends_before_what_is_to_stop_it() -> None:
    model = FakeChatModel(["In spring [1]. In autumn [1]. In winter [1]."])

    answer = answer_of(ask("When?", model, options=AnswerOptions(stop=(" In w", "\n"))))

    assert answer.text == "In spring [1]. In autumn [1]."
    assert answer.finish_reason == "stop"
    assert answer.ignored == ()


def test_quoted_sentences_end_before_what_is_to_stop_them() -> None:
    whole = answer_of(ask("When?", ExtractiveChatModel())).text
    half = whole[len(whole) // 2 :]

    answer = answer_of(ask("When?", ExtractiveChatModel(), options=AnswerOptions(stop=half)))

    assert whole.startswith(answer.text)
    assert 0 < len(answer.text) <= len(whole) - len(half)
