"""The JSON of completions and of their pieces, key by key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from florilegium.answers import Answer, Failure
from florilegium.server.openai.completions import Completion, Usage, extension, finish_reason
from florilegium.types import FinishReason
from tests.unit.server.openai.test_footer import answer_of

COMPLETION = Completion(model="flowers", id="chatcmpl-1", created=7)
USAGE = Usage(prompt=3, completion=5, counted_by="chat_model")
COUNTS = {
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
    "counted_by": "chat_model",
}


def test_a_whole_completion_has_the_text_the_usage_and_the_extension() -> None:
    whole = COMPLETION.whole("So [1].", answer_of(), extension={"refused": False}, usage=USAGE)

    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "flowers",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "So [1].",
                    "refusal": None,
                    "florilegium": {"refused": False},
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": COUNTS,
    }


def test_pieces_begin_with_the_role_and_end_with_the_reason() -> None:
    deltas = [
        COMPLETION.first(),
        COMPLETION.piece("So"),
        COMPLETION.last(answer_of(), extension={"refused": False}),
    ]

    assert [piece["choices"] for piece in deltas] == [
        [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
        for delta, reason in [
            ({"role": "assistant", "content": ""}, None),
            ({"content": "So"}, None),
            ({"florilegium": {"refused": False}}, "stop"),
        ]
    ]
    assert {piece["object"] for piece in deltas} == {"chat.completion.chunk"}
    assert all("usage" not in piece for piece in deltas)


def test_usage_comes_alone_after_the_last_piece_where_it_was_asked_for() -> None:
    completion = replace(COMPLETION, with_usage=True)

    assert completion.piece("So")["usage"] is None
    assert completion.counts(USAGE)["choices"] == []
    assert completion.counts(USAGE)["usage"] == COUNTS


def test_each_answer_has_an_id_of_its_own() -> None:
    assert Completion(model="a").id != Completion(model="a").id


@pytest.mark.parametrize(
    ("reason", "expected"), [("stop", "stop"), ("length", "length"), (None, "stop")]
)
def test_the_reason_is_that_of_the_chat_model(reason: FinishReason | None, expected: str) -> None:
    assert finish_reason(replace(answer_of(), finish_reason=reason)) == expected


@pytest.mark.parametrize(("stands_in", "expected"), [(True, "stop"), (False, "length")])
def test_an_answer_that_breaks_off_has_not_come_to_its_end(stands_in: bool, expected: str) -> None:
    failure = Failure(model="m", code="chat_failed", message="It broke.", stands_in=stands_in)

    assert finish_reason(replace(answer_of(), failure=failure)) == expected


def test_the_extension_says_where_each_source_is_and_repeats_no_text() -> None:
    answer: Answer = answer_of("a.txt")

    said = extension(answer, address=lambda id_: f"http://here/{id_}", ignored=["seed"])

    assert said["citations"] == [
        {
            "number": 1,
            "id": f"{1:032}",
            "modality": "text",
            "path": "a.txt",
            "title": "A title",
            "quote": None,
            "span": None,
            "url": f"http://here/{1:032}",
        }
    ]
    assert said["ignored"] == ["seed"]
    assert {"refused", "confidence", "notes", "searched", "identification"} <= set(said)
    assert not {"answer", "hits", "usage", "finish_reason"} & set(said)
