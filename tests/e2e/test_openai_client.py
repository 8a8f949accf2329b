"""The OpenAI-compatible door with a client that was not written for it, over a real port.

The official `openai` package; the command line `llm` has a file of its own.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from pydantic import SecretStr

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.service import Service
from florilegium.testing.chat_model import FakeChatModel
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import ChatOptions, TokenUsage
from tests.conftest import draw
from tests.e2e.openai_samples import ANSWER, QUESTION, SOURCES
from tests.e2e.serving import SlowChatModel, is_free, serving, wait_until
from tests.unit.server.samples import speak_by


@pytest.fixture
def address(tiny_library: Library) -> Iterator[str]:
    with serving(create_app(tiny_library, config=ServerConfig(page=False))) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="not needed", max_retries=0) as client:
        yield client


def png(colour: str, shape: str) -> bytes:
    file = io.BytesIO()
    draw(colour, shape, size=48).save(file, "PNG")
    return file.getvalue()


def data_address(colour: str, shape: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(colour, shape)).decode()}"


def about_picture(text: str) -> Any:
    return [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": data_address("green", "circle")}},
    ]


def ask(client: openai.OpenAI, content: Any = QUESTION, **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": content}]
    return client.chat.completions.create(**{"model": "tiny", "messages": messages, **options})


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny", "tiny:text", "tiny:image"]
    assert client.models.retrieve("tiny:image").id == "tiny:image"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_an_answer_is_read_with_its_extension(client: openai.OpenAI) -> None:
    completion = ask(client, temperature=0.7, seed=3)

    message = completion.choices[0].message
    assert message.content == ANSWER + SOURCES
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens > 0
    assert message.florilegium["citations"][0]["path"] == "red square.txt"
    assert message.florilegium["ignored"] == ["seed", "temperature"]


def test_the_address_of_a_source_opens_its_page(client: openai.OpenAI) -> None:
    url = ask(client).choices[0].message.florilegium["citations"][0]["url"]

    page = httpx.get(url)

    assert page.status_code == 200
    assert "four equal sides" in page.text


def test_a_stream_is_read_piece_by_piece(client: openai.OpenAI) -> None:
    with ask(client, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ANSWER + SOURCES
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].choices[0].delta.florilegium["refused"] is False
    assert chunks[-1].usage.total_tokens > 0


def test_the_streaming_helper_of_the_client_reads_it_too(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": QUESTION}]

    with client.chat.completions.stream(model="tiny", messages=messages) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == ANSWER + SOURCES


def test_a_picture_and_then_a_question_about_it(client: openai.OpenAI) -> None:
    first = ask(client, about_picture("What is this?")).choices[0].message
    messages: Any = [
        {"role": "user", "content": about_picture("What is this?")},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "How many corners has it?"},
    ]

    second = ask(client, messages=messages).choices[0].message

    assert first.florilegium["citations"][0]["path"] == "circle.md"
    assert "no corners" in second.content


def test_the_list_of_sources_is_left_out_where_that_is_wished(client: openai.OpenAI) -> None:
    extra = {"florilegium": {"sources": False}}

    assert ask(client, extra_body=extra).choices[0].message.content == ANSWER


def test_the_client_sets_the_length_and_the_warmth_of_an_answer(
    client: openai.OpenAI, tiny_library: Library
) -> None:
    model = FakeChatModel([ANSWER], generative=True)
    speak_by(tiny_library, model)

    message = (
        ask(client, max_tokens=40, temperature=0.7, seed=5, top_p=0.9, user="ana")
        .choices[0]
        .message
    )

    assert model.options == [ChatOptions(max_tokens=40, temperature=0.7, top_p=0.9, seed=5)]
    assert message.florilegium["ignored"] == ["user"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_is_cut_short_says_so(client: openai.OpenAI, stream: bool) -> None:
    if stream:
        with ask(client, max_completion_tokens=6, stream=True) as chunks:
            reason = list(chunks)[-1].choices[0].finish_reason
    else:
        reason = ask(client, max_completion_tokens=6).choices[0].finish_reason

    assert reason == "length"


def test_the_client_gets_the_usage_that_the_chat_model_counted(
    client: openai.OpenAI, tiny_library: Library
) -> None:
    counted = TokenUsage(prompt_tokens=900, completion_tokens=12)
    speak_by(tiny_library, FakeChatModel([ANSWER] * 2, generative=False, usage=counted))

    whole = ask(client).usage
    with ask(client, stream=True, stream_options={"include_usage": True}) as stream:
        *_, last = stream

    assert (whole.prompt_tokens, whole.completion_tokens, whole.total_tokens) == (900, 12, 912)
    assert last.choices == []
    assert last.usage == whole


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_completion_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"extra_body": {"temperature": "hot"}}, "temperature"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"logprobs": True}, "logprobs"),
        ({"extra_body": {"mirostat": 2}}, "mirostat"),
        (
            {"content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}}]},
            "messages[0].content[0].image_url.url",
        ),
    ],
)
def test_what_is_not_possible_is_a_bad_request_with_its_parameter(
    client: openai.OpenAI, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, **options)

    assert raised.value.param == param
    assert raised.value.code == "request_invalid"
    assert raised.value.type == "invalid_request_error"


def test_a_chat_model_that_fails_is_an_error_in_the_stream(
    client: openai.OpenAI, tiny_library: Library
) -> None:
    speak_by(tiny_library, FakeChatModel([], generative=False))

    with pytest.raises(openai.APIError, match="no reply left"), ask(client, stream=True) as stream:
        list(stream)


def test_the_key_of_the_client_is_that_of_the_server(tiny_library: Library, tmp_path: Path) -> None:
    config = ServerConfig(page=False, folder=str(tmp_path)).with_api_key(
        SecretStr("s3cret key of the server")
    )
    with serving(create_app(tiny_library, config=config)) as address:
        for key, is_right in (("s3cret key of the server", True), ("wrong", False)):
            with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
                if is_right:
                    assert ask(client).choices[0].message.content == ANSWER + SOURCES
                else:
                    with pytest.raises(openai.AuthenticationError) as raised:
                        ask(client)
                    assert raised.value.type == "authentication_error"
                    assert raised.value.code == "request_unauthenticated"


def test_embeddings_are_those_of_the_encoder(client: openai.OpenAI) -> None:
    # The client asks for base64 by itself, and unpacks it.
    found = client.embeddings.create(model="tiny:text", input=["red square", "circle"])

    rows = np.array([one.embedding for one in found.data], dtype=np.float32)
    expected = FakeEncoder().encode_texts(["red square", "circle"], purpose="document")
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_embeddings_are_the_same_in_each_format(client: openai.OpenAI) -> None:
    def embed(**options: Any) -> Any:
        texts = {"model": "tiny:text", "input": "red square", "dimensions": 32}
        return client.embeddings.create(**{**texts, **options}).data[0].embedding

    plain = embed(encoding_format="float")
    packed = embed(encoding_format="base64")  # which the client leaves to who asked for it

    assert len(plain) == 32
    assert embed() == plain
    assert np.frombuffer(base64.b64decode(packed), "<f4").tolist() == plain


@pytest.mark.parametrize(
    ("options", "param", "told"),
    [
        ({"dimensions": 16}, "dimensions", "gives 32 dimensions, not 16"),
        ({"input": [5, 6]}, "input", "check_embedding_ctx_length"),
        ({"input": [[5], [6]]}, "input", "check_embedding_ctx_length"),
        ({"input": ""}, "input", "The text is empty"),
        ({"input": []}, "input", "nothing to embed"),
        ({"input": ["a", " "]}, "input[1]", "The text is empty"),
        ({"input": ["a"] * 300}, "input", "300 texts are more than the 256"),
    ],
)
def test_what_cannot_be_embedded_is_a_bad_request_that_says_why(
    client: openai.OpenAI, options: dict[str, Any], param: str, told: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=told) as raised:
        client.embeddings.create(**{"model": "tiny:text", "input": "a", **options})

    assert raised.value.param == param


def test_pictures_are_embedded_beside_texts(client: openai.OpenAI) -> None:
    found = client.embeddings.create(
        model="tiny:image",
        input=["green"],
        encoding_format="float",
        extra_body={"florilegium": {"images": [data_address("green", "circle")]}},
    )

    text, picture = (np.array(one.embedding) for one in found.data)
    assert text @ picture > 0.2


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_stops_the_model_and_frees_its_place(
    tiny_library: Library, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = SlowChatModel()
    speak_by(tiny_library, model)
    app = create_app(tiny_library, config=ServerConfig(page=False, answers=1, waiting=0))
    service: Service = app.state.service
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": stream,
    }
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                lines = answer.iter_lines()
                assert next(lines).startswith("data: ")
                refused = client.post("/v1/chat/completions", json=body)
        else:
            leaving = HTTPConnection(address.removeprefix("http://"))
            headers = {"Content-Type": "application/json"}
            leaving.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            wait_until(lambda: bool(model.open_streams))
            leaving.close()
            refused = None

        wait_until(lambda: is_free(service, model))

    assert model.received
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    if refused is not None:
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_go_at_any_moment_leave_nothing_behind(
    tiny_library: Library, stream: bool
) -> None:
    model = SlowChatModel()
    speak_by(tiny_library, model)
    app = create_app(tiny_library, config=ServerConfig(page=False))
    service: Service = app.state.service
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": stream,
    }
    with serving(app) as address:
        for moment in count():
            if moment >= 30 and model.received:
                break
            with (
                suppress(httpx.HTTPError),
                httpx.Client(base_url=address, timeout=0.005 * (moment + 1)) as client,
                client.stream("POST", "/v1/chat/completions", json=body) as answer,
            ):
                next(answer.iter_lines())

        wait_until(lambda: is_free(service, model))

    assert model.received
