"""What the service tells an observer of its searches and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

import pytest

from florilegium.answers import Answer, Event, Failed, Failure, Finished, Retrieved, Token
from florilegium.errors import ChatRejectedError, InvalidQueryError, UnsupportedInputError
from florilegium.server.observing import Observer, Outcome, Unobserved, Watch, Work

RETRIEVED = Retrieved(hits=(), searched="rose", with_image=False)
FAILED = Failed(failure=Failure(model="m", code="chat_unavailable", message="", stands_in=True))


def _finished(*, refused: bool = False) -> Finished:
    return Finished(
        answer=Answer(text="", citations=(), refused=refused, confidence=0.5, history=())
    )


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def searched(self, *, seconds: float, code: str | None) -> None:
        self.calls.append(("searched", seconds, code))

    def embedded(self, *, seconds: float, code: str | None) -> None:
        self.calls.append(("embedded", seconds, code))

    def answered(
        self, *, outcome: Outcome, seconds: float, first_token: float | None, code: str | None
    ) -> None:
        self.calls.append(("answered", outcome, seconds, first_token, code))

    def ingested(self, *, state: Literal["done", "failed", "cancelled"]) -> None:
        self.calls.append(("ingested", state))


def _watch(told: Observer, work: Work) -> Watch:
    ticks: Iterator[float] = iter([10.0, 11.0, 14.0])
    return Watch(told, work, clock=lambda: next(ticks))


def test_a_search_is_timed() -> None:
    told = Told()

    with _watch(told, "search"):
        pass

    assert told.calls == [("searched", 1.0, None)]


def test_an_embedding_is_timed_as_a_search() -> None:
    told = Told()

    with _watch(told, "embedding"):
        pass

    assert told.calls == [("embedded", 1.0, None)]


def test_a_search_that_fails_has_the_code_of_its_error() -> None:
    told = Told()

    with pytest.raises(InvalidQueryError), _watch(told, "search"):
        raise InvalidQueryError("empty")

    assert told.calls == [("searched", 1.0, "query_invalid")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([RETRIEVED, Token(text="a"), Token(text="b"), _finished()], ("answered", 4.0, 1.0, None)),
        ([RETRIEVED, Token(text="no"), _finished(refused=True)], ("refused", 4.0, 1.0, None)),
        ([FAILED, Token(text="a"), _finished()], ("answered", 4.0, 1.0, "chat_unavailable")),
        ([RETRIEVED, Token(text="a")], ("stopped", 4.0, 1.0, None)),
        ([RETRIEVED], ("stopped", 1.0, None, None)),
    ],
)
def test_of_an_answer_is_told_what_became_of_it(
    events: list[Event], expected: tuple[object, ...]
) -> None:
    told = Told()

    with _watch(told, "answer") as watch:
        for event in events:
            watch.see(event)

    assert told.calls == [("answered", *expected)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ChatRejectedError("no"), ("failed", "chat_rejected")),
        (InvalidQueryError("empty"), ("refused_input", None)),
        (UnsupportedInputError("no pictures"), ("refused_input", None)),
        (ZeroDivisionError(), ("failed", "internal")),
        (asyncio.CancelledError(), ("stopped", None)),
        (GeneratorExit(), ("stopped", None)),
    ],
)
def test_an_answer_that_breaks_off_failed_or_was_stopped(
    error: BaseException, expected: tuple[str, str | None]
) -> None:
    told = Told()

    with pytest.raises(type(error)), _watch(told, "answer"):
        raise error

    [(_, outcome, _, _, code)] = told.calls
    assert (outcome, code) == expected


def test_an_error_that_was_told_to_the_client_counts_too() -> None:
    told = Told()

    with _watch(told, "answer") as watch:
        watch.fail(ChatRejectedError("no"))

    assert told.calls == [("answered", "failed", 1.0, None, "chat_rejected")]


def test_an_observer_that_nobody_reads_takes_everything() -> None:
    nobody = Unobserved()

    nobody.searched(seconds=0.1, code=None)
    nobody.answered(outcome="answered", seconds=0.1, first_token=None, code=None)
    nobody.ingested(state="done")
