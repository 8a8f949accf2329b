"""Messages in, chunks out: the JSON of OpenAI's chat completions."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from florilegium.errors import ChatError, ChatRejectedError
from florilegium.openai_format import LARGEST_SIDE, read_chunk, read_usage, to_data_url, to_request
from florilegium.types import (
    ChatOptions,
    Delta,
    ImagePart,
    Message,
    SourcePart,
    TextPart,
    TokenUsage,
)


def _picture(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_message_of_texts_is_a_plain_string() -> None:
    source = SourcePart(number=1, title="Rose", path="rose.txt", text="Roses are red.")
    messages = [
        Message(role="system", parts=(TextPart(text="Be brief."),)),
        Message(role="user", parts=(source, TextPart(text="What is red?"))),
    ]

    request = to_request(messages, model="m", options=ChatOptions(max_tokens=9, temperature=0.5))

    assert request == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": '<source number="1" title="Rose" path="rose.txt">\nRoses are red.\n'
                "</source>\n\nWhat is red?",
            },
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("name", ["seed", "top_p"])
def test_what_leads_chance_is_sent_if_it_is_given(name: str) -> None:
    assert to_request([], model="m", options=ChatOptions(**{name: 0}))[name] == 0
    assert name not in to_request([], model="m", options=ChatOptions())


def test_pictures_stand_in_their_order_with_their_captions() -> None:
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    parts = (ImagePart(image=red, number=2), TextPart(text="And?"), ImagePart(image=blue))

    request = to_request([Message(role="user", parts=parts)], model="m", options=ChatOptions())

    caption, first, more, second = request["messages"][0]["content"]
    assert caption == {"type": "text", "text": "Picture [2]:"}
    assert more == {"type": "text", "text": "And?\n\nThe user's picture:"}
    assert _picture(first["image_url"]["url"]).getpixel((1, 1)) == (254, 0, 0)
    assert second["type"] == "image_url"


@pytest.mark.parametrize(
    ("size", "sent"),
    [((4096, 1024), (1024, 256)), ((1024, 1024), (1024, 1024)), ((3, 2), (3, 2))],
)
def test_pictures_are_shrunk_but_never_enlarged(
    size: tuple[int, int], sent: tuple[int, int]
) -> None:
    picture = Image.new("RGB", size, "green")

    assert _picture(to_data_url(picture)).size == sent
    assert max(sent) <= LARGEST_SIDE
    assert picture.size == size


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_pictures_of_each_mode_are_sent(mode: str) -> None:
    assert _picture(to_data_url(Image.new(mode, (2, 2)))).mode == "RGB"


def _chunk(finish: object = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("chunk", "delta"),
    [
        (_chunk(content="a"), Delta(text="a")),
        (_chunk("stop"), Delta(text="", finish_reason="stop")),
        (_chunk("length", content="a"), Delta(text="a", finish_reason="length")),
        (_chunk("max_tokens"), Delta(text="", finish_reason="length")),
        (_chunk("abort"), Delta(text="", finish_reason="cancelled")),
        (_chunk("of its own"), Delta(text="", finish_reason="stop")),
        (_chunk("", content="a"), Delta(text="a")),
        (_chunk(role="assistant", content=None), None),
        (_chunk(content=""), None),
        (_chunk("", content=""), None),
        (_chunk(reasoning_content="Hm.", content=None), None),
        (_chunk(content=[{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]),
         Delta(text="a")),
        (_chunk(content=[{"type": "thinking", "thinking": []}]), None),
        ({"choices": [], "usage": {}}, None),
        ({"choices": [{"delta": None, "finish_reason": "stop"}]},
         Delta(text="", finish_reason="stop")),
        ({"choices": [{}]}, None),
    ],
)  # fmt: skip
def test_a_chunk_is_a_delta_or_says_nothing(chunk: object, delta: Delta | None) -> None:
    assert read_chunk(chunk) == delta


@pytest.mark.parametrize("chunk", [None, [], "a", {}, {"choices": None}, {"choices": {}}])
def test_what_is_no_chunk_is_an_error(chunk: object) -> None:
    with pytest.raises(ChatError, match="no chat completion"):
        read_chunk(chunk)


@pytest.mark.parametrize(
    "choice",
    ["a", None, {"delta": "a"}, {"delta": {"content": 5}}, {"delta": {"content": {"text": "a"}}},
     {"delta": {"content": ["a"]}}, {"delta": {"content": [{"type": "text"}]}}],
)  # fmt: skip
def test_a_chunk_of_another_form_is_an_error(choice: object) -> None:
    with pytest.raises(ChatError, match="another form"):
        read_chunk({"choices": [choice]})


def test_a_reply_that_was_filtered_or_failed_is_an_error() -> None:
    with pytest.raises(ChatRejectedError, match="content filter"):
        read_chunk(_chunk("content_filter"))
    with pytest.raises(ChatError, match="ended the reply with an error"):
        read_chunk(_chunk("error"))


def test_what_a_server_counted_is_read_beside_a_piece_or_alone() -> None:
    counted = TokenUsage(prompt_tokens=30, completion_tokens=0)
    usage = {"prompt_tokens": 30, "completion_tokens": 0, "total_tokens": 30}

    assert read_usage({"choices": [], "usage": usage}) == counted
    assert read_usage({**_chunk("stop"), "usage": usage}) == counted


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], "30", {"prompt_tokens": 30}, {"prompt_tokens": 30, "completion_tokens": None},
     {"prompt_tokens": "30", "completion_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 1},
     {"prompt_tokens": 1.5, "completion_tokens": 1},
     {"prompt_tokens": True, "completion_tokens": 1}],
)  # fmt: skip
def test_what_is_no_count_of_tokens_says_nothing(usage: object) -> None:
    assert read_usage({"choices": [], "usage": usage}) is None


def test_a_chunk_need_not_say_what_was_counted() -> None:
    assert read_usage(_chunk(content="a")) is None
