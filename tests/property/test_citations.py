"""Citations of a stream are those of the whole text, however the stream was split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from florilegium.citations import CitationParser, find_quote, strip_citations

# Mostly the characters that citations are made of, so that near misses are common.
PIECES = st.sampled_from(
    [
        *[
            "[",
            "]",
            "【",
            "】",
            "1",
            "2",
            "7",
            "12",
            ",",
            "，",
            ";",
            "-",
            "–",
            "a",
            "红",
            ".",
            "[1]",
            "【1】",
            "[9]",
            "[1-3]",
        ],
        *(" ", "  ", "\t", "\n", " [2, 3]", "[" + "1" * 61 + "]", "[" + "1" * 60),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def parse(pieces: list[str], count: int) -> tuple[str, tuple[int, ...], int]:
    parser = CitationParser(count=count)
    text = "".join(parser.feed(piece) for piece in pieces) + parser.finish()
    return text, parser.numbers, parser.removed


def split_at(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(text=TEXTS, cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=12))
def test_any_split_gives_what_the_whole_gives(text: str, cuts: list[int]) -> None:
    assert parse(split_at(text, cuts), count=3) == parse([text], count=3)


@given(text=TEXTS)
def test_one_character_at_a_time_gives_what_the_whole_gives(text: str) -> None:
    assert parse(list(text), count=3) == parse([text], count=3)


@given(text=TEXTS, count=st.integers(min_value=0, max_value=9))
def test_only_numbers_that_exist_are_cited(text: str, count: int) -> None:
    _, numbers, _ = parse([text], count=count)

    assert all(1 <= number <= count for number in numbers)


@given(text=TEXTS)
def test_without_sources_no_citation_is_left(text: str) -> None:
    shown, numbers, _ = parse([text], count=0)

    assert numbers == ()
    assert shown == strip_citations(text)


@given(before=st.text(max_size=30), quote=st.text(max_size=30), after=st.text(max_size=30))
def test_a_quote_that_is_found_stands_where_it_is_said_to(
    before: str, quote: str, after: str
) -> None:
    text = before + quote + after

    found = find_quote(quote, text)

    if found is not None:
        words, span = found
        assert text[span.start : span.end] == words
