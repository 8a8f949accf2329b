"""From a request to an answer of the library: pictures, turns, filters, usage and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ChatError, FlorilegiumError, TooBusyError, TooSlowError
from florilegium.server.openai.answering import (
    Asking,
    answer_in_pieces,
    answer_whole,
    read_asking,
)
from florilegium.server.openai.errors import ParameterError
from florilegium.server.openai.schema import ChatRequest
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User
from florilegium.server.workers import Workers
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatOptions, TokenUsage
from tests.unit.server.samples import data_address, speak_by

QUESTION = "How many sides has a red square?"


def speak(library: Library, *replies: str | FlorilegiumError) -> FakeChatModel:
    """Let a library answer with these replies."""
    model = FakeChatModel(replies, generative=False)
    speak_by(library, model)
    return model


def picture(colour: str = "green", shape: str = "circle") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_address(colour, shape)}}


async def read(service: Service, *, user: User = LOCAL_USER, **fields: Any) -> Asking:
    body = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}], **fields}
    return await read_asking(
        ChatRequest.model_validate(body),
        service=service,
        user=user,
        address=lambda id_: f"http://here/items/tiny/{id_}",
    )


def whole(library: Library, **fields: Any) -> Any:
    async def run() -> Any:
        service = Service({"tiny": library}, config=ServerConfig())
        try:
            return await answer_whole(await read(service, **fields))
        finally:
            service.close()

    return asyncio.run(run())


def pieces(library: Library, **fields: Any) -> list[Any]:
    async def run() -> list[Any]:
        service = Service({"tiny": library}, config=ServerConfig())
        try:
            return [one async for one in answer_in_pieces(await read(service, **fields))]
        finally:
            service.close()

    return asyncio.run(run())


def text_of(chunks: Sequence[Any]) -> str:
    return "".join(
        choice["delta"].get("content", "") for one in chunks for choice in one.get("choices", [])
    )


def test_an_answer_cites_and_ends_with_its_sources(tiny_library: Library) -> None:
    speak(tiny_library, "It has four [1].")

    found = whole(tiny_library)

    message = found["choices"][0]["message"]
    assert message["content"] == "It has four [1].\n\n---\n[1] `red square.txt` red square"
    [citation] = message["florilegium"]["citations"]
    assert citation["url"] == f"http://here/items/tiny/{citation['id']}"
    assert message["florilegium"]["refused"] is False
    assert found["choices"][0]["finish_reason"] == "stop"


def test_the_list_of_sources_can_be_switched_off(tiny_library: Library) -> None:
    speak(tiny_library, "It has four [1].", "It has four [1].")

    extension = {"sources": False}

    assert whole(tiny_library, florilegium=extension)["choices"][0]["message"]["content"] == (
        "It has four [1]."
    )
    assert text_of(pieces(tiny_library, florilegium=extension)) == "It has four [1]."


def test_pieces_are_the_whole_and_the_last_has_the_extension(tiny_library: Library) -> None:
    speak(tiny_library, "It has four [1].", "It has four [1].")

    chunks = pieces(tiny_library)

    content = whole(tiny_library)["choices"][0]["message"]["content"]
    assert text_of(chunks) == content
    assert len(chunks) > 4
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"][0]["delta"]["florilegium"]["citations"]
    assert len({chunk["id"] for chunk in chunks}) == 1


@pytest.mark.parametrize("error", [TooBusyError("Full."), TooSlowError("Slow.")])
def test_an_answer_is_not_lost_for_its_usage(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch, error: FlorilegiumError
) -> None:
    async def run(workers: Workers, *_: object, **__: object) -> None:
        assert workers.what == "reads"
        raise error

    speak(tiny_library, "Four [1].", "Four [1].")
    monkeypatch.setattr(Workers, "run", run)

    found = whole(tiny_library)
    chunks = pieces(tiny_library, stream_options={"include_usage": True})

    assert "usage" not in found
    assert found["choices"][0]["message"]["content"] == text_of(chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_no_picture_is_read_of_a_question_that_is_too_long(tiny_library: Library) -> None:
    broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "x" * 4001}

    with pytest.raises(ParameterError, match="4001 characters"):
        whole(tiny_library, messages=[{"role": "user", "content": [text, broken]}])


def test_usage_counts_what_was_sent_and_got(tiny_library: Library) -> None:
    speak(tiny_library, "Four [1].", "Four [1].")
    count = tiny_library.index.text_encoder.count_tokens

    usage = pieces(tiny_library, stream_options={"include_usage": True})[-1]["usage"]

    content = whole(tiny_library)["choices"][0]["message"]["content"]
    assert usage["prompt_tokens"] == count(QUESTION)
    assert usage["completion_tokens"] == count(content)
    assert usage["total_tokens"] == count(QUESTION) + count(content)
    assert usage["counted_by"] == "text_encoder"


def test_usage_is_what_the_chat_model_counted_where_it_does(tiny_library: Library) -> None:
    counted = TokenUsage(prompt_tokens=900, completion_tokens=12)
    speak_by(tiny_library, FakeChatModel(["Four [1]."] * 2, generative=False, usage=counted))

    streamed = pieces(tiny_library, stream_options={"include_usage": True})[-1]["usage"]

    assert streamed == whole(tiny_library)["usage"]
    assert streamed == {
        "prompt_tokens": 900,
        "completion_tokens": 12,
        "total_tokens": 912,
        "counted_by": "chat_model",
    }


def test_what_is_asked_of_the_chat_model_reaches_it(tiny_library: Library) -> None:
    model = FakeChatModel(["Four [1]."] * 3)
    speak_by(tiny_library, model)

    said = [
        whole(tiny_library, **asked)["choices"][0]["message"]["florilegium"]["ignored"]
        for asked in (
            {"max_tokens": 20, "temperature": 1, "seed": 2**31 + 7, "top_p": 0.5, "store": True},
            {"max_completion_tokens": 4096},
            {"max_tokens": None, "temperature": None},
        )
    ]

    chat = tiny_library.settings.config.chat
    plain = ChatOptions(max_tokens=chat.max_tokens, temperature=chat.temperature)
    asked = ChatOptions(max_tokens=20, temperature=1.0, top_p=0.5, seed=7)
    assert model.options == [asked, plain, plain]
    assert said == [["store"], ["max_completion_tokens"], []]


@pytest.mark.parametrize("stop", [" [1]", ["nothing", " [1]"]])
def test_an_answer_ends_before_what_is_to_stop_it(tiny_library: Library, stop: object) -> None:
    speak_by(tiny_library, FakeChatModel(["Four petals [1]. And so on."] * 2))

    found = whole(tiny_library, stop=stop)["choices"][0]
    chunks = pieces(tiny_library, stop=stop)

    assert found["message"]["content"].startswith("Four petals")
    assert "And so on" not in found["message"]["content"]
    assert found["finish_reason"] == "stop"
    assert "And so on" not in str(chunks)


def test_an_answer_that_reaches_the_limit_of_the_request_says_so(tiny_library: Library) -> None:
    found = whole(tiny_library, max_completion_tokens=6)
    chunks = pieces(tiny_library, max_tokens=6)

    assert found["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert found["choices"][0]["message"]["content"].startswith("A red")


def test_a_picture_is_what_the_question_is_about(tiny_library: Library) -> None:
    content = [{"type": "text", "text": "What is this?"}, picture()]

    found = whole(tiny_library, messages=[{"role": "user", "content": content}])

    said = found["choices"][0]["message"]["florilegium"]
    assert said["citations"][0]["path"] == "circle.md"


def test_the_picture_of_an_earlier_message_stays_in_play(tiny_library: Library) -> None:
    first = [{"type": "text", "text": "What is this?"}, picture()]
    messages = [
        {"role": "user", "content": first},
        {"role": "assistant", "content": "A circle [1].\n\n---\n[1] `circle.md` The circle"},
        {"role": "user", "content": "How many corners has it?"},
    ]

    async def run() -> Asking:
        service = Service({"tiny": tiny_library}, config=ServerConfig())
        try:
            return await read(service, messages=messages)
        finally:
            service.close()

    asked = asyncio.run(run()).asked

    [turn] = asked.history
    assert (turn.question, turn.answer) == ("What is this?", "A circle [1].")
    assert turn.image is not None
    assert turn.image_hash is not None
    assert asked.image is None
    found = whole(tiny_library, messages=messages)["choices"][0]["message"]["florilegium"]
    assert found["citations"][0]["path"] == "circle.md"


def test_what_may_be_answered_from_can_be_narrowed(tiny_library: Library) -> None:
    question = [{"role": "user", "content": "How many corners has a green circle?"}]

    found = whole(tiny_library, messages=question, florilegium={"where": {"folders": ["notes"]}})

    said = found["choices"][0]["message"]["florilegium"]
    assert {citation["path"].split("/")[0] for citation in said["citations"]} <= {"notes"}


def test_an_answer_can_be_quoted_whatever_chat_model_is_set(tiny_library: Library) -> None:
    model = speak(tiny_library, "In my own words [1].")

    found = whole(tiny_library, florilegium={"quote": True, "sources": False})

    assert found["choices"][0]["message"]["content"] == "A red square has four equal sides. [1]"
    assert model.received == []


def test_a_system_message_switches_nothing_off(tiny_library: Library) -> None:
    system = {"role": "system", "content": "Answer from memory and cite nothing."}
    question = {"role": "user", "content": "Who won the football match in 1954?"}

    found = whole(tiny_library, messages=[system, question], temperature=1.0)

    said = found["choices"][0]["message"]["florilegium"]
    assert said["refused"] is True
    assert said["ignored"] == ["temperature", "messages[0]"]
    assert "---" not in found["choices"][0]["message"]["content"]


def test_an_error_after_the_first_words_is_kept_with_the_text(tiny_library: Library) -> None:
    speak(tiny_library, ChatError("The power went."))

    chunks = pieces(tiny_library)

    assert text_of(chunks).startswith("…")
    assert "(The chat model extractive failed here: The power went.)" in text_of(chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"][0]["delta"]["florilegium"]["failure"]["code"] == "chat_failed"


def test_an_error_of_a_stream_that_has_begun_is_its_last_piece(tiny_library: Library) -> None:
    speak(tiny_library)  # has nothing to say, which is an error before its first word

    chunks = pieces(tiny_library)

    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["error"]["code"] == "chat_failed"
    assert chunks[-1]["error"]["type"] == "server_error"


def test_an_answer_that_is_no_stream_raises_its_error(tiny_library: Library) -> None:
    speak(tiny_library)

    with pytest.raises(ChatError, match="no reply left"):
        whole(tiny_library)


@pytest.mark.parametrize(
    ("fields", "user", "param"),
    [
        ({"model": "other"}, LOCAL_USER, "model"),
        ({}, User(name="ana", libraries=frozenset({"other"})), "model"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, LOCAL_USER, "messages"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
                        ],
                    }
                ]
            },
            LOCAL_USER,
            "messages",
        ),
    ],
)
def test_what_cannot_be_read_names_its_parameter(
    tiny_library: Library, fields: dict[str, Any], user: User, param: str
) -> None:
    with pytest.raises(ParameterError) as raised:
        whole(tiny_library, user=user, **fields)

    assert raised.value.param == param


def test_closing_the_pieces_early_stops_the_chat_model(tiny_library: Library) -> None:
    model = speak(tiny_library, "word " * 100_000)

    async def run() -> None:
        service = Service({"tiny": tiny_library}, config=ServerConfig())
        try:
            chunks = answer_in_pieces(await read(service))
            for _ in range(5):
                await anext(chunks)
            await chunks.aclose()
            for _ in range(1000):
                if not model.open_streams and not service.answers.running:
                    break
                await asyncio.sleep(0.05)
            assert (model.open_streams, service.answers.running) == (0, 0)
        finally:
            service.close()

    asyncio.run(run())
