"""A reply ends before the first stop text, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.stop_sequences import until_stop
from florilegium.types import Delta, TokenUsage

USAGE = TokenUsage(prompt_tokens=3, completion_tokens=2)


def pieces(*texts: str) -> Iterator[Delta]:
    yield from (Delta(text=text) for text in texts)
    yield Delta(text="", finish_reason="length", usage=USAGE)


def said(texts: Sequence[str], stop: Sequence[str]) -> tuple[str, str | None]:
    deltas = list(until_stop(pieces(*texts), stop))
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    return "".join(delta.text for delta in deltas), deltas[-1].finish_reason


@pytest.mark.parametrize(
    ("texts", "stop", "expected"),
    [
        (["one two"], [], ("one two", "length")),
        (["one two"], ["three"], ("one two", "length")),
        (["one two"], ["two"], ("one ", "stop")),
        (["one t", "w", "o three"], ["two"], ("one ", "stop")),
        (["one t", "wi", "ce"], ["two"], ("one twice", "length")),
        (["one tw"], ["two"], ("one tw", "length")),
        (["aab"], ["ab", "aab"], ("", "stop")),
        (["a", "aab"], ["aab"], ("a", "stop")),
        (["abb"], ["abb", "b"], ("a", "stop")),
        (["ab", "b"], ["abb", "b"], ("a", "stop")),
        (["one\n", "\ntwo"], ["\n\n", "w"], ("one", "stop")),
    ],
)
def test_a_reply_ends_before_the_first_stop_text(
    texts: list[str], stop: list[str], expected: tuple[str, str]
) -> None:
    assert said(texts, stop) == expected


@given(
    st.lists(st.text("ab", max_size=5), max_size=6),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=4),
)
def test_every_cut_of_the_stream_gives_the_same(texts: list[str], stop: list[str]) -> None:
    whole = "".join(texts)
    ends = [(at + len(one), at) for one in stop if (at := whole.find(one)) >= 0]

    assert said(texts, stop) == ((whole[: min(ends)[1]], "stop") if ends else (whole, "length"))


def test_what_no_stop_can_begin_in_is_not_held_back() -> None:
    deltas = until_stop(pieces("one t", "ree"), ["two"])

    assert next(deltas).text == "one "


def test_the_chat_model_is_asked_for_no_more() -> None:
    asked: list[str] = []

    def stream() -> Iterator[Delta]:
        for text in ("one ", "two ", "three "):
            asked.append(text)
            yield Delta(text=text)

    assert [delta.text for delta in until_stop(stream(), ["tw"])] == ["one ", ""]
    assert asked == ["one ", "two "]


def test_what_was_counted_stays_with_the_last_delta() -> None:
    assert list(until_stop(pieces("one"), ["two"]))[-1].usage == USAGE
    assert list(until_stop(pieces("one"), ["one"]))[-1].usage is None
