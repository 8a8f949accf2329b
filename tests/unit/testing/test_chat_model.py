"""Claims about the fake chat model that the contract does not make."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.config import ChatConfig
from florilegium.errors import ChatError, ChatTimeoutError
from florilegium.testing.chat_contract import a_question
from florilegium.testing.chat_model import FakeChatModel, open_chat_model
from florilegium.types import ChatOptions, Message, TextPart, TokenUsage

OPTIONS = ChatOptions()


def reply_of(model: FakeChatModel) -> str:
    return "".join(delta.text for delta in model.stream(a_question(), options=OPTIONS))


def test_what_was_counted_comes_with_the_last_delta() -> None:
    usage = TokenUsage(prompt_tokens=3, completion_tokens=2)

    deltas = list(FakeChatModel(["So it is."], usage=usage).stream(a_question(), options=OPTIONS))

    assert [delta.usage for delta in deltas] == [None, None, usage]


def test_replies_come_in_the_order_they_were_scripted() -> None:
    model = FakeChatModel(["One.", "Two  spaces. "])

    assert [reply_of(model), reply_of(model)] == ["One.", "Two  spaces. "]


def test_a_reply_is_streamed_word_by_word() -> None:
    model = FakeChatModel(["Roses are red."])

    deltas = list(model.stream(a_question(), options=OPTIONS))

    assert [delta.text for delta in deltas] == ["Roses ", "are ", "red."]
    assert [delta.finish_reason for delta in deltas] == [None, None, "stop"]


def test_the_messages_and_options_that_were_received_are_remembered() -> None:
    model = FakeChatModel(["One."])
    messages = a_question(pictures=1)

    list(model.stream(messages, options=OPTIONS))

    assert model.received == [tuple(messages)]
    assert model.options == [OPTIONS]


def test_a_scripted_error_is_raised_in_the_middle_of_the_stream() -> None:
    model = FakeChatModel([ChatTimeoutError("Nothing came.")])
    stream = model.stream(a_question(), options=OPTIONS)

    assert next(stream).text == "…"
    with pytest.raises(ChatTimeoutError, match="Nothing came"):
        next(stream)
    assert model.open_streams == 0


def test_running_out_of_replies_is_an_error() -> None:
    model = FakeChatModel([])

    with pytest.raises(ChatError, match="no reply left for request 1"):
        reply_of(model)


def test_an_open_stream_is_counted_until_it_is_closed() -> None:
    model = FakeChatModel(["One two three."])
    stream = model.stream(a_question(), options=OPTIONS)

    next(stream)
    assert model.open_streams == 1
    stream.close()  # type: ignore[attr-defined]  # the protocol says Iterator, for brevity

    assert model.open_streams == 0


def test_without_a_script_the_first_source_is_cited() -> None:
    assert reply_of(FakeChatModel()) == "The best source is Dahlia [1]."


def test_without_a_script_or_sources_the_question_is_refused() -> None:
    messages = [Message(role="user", parts=(TextPart(text="为什么?"),))]

    deltas = list(FakeChatModel().stream(messages, options=OPTIONS))

    assert "".join(delta.text for delta in deltas) == "资料库中没有能回答这个问题的内容。"


def test_a_refused_request_is_not_received() -> None:
    model = FakeChatModel(["One."], max_images=0)

    with pytest.raises(ChatError):
        model.stream(a_question(pictures=1), options=OPTIONS)

    assert model.received == []


def test_closing_is_remembered() -> None:
    model = FakeChatModel()

    model.close()

    assert model.closed


def test_a_name_with_a_model_says_the_model_each_time(tmp_path: Path) -> None:
    model = open_chat_model("Yes [1].", config=ChatConfig(), texts=None, cache_folder=tmp_path)

    deltas = [list(model.stream(a_question(), options=OPTIONS)) for _ in range(2)]

    assert ["".join(delta.text for delta in one) for one in deltas] == ["Yes [1].", "Yes [1]."]
