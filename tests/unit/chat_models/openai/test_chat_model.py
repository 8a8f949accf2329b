"""The chat model `openai`: replies, names, sight, and what it does when left alone."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from florilegium.chat_models.openai.chat_model import (
    MOST_PICTURES,
    OpenAIChatModel,
    open_chat_model,
)
from florilegium.chat_models.openai.seen import FILE_NAME
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatUnavailableError,
    ConfigError,
    UnsupportedInputError,
)
from florilegium.types import ChatOptions, Delta, ImagePart, Message, TextPart, TokenUsage
from tests.misbehaving_server import (
    PATIENCE,
    MisbehavingServer,
    Stalls,
    drops,
    event,
    hangs_up,
    listing,
    piece,
    refuses,
    reply,
    says,
    sees,
    sends,
)
from tests.unit.chat_models.openai.conftest import Serve

COUNTED = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
OPTIONS = ChatOptions(max_tokens=7, temperature=0.5, seed=3)
Open = Callable[..., OpenAIChatModel]


@pytest.fixture
def open_model(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def start(
            server: MisbehavingServer, model: str = "rose", **settings: object
        ) -> OpenAIChatModel:
            values = {"base_url": server.base_url, "timeout": 5.0, "retries": 0, **settings}
            config = ChatConfig.model_validate(values)
            chat_model = open_chat_model(model, config=config, texts=None, cache_folder=tmp_path)
            assert isinstance(chat_model, OpenAIChatModel)
            stack.callback(chat_model.close)
            return chat_model

        yield start


def _messages(pictures: int = 0) -> list[Message]:
    images = [ImagePart(image=Image.new("RGB", (8, 8), "red")) for _ in range(pictures)]
    return [Message(role="user", parts=(TextPart(text="What is red?"), *images))]


def _ask(chat_model: OpenAIChatModel, pictures: int = 0) -> list[Delta]:
    return list(chat_model.stream(_messages(pictures), options=OPTIONS))


def _text(chat_model: OpenAIChatModel) -> str:
    return "".join(delta.text for delta in _ask(chat_model))


def test_a_reply_is_streamed_and_ends_with_its_reason(serve: Serve, open_model: Open) -> None:
    deltas = _ask(open_model(serve(says("A ", "rose", finish="length"))))

    assert deltas == [
        Delta(text="A "),
        Delta(text="rose"),
        Delta(text="", finish_reason="length"),
    ]


@pytest.mark.parametrize(
    "end",
    [
        event(piece(finish="stop")) + event({"choices": [], "usage": COUNTED}),
        event({**piece(finish="stop"), "usage": COUNTED}),
        event({**piece(" and"), "usage": {**COUNTED, "completion_tokens": 1}})
        + event({**piece(finish="stop"), "usage": COUNTED})
        + event({"choices": [], "usage": None}),
    ],
)
def test_what_the_server_counted_is_in_the_last_delta(
    serve: Serve, open_model: Open, end: bytes
) -> None:
    deltas = _ask(open_model(serve(sends(event(piece("A rose")) + end + b"data: [DONE]\n\n"))))

    assert deltas[-1].usage == TokenUsage(prompt_tokens=21, completion_tokens=4)
    assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)


def test_a_server_that_counts_nothing_gives_no_usage(serve: Serve, open_model: Open) -> None:
    assert _ask(open_model(serve(says("A rose"))))[-1].usage is None


def test_the_request_is_what_was_asked_for(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"))

    _ask(open_model(server, vision="yes"), pictures=1)

    body = server.asked[0].body
    (message,) = body.pop("messages")
    assert body == {
        "model": "rose", "max_tokens": 7, "temperature": 0.5, "seed": 3, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert [part["type"] for part in message["content"]] == ["text", "image_url"]
    assert len(server.received) == 1


def test_a_text_is_sent_without_asking_for_anything_else(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"))

    _ask(open_model(server))

    assert [request.path for request in server.received] == ["/v1/chat/completions"]


def test_nothing_is_sent_before_the_first_step(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"))
    chat_model = open_model(server)

    stream = chat_model.stream(_messages(2), options=OPTIONS)
    del stream
    gc.collect()

    assert server.connections == 0


@pytest.mark.parametrize("close", [True, False])
def test_a_stream_that_is_left_stops_the_server(
    serve: Serve, open_model: Open, close: bool
) -> None:
    stalls = Stalls(event(piece("A ")), event(piece("rose")))
    stream = open_model(serve(stalls)).stream(_messages(), options=OPTIONS)
    assert next(stream) == Delta(text="A ")

    if close:
        stream.close()  # type: ignore[attr-defined]  # the protocol says Iterator, for brevity
    else:
        del stream
        gc.collect()

    assert stalls.gone.wait(PATIENCE)


def test_after_closing_the_model_can_be_used_again(serve: Serve, open_model: Open) -> None:
    chat_model = open_model(serve(says("A rose")))
    _ask(chat_model)

    chat_model.close()
    chat_model.close()

    assert _text(chat_model) == "A rose"


@pytest.mark.parametrize(
    "stream",
    [
        event(piece("A rose")) + event(piece(finish="stop")),
        event(piece("A rose")) + b"data: [DONE]\n\n",
        event(piece("A rose", finish="stop")) + b"data: [DONE]\n\n",
        event(piece("A ", finish="")) + event(piece("rose", finish="stop")),
        event(piece("A rose")) + event(piece(finish="stop")) + event({"choices": [], "usage": {}}),
        event(piece("A rose")) + event(piece(finish="stop")) + b"data: {garbage\n\n",
        event(piece("A rose")) + event(piece(finish="stop")) + event({"error": "late"}),
    ],
)
def test_each_way_to_end_a_reply_is_understood(
    serve: Serve, open_model: Open, stream: bytes
) -> None:
    deltas = _ask(open_model(serve(sends(stream))))

    assert "".join(delta.text for delta in deltas) == "A rose"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize("stream", [b"", event(piece("A rose")), b": ping\n\n", b"hello\n"])
def test_a_reply_that_does_not_end_is_an_error(
    serve: Serve, open_model: Open, stream: bytes
) -> None:
    with pytest.raises(ChatError, match="ended without saying that it was finished"):
        _ask(open_model(serve(sends(stream))))


def test_what_came_before_an_error_is_given(serve: Serve, open_model: Open) -> None:
    server = serve(drops(event(piece("A "))), says("never"))
    stream = open_model(server, retries=5).stream(_messages(), options=OPTIONS)

    assert next(stream) == Delta(text="A ")
    with pytest.raises(ChatError, match="broke off"):
        next(stream)
    assert len(server.asked) == 1


def test_a_connection_that_drops_after_the_end_is_no_error(serve: Serve, open_model: Open) -> None:
    dropped = drops(event(piece("A rose")), event(piece(finish="stop")))

    assert _text(open_model(serve(dropped))) == "A rose"


def test_thoughts_are_no_part_of_the_answer(serve: Serve, open_model: Open) -> None:
    tagged = serve(says("<th", "ink>Hm. ", "Red?</th", "ink>\n\n", "A rose"))
    apart = serve(
        sends(event(piece(None, reasoning_content="Hm.")), event(piece("", reasoning="Red?")),
              reply("A rose"))
    )  # fmt: skip

    assert _text(open_model(tagged)) == "A rose"
    assert _text(open_model(apart)) == "A rose"


def test_thoughts_that_take_all_tokens_are_an_error(serve: Serve, open_model: Open) -> None:
    server = serve(says("<think>", "Hm.", finish="length"))

    with pytest.raises(ChatError, match="limit of 7 tokens before the first word") as caught:
        _ask(open_model(server))

    assert "chat.max_tokens" in str(caught.value.hint)


def test_an_empty_reply_is_a_reply(serve: Serve, open_model: Open) -> None:
    assert _ask(open_model(serve(says()))) == [Delta(text="", finish_reason="stop")]


def test_characters_in_halves_are_joined(serve: Serve, open_model: Open) -> None:
    first, second = (json.loads(f'"{half}"') for half in (r"\ud83c", r"\udf37"))

    assert _text(open_model(serve(says("A ", first, second)))) == "A 🌷"


def test_a_reply_of_another_form_is_an_error(serve: Serve, open_model: Open) -> None:
    with pytest.raises(ChatError, match="another form"):
        _ask(open_model(serve(sends(event({"choices": ["A rose"]})))))


def test_the_info_needs_no_server_if_all_is_set(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"))

    info = open_model(server, vision="yes", context_tokens=4096).info

    assert (info.id, info.max_images, info.context_tokens) == ("openai:rose", MOST_PICTURES, 4096)
    assert info.generative
    assert server.connections == 0


def test_the_context_is_asked_of_the_server_once(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"), models=listing("rose", max_model_len=32768))
    chat_model = open_model(server, vision="no")

    assert chat_model.info.context_tokens == 32768
    assert chat_model.info.max_images == 0
    assert len(server.received) == 1


def test_the_context_of_a_server_that_does_not_say_is_not_known(
    serve: Serve, open_model: Open
) -> None:
    assert open_model(serve(says("a")), vision="no").info.context_tokens is None
    assert (
        open_model(serve(says("a"), models=listing("x")), vision="no").info.context_tokens is None
    )


def test_the_info_of_a_server_that_is_down_is_unavailable(serve: Serve, open_model: Open) -> None:
    server = serve(hangs_up)
    server.__exit__()

    with pytest.raises(ChatUnavailableError, match="cannot be reached"):
        _ = open_model(server).info


def test_without_a_name_the_only_model_is_taken(serve: Serve, open_model: Open) -> None:
    server = serve(says("A rose"), models=listing("the-one"))
    chat_model = open_model(server, model="")

    _ask(chat_model)
    _ask(chat_model)

    assert server.asked[0].body["model"] == "the-one"
    assert [request.method for request in server.received] == ["GET", "POST", "POST"]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (listing("rose", "lily"), "has: 'rose', 'lily'"),
        (listing(), "has: none"),
        (None, "has no list of its models"),
    ],
)
def test_without_a_name_it_must_be_the_only_model(
    serve: Serve, open_model: Open, models: object, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        _ask(open_model(serve(says("a"), models=models), model=""))

    assert "openai:MODEL" in str(caught.value.hint)


def test_a_model_that_reads_the_probe_takes_pictures(
    serve: Serve, open_model: Open, tmp_path: Path
) -> None:
    server = serve(sees, models=listing("rose", max_model_len=9))
    chat_model = open_model(server)

    assert _text(chat_model) == "It is this."
    assert _ask(chat_model, pictures=2)[-1].finish_reason == "stop"
    assert chat_model.info.max_images == MOST_PICTURES
    assert chat_model.describe() == (
        f"rose at {server.base_url}, 9 tokens of context, sees pictures "
        "(it read two numbers in pictures)"
    )
    assert len(server.asked) == 4  # two questions, two numbers
    assert (tmp_path / FILE_NAME).is_file()


def test_a_blind_model_is_sent_no_picture(serve: Serve, open_model: Open) -> None:
    server = serve(says("I see a lovely rose."))
    chat_model = open_model(server)

    with pytest.raises(UnsupportedInputError, match=r"openai:rose.*said 'I see a lovely rose.'"):
        _ask(chat_model, pictures=1)

    assert len(server.asked) == 1
    assert chat_model.info.max_images == 0
    assert "context not known, sees no pictures (shown the number" in chat_model.describe()


def test_what_was_found_is_not_tried_again(serve: Serve, open_model: Open) -> None:
    server = serve(sees)
    assert open_model(server).info.max_images == MOST_PICTURES

    assert open_model(server).info.max_images == MOST_PICTURES
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("vision", "pictures", "words"),
    [("no", 1, "chat.vision is 'no'"), ("yes", MOST_PICTURES + 1, "takes 16 pictures, got 17")],
)
def test_what_is_set_is_not_tried(
    serve: Serve, open_model: Open, vision: str, pictures: int, words: str
) -> None:
    server = serve(sees)

    with pytest.raises(UnsupportedInputError, match=words):
        _ask(open_model(server, vision=vision), pictures=pictures)

    assert server.connections == 0


def test_a_refused_probe_of_the_key_is_no_blindness(
    serve: Serve, open_model: Open, tmp_path: Path
) -> None:
    chat_model = open_model(serve(refuses(401, {"error": "no key"})))

    with pytest.raises(ChatRejectedError, match="no key"):
        _ask(chat_model, pictures=1)

    assert not (tmp_path / FILE_NAME).exists()


def test_a_wrong_address_is_told_when_the_model_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url is empty"):
        open_chat_model("rose", config=ChatConfig(), texts=None, cache_folder=tmp_path)


def test_the_key_is_in_no_representation(tmp_path: Path) -> None:
    config = ChatConfig(base_url="http://localhost/v1").with_api_key(SecretStr("sk-123456"))
    chat_model = open_chat_model("rose", config=config, texts=None, cache_folder=tmp_path)

    assert "sk-123456" not in f"{chat_model!r} {vars(chat_model)} {config!r} {config}"
