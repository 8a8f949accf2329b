"""Answers as server-sent events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.answers import Failed, Failure, Token
from florilegium.errors import ChatRejectedError
from florilegium.server.sse import event_to_json
from tests.unit.server.samples import assert_error, find

ASK = "/api/libraries/tiny/ask"


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in text.replace("\r\n", "\n").strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        events.append((lines["event"], json.loads(lines["data"])))
    return events


def test_an_answer_comes_as_retrieved_tokens_and_finished(client: TestClient) -> None:
    answer = client.post(ASK, json={"question": "How many sides has a red square?"})

    events = events_of(answer.text)
    names = [name for name, _ in events]
    assert names[0] == "retrieved"
    assert names[-1] == "finished"
    assert set(names[1:-1]) == {"token"}
    said = "".join(data["text"] for name, data in events if name == "token")
    assert said == events[-1][1]["answer"] == "A red square has four equal sides. [1]"
    assert events[0][1]["hits"][0]["id"] == events[-1][1]["citations"][0]["id"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"


def test_half_a_character_of_a_chat_model_breaks_no_stream(
    client: TestClient, tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tiny_library, "stream", lambda *_, **__: iter([Token(text="a 🌹 \ud83c"), Token(text="b")])
    )

    events = events_of(client.post(ASK, json={"question": "How?"}).text)

    assert [data["text"] for _, data in events] == ["a 🌹 \ud83c", "b"]


def test_what_is_wrong_before_the_first_event_has_its_status(client: TestClient) -> None:
    assert_error(client.post(ASK, json={"question": " "}), 422, "query_invalid")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ChatRejectedError("No.", hint="Ask."), "chat_rejected"), (ValueError("x"), "internal")],
)
def test_a_later_error_is_an_event_in_the_one_shape(
    client: TestClient,
    tiny_library: Library,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    def stream(*_: object, **__: object) -> Any:
        yield Token(text="One")
        raise error

    monkeypatch.setattr(tiny_library, "stream", stream)

    events = events_of(client.post(ASK, json={"question": "Which?"}).text)

    assert [name for name, _ in events] == ["token", "error"]
    assert events[1][1]["error"]["code"] == code
    assert set(events[1][1]["error"]) == {"code", "message", "hint"}
    assert "ValueError" not in events[1][1]["error"]["message"]


def test_a_chat_model_that_failed_is_told(client: TestClient) -> None:
    failure = Failure(model="m", code="chat_timeout", message="Late.", stands_in=True)

    assert event_to_json(Failed(failure=failure)) == (
        "failed",
        {"model": "m", "code": "chat_timeout", "message": "Late.", "hint": None, "stands_in": True},
    )


def test_a_place_is_free_again_after_the_answer(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app

    client.post(ASK, json={"question": "How many sides has a red square?"})
    find(client, "red", "image")

    assert (service.answers.running, service.answers.waiting) == (0, 0)
