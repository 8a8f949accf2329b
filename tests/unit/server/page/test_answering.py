"""An answer on its way is shown as it comes, and can be stopped or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from florilegium import Library
from florilegium.answers import Event, Failed, Failure, Token
from florilegium.errors import ChatRejectedError
from florilegium.server.error_shapes import INTERNAL
from florilegium.server.page.answer_view import AnswerView
from florilegium.server.page.answering import Answering
from florilegium.server.page.visit import Visit
from florilegium.server.served import Asked


class Recorder:
    """Stands where the view does, and remembers what it was shown."""

    is_gone = False

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.cited: list[int] = []

    def found(self, identification: Any, hits: Any, searched: str, *, so_far: Any) -> None:
        self.shown.append(("found", len(hits), searched))
        self.so_far = so_far

    def write(self, text: str, count: int) -> None:
        self.shown.append(("write", text))
        self.cited = [one["number"] for one in self.so_far()["citations"]]

    def warn(self, failure: Any) -> None:
        self.shown.append(("warn", failure["message"]))


class Script:
    """Stands where the service does: gives events, then ends, fails, or waits for ever."""

    def __init__(self, events: Sequence[Event], *, then: str = "end") -> None:
        self.events = events
        self.then = then
        self.left = False
        self.said = asyncio.Event()

    @asynccontextmanager
    async def answer(self, *_: object) -> AsyncIterator[AsyncIterator[Event]]:
        try:
            yield self._give()
        finally:
            self.left = True

    async def _give(self) -> AsyncIterator[Event]:
        for event in self.events:
            yield event
            await asyncio.sleep(0.06)
        self.said.set()
        if self.then == "fail":
            raise ChatRejectedError("Refused.", hint="Ask otherwise.")
        if self.then == "break":
            raise RuntimeError("a defect")
        if self.then == "wait":
            await asyncio.sleep(60)


class FakeVisit:
    user = None
    library = "tiny"

    def __init__(self, service: Script) -> None:
        self.service = service


def answering(script: Script) -> tuple[Answering, Recorder]:
    recorder = Recorder()
    made = Answering(cast(Visit, FakeVisit(script)), cast(AnswerView, recorder))
    return made, recorder


ASKED = Asked(question="How many sides has the red square?")


def test_what_is_found_comes_first_then_the_words_then_the_reply(tiny_library: Library) -> None:
    events = list(tiny_library.stream(ASKED.question))
    made, recorder = answering(Script(events))

    reply = asyncio.run(made.run(ASKED))

    kinds = [shown[0] for shown in recorder.shown]
    assert kinds[0] == "found"
    assert set(kinds[1:]) == {"write"}
    assert str(reply["answer"]).startswith(recorder.shown[1][1])
    assert reply["citations"]
    assert recorder.cited == [1]  # before the last event


def test_a_stopped_answer_keeps_its_words_and_leaves_the_service() -> None:
    script = Script([Token(text="so "), Token(text="far")], then="wait")
    made, _ = answering(script)

    async def stop() -> dict[str, object]:
        task = asyncio.create_task(made.run(ASKED))
        await script.said.wait()
        task.cancel()
        return await task

    reply = asyncio.run(stop())

    assert (reply["answer"], reply["stopped"], reply["error"]) == ("so far", True, None)
    assert script.left


def test_an_error_keeps_the_words_before_it() -> None:
    made, _ = answering(Script([Token(text="so far")], then="fail"))

    reply = asyncio.run(made.run(ASKED))

    assert reply["answer"] == "so far"
    assert reply["error"] == {
        "code": "chat_rejected",
        "message": "Refused.",
        "hint": "Ask otherwise.",
    }


def test_what_nobody_foresaw_is_logged_and_told_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = answering(Script([Token(text="so far")], then="break"))

    reply = asyncio.run(made.run(ASKED))

    assert reply["answer"] == "so far"
    assert reply["error"] == INTERNAL
    assert "a defect" in caplog.text


def test_a_failure_of_the_chat_model_is_shown_and_an_answer_without_an_end_is_an_error() -> None:
    failure = Failure(model="m", code="c", message="It is down.", stands_in=True)
    made, recorder = answering(Script([Failed(failure=failure)]))

    reply = asyncio.run(made.run(ASKED))

    assert recorder.shown == [("warn", "It is down.")]
    assert cast(dict[str, object], reply["error"])["code"] == "store_failed"
