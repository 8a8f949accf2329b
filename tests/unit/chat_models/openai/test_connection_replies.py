"""Replies that go wrong on their way: each is an error of ours, and says what happened."""

from __future__ import annotations

import json
import logging

import httpx
import pytest

from florilegium.errors import (
    ChatError,
    ContextExceededError,
    UnsupportedInputError,
)
from tests.misbehaving_server import (
    PATIENCE,
    Behaviour,
    Stalls,
    drops,
    event,
    hangs_up,
    piece,
    refuses,
    reply,
    sends,
)
from tests.unit.chat_models.openai.conftest import BODY, Connect, Serve, read_reply

KEY = "s3cr3t-key"


def test_leaving_a_reply_early_closes_its_connection(serve: Serve, connect: Connect) -> None:
    stalls = Stalls(event(piece("a")))
    connection = connect(serve(stalls))
    response = connection.post(BODY)
    assert isinstance(response, httpx.Response)
    chunks = connection.read(response)
    assert next(chunks) == piece("a")

    chunks.close()

    assert stalls.gone.wait(PATIENCE)


ERROR = {"error": {"message": "out of memory", "code": 500}}


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (drops(event(piece("a"))), "broke off in the middle of the reply"),
        (drops(), "broke off in the middle of the reply"),
        (sends(event(piece("a")), event(ERROR)), "stopped its reply .* out of memory"),
        (sends(b'error: {"message": "out of memory"}\n\n'), "stopped its reply .* out of memory"),
        (sends(b"data: {oops\n\n"), "no JSON: '{oops'"),
        (sends(b'data: {"choices": [{"del'), "no JSON"),
        (sends(b"data: " + b"[" * 100_000 + b"\n\n"), "no JSON"),
        (sends(b"data: [1, 2]\n\n"), "no object"),
        (sends(b"data: \xf0\x9f\x8c\n\n"), "no UTF-8"),
        (sends(event(piece("a")) + "data: 🌷".encode()[:-2]), "broke off within a character"),
        (sends(b"<html>Log in</html>", kind="text/html; charset=utf-8"),
         "'text/html' instead of an event stream: an HTML page"),
        (sends(b'{"error": "not today"}', kind="application/json"), "not today"),
    ],
)  # fmt: skip
def test_a_reply_that_is_none_says_what_it_is_instead(
    serve: Serve, connect: Connect, behaviour: Behaviour, words: str
) -> None:
    server = serve(behaviour)

    with pytest.raises(ChatError, match=words) as caught:
        read_reply(connect(server))

    assert type(caught.value) is ChatError
    assert caught.value.hint
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("the request exceeds the available context size", ContextExceededError),
        ("image input is not supported", UnsupportedInputError),
    ],
)
def test_an_error_within_the_stream_is_told_apart_too(
    serve: Serve, connect: Connect, message: str, kind: type[ChatError]
) -> None:
    with pytest.raises(kind, match=message):
        read_reply(connect(serve(sends(event({"error": {"message": message, "code": 400}})))))


def test_characters_that_are_cut_by_the_network_are_whole(serve: Serve, connect: Connect) -> None:
    data = json.dumps(piece("Käse 🌷"), ensure_ascii=False).encode()
    stream = b"data: " + data + b"\n\n" + reply("b")

    chunks = read_reply(connect(serve(sends(*(bytes([byte]) for byte in stream)))))

    assert chunks[0] == piece("Käse 🌷")


def test_a_stream_that_is_called_plain_text_isread_reply(serve: Serve, connect: Connect) -> None:
    assert read_reply(connect(serve(sends(reply("a"), kind="text/plain"))))[0] == piece("a")


@pytest.mark.parametrize(
    "behaviour",
    [
        refuses(307, {}, Location=f"https://elsewhere/v1?api-key={KEY}"),
        refuses(404, f"Cannot POST /v1/chat/completions?api-key={KEY}"),
        refuses(401, {"error": {"message": f"the key {KEY} is unknown"}}),
        refuses(500, {"error": f"no route to http://h/v1?api-key={KEY}"}),
        refuses(200, {"error": f"the key {KEY} is unknown"}),
        sends(f"data: the key {KEY} is unknown\n\n".encode()),
        sends(f'data: ["{KEY}"]\n\n'.encode()),
        sends(event({"error": {"message": f"the key {KEY} is unknown"}})),
        hangs_up,
    ],
)
def test_a_key_in_the_query_of_the_address_is_sent_and_never_told(
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    behaviour: Behaviour,
) -> None:
    caplog.set_level(logging.INFO)
    server = serve(behaviour)
    connection = connect(f"{server.base_url}?api-key={KEY}", retries=0)

    with pytest.raises(ChatError) as caught:
        read_reply(connection)

    assert f"api-key={KEY}" in server.asked[0].path
    assert KEY not in f"{caught.value} {caught.value.hint} {caplog.text} {connection.server}"
