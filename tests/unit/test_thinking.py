"""Thoughts leave a reply, however it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from florilegium.thinking import ThoughtFilter, without_thoughts
from florilegium.types import Delta, TokenUsage


def _answer(pieces: Iterable[str]) -> str:
    thoughts = ThoughtFilter()
    answer = "".join([thoughts.feed(piece) for piece in pieces])
    return answer + thoughts.finish()


def _splits(text: str) -> Iterator[list[str]]:
    """Yield all ways to cut a text in three, and that into single characters."""
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            yield [text[:first], text[first:second], text[second:]]
    yield list(text)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>Hm.</think>Roses.", "Roses."),
        ("\n<think>\nHm.\n</think>\n\nRoses.\n", "Roses.\n"),
        ("<think></think>Roses", "Roses"),
        ("<think>a</thin</think>R", "R"),
        ("<think>never ends", ""),
        ("<think>ends</think>\n ", ""),
        ("<think", "<think"),
        ("<thin air>", "<thin air>"),
        ("Roses <think>x</think>", "Roses <think>x</think>"),
        ("<think>a</think>b<think>c</think>", "b<think>c</think>"),
        ("  Roses", "  Roses"),
        ("", ""),
        ("< 5", "< 5"),
    ],
)
def test_thoughts_at_the_beginning_are_no_part_of_the_answer(reply: str, answer: str) -> None:
    for pieces in _splits(reply):
        assert _answer(pieces) == answer, pieces


def test_an_answer_is_not_held_back() -> None:
    thoughts = ThoughtFilter()

    assert thoughts.feed("R") == "R"
    assert thoughts.feed("<") == "<"


def test_deltas_lose_their_thoughts_and_keep_their_reason() -> None:
    pieces = ["<thi", "nk>Hm.</think>", "Roses", "."]
    deltas = [Delta(text=piece) for piece in pieces]

    spoken = list(without_thoughts([*deltas, Delta(text="", finish_reason="stop")]))

    assert [delta.text for delta in spoken] == ["Roses", ".", ""]
    assert spoken[-1].finish_reason == "stop"


def test_a_reply_that_only_looked_like_a_thought_is_whole() -> None:
    spoken = list(without_thoughts([Delta(text="<th"), Delta(text="", finish_reason="length")]))

    assert spoken == [Delta(text="<th", finish_reason="length")]


def test_what_was_counted_stays_with_the_end() -> None:
    usage = TokenUsage(prompt_tokens=3, completion_tokens=9)
    deltas = [
        Delta(text="<think>Hm.</think>So."),
        Delta(text="", finish_reason="stop", usage=usage),
    ]

    assert list(without_thoughts(deltas))[-1].usage == usage
