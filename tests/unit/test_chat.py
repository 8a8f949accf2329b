"""Claims about the flow from a question to an answer or a refusal."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest
from PIL import Image

from florilegium.answers import Event, Retrieved, Token, Turn
from florilegium.chat import answer_events, check_question
from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    InvalidQueryError,
)
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Delta,
    ImagePart,
    Item,
    Message,
    Modality,
    Picture,
    Span,
)
from tests.unit.chat_samples import (
    BLUE,
    HITS,
    NOTHING,
    RED,
    answer_of,
    ask,
    make_hit,
    make_tools,
    render_text,
)


def test_the_events_are_what_was_found_then_the_words_then_the_answer() -> None:
    events = ask("When?", FakeChatModel(["In spring [1]."]))

    assert events[0] == Retrieved(hits=HITS, searched="searched: When?", with_image=False)
    assert [event.text for event in events if isinstance(event, Token)] == [
        "In",
        " spring",
        " [1]",
        ".",
    ]
    assert answer_of(events).text == "In spring [1]."


def test_the_tokens_join_to_the_text_of_the_answer() -> None:
    events = ask("When?", FakeChatModel(["In spring [1] [7], says 【2】 too [", "x"]))

    joined = "".join(event.text for event in events if isinstance(event, Token))
    assert joined == answer_of(events).text == "In spring [1], says [2] too ["


def test_only_numbers_that_were_cited_become_citations() -> None:
    answer = answer_of(ask("From where?", FakeChatModel(["Dahlias come from Mexico. [2]"])))

    (citation,) = answer.citations
    assert citation.number == 2
    assert citation.hit is HITS[1]
    assert citation.quote == "Dahlias come from Mexico."
    assert citation.span == Span(start=50, end=75)


def test_own_words_are_cited_without_a_quote() -> None:
    (citation,) = answer_of(ask("When?", FakeChatModel(["When winter ends [1]."]))).citations

    assert citation.number == 1
    assert citation.quote is None


def test_invented_citations_are_taken_out_and_told() -> None:
    answer = answer_of(ask("When?", FakeChatModel(["In spring [1, 8]."])))

    assert answer.text == "In spring [1]."
    assert answer.reasons == ("It matches.",)
    assert answer.notes == ("Citations of sources that do not exist were taken out: 1.",)


def test_a_reply_without_citations_is_told() -> None:
    answer = answer_of(ask("When?", FakeChatModel(["In spring."])))

    assert answer.citations == ()
    assert not answer.refused
    assert "The reply cites no source." in answer.notes


def test_without_enough_evidence_the_model_is_not_called() -> None:
    model = FakeChatModel(["In spring [1]."])

    events = ask("Who won the cup?", model, confidence=0.49)

    answer = answer_of(events)
    assert model.received == []
    assert events[1:-1] == [Token(text=NOTHING)]
    assert answer.text == NOTHING
    assert answer.refused
    assert answer.citations == ()
    assert answer.confidence == 0.49
    assert answer.hits == HITS
    assert answer.reasons == ("It matches.",)


def test_evidence_at_the_limit_is_enough() -> None:
    assert not answer_of(ask("When?", FakeChatModel(), confidence=0.6)).refused


def test_a_limit_of_zero_answers_always_when_there_is_anything() -> None:
    config = ChatConfig(min_confidence=0.0)

    assert not answer_of(ask("When?", FakeChatModel(), confidence=0.0, config=config)).refused
    assert answer_of(ask("When?", FakeChatModel(), hits=(), confidence=1.0, config=config)).refused


def test_a_chinese_question_is_refused_in_chinese() -> None:
    answer = answer_of(ask("谁赢了?", FakeChatModel(), confidence=0.1))

    assert answer.text == "资料库中没有能回答这个问题的内容。"


@pytest.mark.parametrize("reply", [NOTHING, f"{NOTHING} [1]"])
def test_a_model_that_finds_no_answer_refuses(reply: str) -> None:
    answer = answer_of(ask("When?", FakeChatModel([reply])))

    assert answer.refused
    assert answer.citations == ()


def test_the_extractive_model_answers_with_a_quote_that_stands_in_the_source() -> None:
    answer = answer_of(ask("When are roses pruned?", ExtractiveChatModel()))

    assert answer.text == "Roses are pruned in early spring. [1]"
    (citation,) = answer.citations
    assert citation.quote == "Roses are pruned in early spring."
    assert citation.span == Span(start=50, end=83)


def test_the_extractive_model_refuses_when_no_sentence_answers() -> None:
    answer = answer_of(ask("Which volcano erupted yesterday?", ExtractiveChatModel()))

    assert answer.text == NOTHING
    assert answer.refused


def test_the_turn_is_added_to_the_history() -> None:
    before = Turn(question="Hm?", answer="Yes.")
    picture = Picture(image=RED, content_hash="ab")

    answer = answer_of(ask(" When? ", FakeChatModel(["Now [1]."]), image=picture, history=[before]))

    assert answer.history[0] is before
    turn = answer.history[1]
    assert (turn.question, turn.answer) == ("When?", "Now [1].")
    assert (turn.image, turn.image_hash) == (RED, "ab")


def test_a_refused_turn_is_in_the_history_too() -> None:
    (turn,) = answer_of(ask("When?", FakeChatModel(), confidence=0.0)).history

    assert (turn.question, turn.answer, turn.image) == ("When?", NOTHING, None)


def test_citation_numbers_of_earlier_answers_are_not_sent() -> None:
    model = FakeChatModel()

    ask("When?", model, history=[Turn(question="Hm?", answer="Yes [2].")])

    assert render_text(model.received[-1][2]) == "Yes."


def test_the_picture_of_an_earlier_turn_stays_in_play() -> None:
    model = FakeChatModel()
    history = [
        Turn(question="", answer="A rose.", image=RED, image_hash="ab"),
        Turn(question="Is it?", answer="Yes."),
    ]

    events = ask("How do I water it?", model, history=history)

    (retrieved, *_) = events
    assert isinstance(retrieved, Retrieved)
    assert retrieved.with_image
    sent = [part.image for part in model.received[-1][-1].parts if isinstance(part, ImagePart)]
    assert sent == [RED]
    assert answer_of(events).history[-1].image is None


def test_neither_words_nor_picture_is_an_error_before_any_event() -> None:
    with pytest.raises(InvalidQueryError, match="needs words or a picture"):
        check_question("  ", has_image=False)
    with pytest.raises(InvalidQueryError, match="needs words or a picture"):
        ask("  ", FakeChatModel())


def test_a_picture_alone_asks_what_it_is() -> None:
    model = FakeChatModel()

    ask("", model, image=Picture(image=RED))

    assert render_text(model.received[0][-1]).endswith("What is this?")


def test_the_model_gets_no_more_sources_and_pictures_than_configured() -> None:
    model = FakeChatModel(max_images=9)
    hits = [make_hit(f"{n}.jpg", "x", Modality.IMAGE) for n in range(9)]
    config = ChatConfig(max_sources=4, max_images=2)

    events = ask("What?", model, hits=hits, config=config)

    sent = [part for part in model.received[0][-1].parts if isinstance(part, ImagePart)]
    assert [part.number for part in sent] == [1, 2]
    answer = answer_of(events)
    assert len(answer.hits) == 4
    assert "2 of 4 found pictures were given as words only." in answer.notes


def test_the_model_gets_no_more_pictures_than_it_takes() -> None:
    model = FakeChatModel(max_images=0)

    ask("What?", model, hits=[make_hit("a.jpg", "x", Modality.IMAGE)], image=Picture(image=RED))

    assert not [part for part in model.received[0][-1].parts if isinstance(part, ImagePart)]


def test_the_options_come_from_the_configuration() -> None:
    model = FakeChatModel()

    ask("What?", model, config=ChatConfig(max_tokens=99, temperature=0.5))

    assert model.options == [ChatOptions(max_tokens=99, temperature=0.5)]


def test_room_for_the_reply_is_kept_in_the_context() -> None:
    model = FakeChatModel(context_tokens=700)
    hits = [make_hit(f"{n}.txt", "word " * 100) for n in range(5)]

    answer = answer_of(ask("What?", model, hits=hits, config=ChatConfig(max_tokens=200)))

    assert "4 of 5 sources did not fit." in answer.notes


def test_a_context_without_room_for_a_source_is_an_error() -> None:
    model = FakeChatModel(context_tokens=600)

    with pytest.raises(
        ChatError, match="None of 2 sources fits beside the question into the context of 'fake'"
    ):
        ask("What?", model)
    assert model.received == []


def test_closing_the_events_early_closes_the_stream_of_the_model() -> None:
    model = FakeChatModel(["One two three [1]."])
    events = cast(
        "Generator[Event]",
        answer_events("What?", image=None, history=(), tools=make_tools(model)),
    )
    assert isinstance(next(events), Retrieved)
    assert next(events) == Token(text="One")
    assert model.open_streams == 1

    events.close()

    assert model.open_streams == 0


def test_an_empty_reply_is_an_error() -> None:
    with pytest.raises(ChatError, match="'fake' replied with nothing"):
        ask("What?", FakeChatModel([" "]))


def test_a_reply_that_reached_its_limit_is_told() -> None:
    config = ChatConfig(max_tokens=6)

    answer = answer_of(ask("When are roses pruned?", ExtractiveChatModel(), config=config))

    assert answer.notes[-1] == "The reply reached its limit of 6 tokens."


def test_a_plain_iterator_of_deltas_needs_no_close() -> None:
    class Plain(FakeChatModel):
        def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Generator[Delta]:
            return cast("Generator[Delta]", iter([Delta(text="Yes [1].", finish_reason="stop")]))

    assert answer_of(ask("What?", Plain())).text == "Yes [1]."


def test_opening_a_picture_is_asked_for_by_item() -> None:
    opened: list[Item] = []

    def open_image(item: Item) -> Image.Image:
        opened.append(item)
        return BLUE

    hit = make_hit("a.jpg", "x", Modality.IMAGE)
    tools = make_tools(FakeChatModel(), hits=[hit], open_image=open_image)

    list(answer_events("What?", image=None, history=(), tools=tools))

    assert opened == [hit.item]


# -- support --


def test_a_sentence_that_no_source_supports_is_marked_and_counted() -> None:
    model = FakeChatModel(["Roses are pruned in spring [1]. Bees adore purple lavender fields."])

    events = ask("When are roses pruned?", model)

    answer = answer_of(events)
    assert answer.text == (
        "Roses are pruned in spring [1]. Bees adore purple lavender fields. (not from the library)"
    )
    assert "Sentences that no source supports were marked: 1." in answer.notes
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text


def test_others_pause_while_a_model_in_process_speaks() -> None:
    class InProcess(FakeChatModel):
        @property
        def info(self) -> ChatModelInfo:
            return replace(super().info, in_process=True)

    pauses: list[str] = []

    @contextmanager
    def going_first() -> Iterator[None]:
        pauses.append("begins")
        yield
        pauses.append("ends")

    for model in (FakeChatModel(["Yes [1]."]), InProcess(["Yes [1]."])):
        tools = replace(make_tools(model), going_first=going_first)
        list(answer_events("What?", image=None, history=(), tools=tools))

    assert pauses == ["begins", "ends"]


def test_what_a_model_thinks_before_it_speaks_is_not_its_answer() -> None:
    model = FakeChatModel(["<think>Spring, surely?</think> In spring [1]."])

    assert answer_of(ask("When?", model)).text == "In spring [1]."
