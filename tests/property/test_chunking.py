"""Whatever the text is: chunks, windows and sentences stand in order, fit, and lose nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.chunking import split_chunks, split_sentences, split_windows
from florilegium.types import Span

PIECES = st.sampled_from(
    [
        "# Care\n", "Care\n===\n", "\n\n", "\n", "\r", "\u3000", "- item\n", "1. first ", "```\n",
        "![a](b.jpg)\n\n", "Dr. ", "U.S. ", "3.5 ", "Roses bloom. ", "why? ", "玫瑰很美。",
        "“好！”",
        "……", "Tools:\n\n", "e\u0301", "👩‍🌾", "x" * 50,
        "rose " * 30, "，", "<img src=x>", "\u2028",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=40).map("".join)


def count_words(text: str) -> int:
    return len(text.split()) + 2


def count_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def assert_nothing_is_lost(text: str, spans: list[Span]) -> None:
    position = 0
    for span in spans:
        assert position <= span.start < span.end <= len(text)
        assert not text[position : span.start].strip()
        stretch = text[span.start : span.end]
        assert stretch == stretch.strip()
        position = span.end
    assert not text[position:].strip()


@given(TEXTS)
def test_sentences_lose_nothing(text: str) -> None:
    assert_nothing_is_lost(text, split_sentences(text))


@pytest.mark.parametrize("split", [split_chunks, split_windows])
@pytest.mark.parametrize("count_tokens", [count_words, count_bytes, len])
@given(text=TEXTS, max_tokens=st.integers(4, 80))
def test_every_stretch_fits_and_nothing_is_lost(
    split: Callable[..., list[Span]],
    count_tokens: Callable[[str], int],
    text: str,
    max_tokens: int,
) -> None:
    spans = split(text, max_tokens=max_tokens, count_tokens=count_tokens)

    assert_nothing_is_lost(text, spans)
    for span in spans:
        assert count_tokens(text[span.start : span.end]) <= max_tokens
