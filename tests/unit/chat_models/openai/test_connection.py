"""Connections: patience, keys and proxies, and an error of ours for each misbehaviour."""

from __future__ import annotations

import json
import logging
import socket
from functools import partial
from itertools import count

import httpx
import pytest
from pydantic import SecretStr

from florilegium.chat_models.openai import events
from florilegium.chat_models.openai.connection import (
    LAST,
    LONGEST_WAIT,
    Connection,
)
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatTimeoutError,
    ChatUnavailableError,
    ConfigError,
)
from tests.misbehaving_server import (
    PATIENCE,
    Behaviour,
    Exchange,
    MisbehavingServer,
    Pings,
    Stalls,
    event,
    hangs,
    hangs_up,
    listing,
    piece,
    refuses,
    says,
    sends,
)
from tests.unit.chat_models.openai.conftest import BODY, Connect, Serve, read_reply
from tests.unit.worker_samples import wait_until

KEY = "sk-0123456789abcdef"


def test_the_chunks_of_a_reply_come_in_order(serve: Serve, connect: Connect) -> None:
    chunks = read_reply(connect(serve(says("a", "b"))))

    assert chunks == [piece("a"), piece("b"), piece(finish="stop"), LAST]


def test_requests_share_one_connection(serve: Serve, connect: Connect) -> None:
    server = serve(refuses(400, {}), says("a"))
    connection = connect(server)
    connection.post(BODY)

    for _ in range(3):
        read_reply(connection)

    assert server.connections == 1


def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(
    serve: Serve, connect: Connect
) -> None:
    def says_and_closes(exchange: Exchange) -> None:
        says("a")(exchange)
        exchange.keeps_alive = False

    server = serve(says_and_closes)
    connection = connect(server)

    assert read_reply(connection) == read_reply(connection)
    assert server.connections == 2


def test_after_closing_new_connections_are_opened(serve: Serve, connect: Connect) -> None:
    server = serve(says("a"))
    connection = connect(server)

    for _ in range(2):
        read_reply(connection)
        connection.close()

    assert server.connections == 2


@pytest.mark.parametrize(
    "trouble", [refuses(429, {}), refuses(500, {}), refuses(503, {}), hangs_up]
)
def test_what_may_pass_is_tried_again(serve: Serve, connect: Connect, trouble: Behaviour) -> None:
    server = serve(trouble, trouble, says("a"))

    assert len(read_reply(connect(server, retries=2))) == 3
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (refuses(429, {"error": {"message": "slow down"}}), "is busy.*slow down"),
        (refuses(503, {"error": {"message": "Loading model"}}), "failed.*Loading model"),
        (refuses(502, "<html>Bad Gateway</html>"), "status 502.*an HTML page"),
        (hangs_up, "cannot be reached"),
    ],
)
def test_what_does_not_pass_is_unavailable(
    serve: Serve, connect: Connect, trouble: Behaviour, words: str
) -> None:
    server = serve(trouble)

    with pytest.raises(ChatUnavailableError, match=words):
        read_reply(connect(server, retries=1))

    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 422])
def test_a_refusal_is_not_tried_again(serve: Serve, connect: Connect, status: int) -> None:
    server = serve(refuses(status, {"error": {"message": "no"}}))

    with pytest.raises(ChatRejectedError):
        read_reply(connect(server, retries=5))

    assert len(server.asked) == 1


def test_a_server_that_is_down_is_unavailable(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ChatUnavailableError, match="cannot be reached") as caught:
        read_reply(connect(f"http://127.0.0.1:{port}/v1"))

    assert caught.value.hint == "Start it, or mend chat.base_url."


def _waits(server: MisbehavingServer, retries: int) -> list[float]:
    waits: list[float] = []
    config = ChatConfig(base_url=server.base_url, retries=retries)
    connection = Connection(config, sleep=waits.append)
    connection.post(BODY)
    connection.close()
    return waits


def test_waits_grow_and_are_never_quite_the_same(serve: Serve) -> None:
    first, second = (_waits(serve(refuses(500, {})), 6) for _ in range(2))

    assert first != second
    for seconds, least in zip(first, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0], strict=True):
        assert least <= seconds <= least + 0.5


def test_a_server_may_ask_for_more_time_but_not_for_any_time(serve: Serve) -> None:
    patient = _waits(serve(refuses(429, {}, Retry_After="7")), 1)
    endless = _waits(serve(refuses(503, {}, Retry_After="86400")), 1)

    assert patient == [7.0]
    assert endless == [LONGEST_WAIT]


def test_silence_before_the_reply_times_out_and_is_not_tried_again(
    serve: Serve, connect: Connect
) -> None:
    server = serve(hangs)

    with pytest.raises(ChatTimeoutError, match=r"sent nothing for 0\.1 s"):
        read_reply(connect(server, timeout=0.1, retries=5))

    wait_until(lambda: len(server.asked) > 0)
    assert len(server.asked) == 1


def test_silence_within_the_reply_times_out(serve: Serve, connect: Connect) -> None:
    server = serve(Stalls(event(piece("a"))))

    with pytest.raises(ChatTimeoutError, match=r"sent nothing for 0\.1 s"):
        read_reply(connect(server, timeout=0.1, retries=5))

    wait_until(lambda: len(server.asked) > 0)
    assert len(server.asked) == 1


def test_a_server_that_only_pings_times_out(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = Pings()
    hurrying = partial(events.read_events, clock=count(step=PATIENCE / 4).__next__)
    monkeypatch.setattr("florilegium.chat_models.openai.connection.read_events", hurrying)

    with pytest.raises(ChatTimeoutError, match="keeps the connection open"):
        read_reply(connect(serve(pings)))

    assert pings.gone.wait(PATIENCE)


def test_a_model_that_is_not_there_is_told_with_those_that_are(
    serve: Serve, connect: Connect
) -> None:
    missing = refuses(404, {"error": {"message": "model 'rose' not found"}})

    with pytest.raises(ChatRejectedError, match="no model 'rose'; it has: 'lily', 'tulip'") as one:
        read_reply(connect(serve(missing, models=listing("lily", "tulip"))))
    with pytest.raises(ChatRejectedError, match="model 'rose' not found"):
        read_reply(connect(serve(missing, models=listing("rose"))))

    assert "openai:MODEL" in str(one.value.hint)


def test_an_address_without_v1_is_told_about(serve: Serve, connect: Connect) -> None:
    server = serve(says("a"))
    address = server.base_url.removesuffix("/v1")

    with pytest.raises(ChatRejectedError, match="no chat completions there") as caught:
        read_reply(connect(address))

    assert f'set chat.base_url to "{address}/v1"' in str(caught.value.hint)


def test_an_address_that_moved_is_told_and_not_followed(serve: Serve, connect: Connect) -> None:
    elsewhere = serve(says("a"))
    server = serve(refuses(307, {}, Location=f"{elsewhere.base_url}/chat/completions"))

    with pytest.raises(ChatRejectedError, match=f"status 307.*moved to '{elsewhere.base_url}"):
        read_reply(connect(server, KEY))

    assert elsewhere.received == []


def test_fields_that_a_server_refuses_are_sent_otherwise(serve: Serve, connect: Connect) -> None:
    def unsupported(field: str) -> Behaviour:
        code = "unsupported_parameter"
        return refuses(400, {"error": {"message": "m", "param": field, "code": code}})

    server = serve(unsupported("max_tokens"), unsupported("temperature"), says("a"))
    connection = connect(server)

    read_reply(connection)
    read_reply(connection)

    assert [sorted(request.body) for request in server.asked] == [
        ["max_tokens", "messages", "model", "temperature"],
        ["max_completion_tokens", "messages", "model", "temperature"],
        ["max_completion_tokens", "messages", "model"],
        ["max_completion_tokens", "messages", "model"],
    ]
    assert server.asked[-1].body["max_completion_tokens"] == 5


def test_a_field_that_is_refused_again_and_again_is_an_error(
    serve: Serve, connect: Connect
) -> None:
    error = {"message": "m", "param": "seed", "code": "unsupported_parameter"}
    server = serve(refuses(400, {"error": error}))

    with pytest.raises(ChatRejectedError):
        read_reply(connect(server))

    assert len(server.asked) == 2


def test_halves_of_characters_in_a_request_are_sent_as_a_question_mark(
    serve: Serve, connect: Connect
) -> None:
    server = serve(says("a"))
    connection = connect(server)

    response = connection.post({**BODY, "messages": ["name\udcff.txt", "🌷"]})

    assert isinstance(response, httpx.Response)
    response.close()
    assert server.asked[0].body["messages"] == ["name?.txt", "🌷"]


@pytest.mark.parametrize(
    "behaviour",
    [
        refuses(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}),
        refuses(400, f"Bearer {KEY}"),
        refuses(503, {"error": KEY}),
        sends(event({"error": {"message": KEY}})),
        sends(json.dumps({"error": KEY}).encode(), kind="application/json"),
    ],
)
def test_the_key_is_sent_and_shown_nowhere(
    serve: Serve, connect: Connect, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(behaviour)
    connection = connect(server, KEY, retries=1)

    with pytest.raises(ChatError) as caught:
        read_reply(connection)

    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    error = caught.value
    shown = f"{error} {error!r} {error.hint} {error.__cause__!r} {connection!r} {vars(connection)}"
    assert KEY not in shown
    assert KEY not in caplog.text


def test_without_a_key_none_is_sent(serve: Serve, connect: Connect) -> None:
    server = serve(says("a"))

    read_reply(connect(server))

    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("key", [f"{KEY}\n", "two words", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated(key: str) -> None:
    config = ChatConfig(base_url="http://localhost/v1", api_key_env="MY_KEY")

    with pytest.raises(ConfigError, match="'MY_KEY'") as caught:
        Connection(config.with_api_key(SecretStr(key)))

    assert key.strip() not in str(caught.value)


def test_this_machine_is_never_reached_through_a_proxy(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(refuses(502, "proxy")), serve(says("a"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

    read_reply(connect(server))
    read_reply(connect(f"http://localhost:{server.port}/v1"))

    assert proxy.received == []


def test_vendors_are_reached_through_the_proxy_of_the_environment(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(says("a"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    connect("http://models.example/v1").post(BODY)

    assert proxy.received[0].path == "http://models.example/v1/chat/completions"


def test_a_proxy_that_cannot_be_used_is_an_error_of_the_settings(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://user:hunter2@proxy.example")

    with pytest.raises(ConfigError, match="proxy") as caught:
        read_reply(connect("http://models.example/v1"))

    assert "hunter2" not in str(caught.value)


def test_the_models_of_a_server_are_listed(serve: Serve, connect: Connect) -> None:
    models = connect(serve(says("a"), models=listing("rose", max_model_len=9))).models()

    assert models is not None
    assert [(model.id, model.context_tokens) for model in models] == [("rose", 9)]


@pytest.mark.parametrize("listed", [None, "<html></html>", "[1", "[" * 100_000, {"odd": 1}])
def test_a_server_without_a_list_of_models_has_none(
    serve: Serve, connect: Connect, listed: object
) -> None:
    assert connect(serve(says("a"), models=listed)).models() is None


def test_a_list_of_models_that_cannot_be_had_is_an_error(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ChatUnavailableError):
        connect(f"http://127.0.0.1:{port}/v1").models()


def test_a_server_that_does_not_know_how_to_count_is_asked_again_without(
    serve: Serve, connect: Connect
) -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra"}]
    server = serve(refuses(422, {"detail": detail}), says("a"))
    connection = connect(server)
    body = {**BODY, "stream_options": {"include_usage": True}}

    for _ in range(2):
        response = connection.post(body)
        assert isinstance(response, httpx.Response)
        response.close()

    assert ["stream_options" in request.body for request in server.asked] == [True, False, False]
