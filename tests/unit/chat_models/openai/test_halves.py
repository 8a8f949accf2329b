"""Halves of characters are joined, however the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from florilegium.chat_models.openai.halves import PairJoiner
from florilegium.errors import ChatError


@given(st.text(), st.lists(st.integers(0, 400), max_size=10))
@example("a🌷b", [3, 4, 5])
@example("🌷" * 3, list(range(12)))
def test_characters_cut_in_halves_are_joined(text: str, cuts: list[int]) -> None:
    halves = [
        unit.to_bytes(2, "little").decode("utf-16-le", "surrogatepass")
        for unit in memoryview(text.encode("utf-16-le")).cast("H")
    ]
    edges = [0, *sorted(min(cut, len(halves)) for cut in cuts), len(halves)]
    pairs = PairJoiner()

    joined = [pairs.feed("".join(halves[start:end])) for start, end in pairwise(edges)]

    pairs.finish()
    assert "".join(joined) == text


@pytest.mark.parametrize("text", ["\udf37", "a\udf37b", "\ud83c\ud83c", "\ud83cb"])
def test_a_half_without_its_other_half_is_an_error(text: str) -> None:
    pairs = PairJoiner()

    with pytest.raises(ChatError, match="one half of a character"):
        _ = [pairs.feed(piece) for piece in (text, "more")]


def test_a_reply_that_ends_within_a_character_is_an_error() -> None:
    pairs = PairJoiner()

    assert pairs.feed("rose \ud83c") == "rose "
    with pytest.raises(ChatError, match="one half of a character"):
        pairs.finish()
