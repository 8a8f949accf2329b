"""Answers in the form of OpenAI's chat completions, whole and in pieces.

Pure: knows the JSON that clients read, and what Florilegium says in it besides.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from florilegium.answers import Answer
from florilegium.serialize import Json, answer_to_json

# What the text and the completion are already, and what makes messages large.
_LEFT_OUT: Final = ("answer", "finish_reason", "usage", "hits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How many tokens went in and came out, and who counted them.

    The chat model counts what it read, sources and rules included, and what it wrote. The text
    encoder of the library stands in for one that does not count, or did not speak: it counts what
    the client sent and got.
    """

    prompt: int
    completion: int
    counted_by: Literal["chat_model", "text_encoder"]

    def to_json(self) -> Json:
        """Return it as clients read it."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "counted_by": self.counted_by,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What all pieces of one answer share."""

    model: str
    with_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, answer: Answer, *, extension: Json, usage: Usage | None) -> Json:
        """Return an answer that is not streamed."""
        message: Json = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            "florilegium": extension,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": finish_reason(answer),
        }
        counted = {} if usage is None else {"usage": usage.to_json()}
        return {**self._head("chat.completion"), "choices": [choice], **counted}

    def first(self) -> Json:
        """Return the piece that begins a streamed answer."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> Json:
        """Return a piece of the text."""
        return self._chunk({"content": text})

    def last(self, answer: Answer, *, extension: Json) -> Json:
        """Return the piece that ends the text."""
        return self._chunk({"florilegium": extension}, finish_reason=finish_reason(answer))

    def counts(self, usage: Usage) -> Json:
        """Return the piece after the last, which only counts tokens."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage.to_json()}

    def _chunk(self, delta: Json, *, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage: Json = {"usage": None} if self.with_usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **usage}

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def finish_reason(answer: Answer) -> str:
    """Return `length` for an answer that does not come to its end, else `stop`."""
    breaks_off = answer.failure is not None and not answer.failure.stands_in
    return "length" if breaks_off or answer.finish_reason == "length" else "stop"


def extension(answer: Answer, *, address: Callable[[str], str], ignored: list[str]) -> Json:
    """Return what Florilegium says of an answer besides its text.

    Args:
        answer: The answer.
        address: Gives the address of the page of an item, by its id.
        ignored: The parameters and messages that were without effect.
    """
    said = {name: value for name, value in answer_to_json(answer).items() if name not in _LEFT_OUT}
    citations = said["citations"]
    assert isinstance(citations, list)
    located = [{**citation, "url": address(citation["id"])} for citation in citations]
    return {**said, "citations": located, "ignored": ignored}
