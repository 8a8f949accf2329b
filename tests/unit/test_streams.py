"""Closing streams of deltas."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from florilegium.streams import closing_stream
from florilegium.types import Delta


def test_a_stream_is_closed_at_the_end_of_the_block_even_after_an_error() -> None:
    closed: list[bool] = []

    def deltas() -> Generator[Delta]:
        try:
            yield Delta(text="a")
            yield Delta(text="b")
        finally:
            closed.append(True)

    def fail_in_the_middle() -> None:
        with closing_stream(deltas()) as stream:
            next(stream)
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_middle()

    assert closed == [True]


def test_an_iterator_without_close_is_left_alone() -> None:
    plain: Iterator[Delta] = iter([Delta(text="a", finish_reason="stop")])

    with closing_stream(plain) as stream:
        assert [delta.text for delta in stream] == ["a"]
